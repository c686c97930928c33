"""The operation in which two records differ first."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.samebits.diff import made
from tests.samebits.diff.made import another, digest, from_step, put
from tests.samebits.diff.test_values import further, hold

from samebits.diff.command import compare, lines
from samebits.diff.records import Result
from samebits.process.command_line import hint
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER, MISSING
from samebits.record.values import of_operation

Events = list[dict[str, Any]]
STEP = 3
BACKWARD = "aten::convolution_backward"
OUTPUTS = ("grad_input", "grad_weight", "grad_bias")


def operation(step: int, name: str, direction: str = "", module: str = "", **more: Any) -> dict[str, Any]:
    """The line of an operation with two inputs and one output."""
    return {
        "event": "operation",
        "after": {"0": step - 1} if step > 1 else {},
        "direction": direction,
        "module": module,
        "class": "Conv2d" if module else "",
        "model": "Net" if module else "",
        "name": name,
        "occurrence": 1,
        "line": "model.py:41" if module else "train.py:30",
        "inputs": digest("in", 0, name, step) + digest("in", 1, name, step),
        "settings": "0.1, alpha=1",
        "outputs": digest("out", name, step),
        "shapes": [[2, 4]],
        "dtypes": ["float32"],
        **more,
    }


def operations(step: int) -> Events:
    outputs = MISSING + digest("weight", step) + digest("bias", step)
    return [
        operation(step, "aten::convolution", "forward", "features.3"),
        operation(step, BACKWARD, "backward", "features.3", outputs=outputs, of=list(OUTPUTS)),
        operation(step, "aten::add_.Tensor", of=["self"]),
    ]


def training() -> Events:
    events: Events = []
    for event in made.training(4):
        if event["event"] == "step":
            events += operations(event["step"])
        events.append(event)
    events[0]["level"] = "operation"
    return events


def at(events: Events, name: str, step: int = STEP) -> dict[str, Any]:
    """An operation of a step."""
    after = {"0": step - 1}
    return next(e for e in events if e["event"] == "operation" and (e["name"], e["after"]) == (name, after))


def differ(event: dict[str, Any], kind: str, number: int = 0) -> None:
    """One of an operation's inputs or outputs is another one."""
    text = event[kind]
    at = number * len(MISSING)
    event[kind] = text[:at] + digest("other") + text[at + len(MISSING) :]


def diff(tmp_path: Path, first: Events, second: Events) -> Result:
    return compare(made.write(tmp_path / "a", first), made.write(tmp_path / "b", second))


def gradients_differ(event: dict[str, Any]) -> None:
    event["gradients"] = {when: put(text, "2.weight") for when, text in event["gradients"].items()}
    event["parameters"] = put(event["parameters"], "2.weight")


def test_the_operation_and_its_output_are_named_with_elements_and_ulps(tmp_path: Path) -> None:
    first = training()
    second = another(first)
    from_step(second, STEP, gradients_differ)
    differ(at(second, BACKWARD), "outputs", 1)
    differ(at(second, "aten::add_.Tensor"), "inputs")
    differ(at(second, "aten::add_.Tensor"), "outputs")
    name = f"{of_operation(at(first, BACKWARD))}/1"
    array = np.ones((96, 96), dtype=np.float32)
    for folder, events, content in (("a", first, array), ("b", second, further(array, 3, 7, 9))):
        hold(made.write(tmp_path / folder, events), STEP, **{name: content})
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.verdict == (
        "first difference: step 3, backward of `features.3` (Conv2d), aten::convolution_backward, "
        "model.py:41: inputs equal, output `grad_weight` differs in 3 of 9,216 elements, by at most 2 ULPs"
    )
    cause = result.causes[0]
    assert (cause.kind, cause.where) == ("operation", "model.py:41")
    assert cause.text == f"{BACKWARD} does not give the same result each time"


def test_what_to_use_instead_is_told(tmp_path: Path) -> None:
    first = training()
    for event in first:
        if event.get("name") == "aten::convolution":
            event["name"] = "aten::index_put"
    second = another(first)
    differ(at(second, "aten::index_put"), "outputs")
    from_step(second, STEP, lambda event: event["calls"][0].update(outputs=digest("other")))
    result = diff(tmp_path, first, second)
    assert "aten::index_put, model.py:41: inputs equal, output differs" in result.verdict
    assert "index_add_" in result.causes[0].fix
    command = "samebits record --level operation --steps 3:3 --values 3:3 -- python train.py"
    assert result.more == (hint(*command.split()),)


def test_an_input_that_no_operation_has_written_is_named(tmp_path: Path) -> None:
    first = training()
    second = another(first)
    from_step(second, STEP, lambda event: event["calls"][0].update(outputs=digest("other")))
    for kind in ("inputs", "outputs"):
        differ(at(second, "aten::convolution"), kind, kind == "inputs")
    result = diff(tmp_path, first, second)
    assert result.verdict == (
        "first difference: step 3, forward of `features.3` (Conv2d), aten::convolution, model.py:41: "
        "input 1, which no operation of torch has written, differs"
    )
    assert result.causes[0].kind == "foreign"
    assert "NumPy" in result.causes[0].text
    assert not any(cause.kind == "operation" for cause in result.causes)
    assert result.more == ()  # the values of outputs say nothing of an input


def test_another_batch_is_told_as_a_batch(tmp_path: Path) -> None:
    first = training()
    second = another(first)
    other = {"arguments": digest("other"), "outputs": digest("other"), "rows": made.rows(70, 71)}
    from_step(second, STEP, lambda event: event["calls"][0].update(other))
    for kind in ("inputs", "outputs"):
        differ(at(second, "aten::convolution"), kind)
    assert "step 3, the batch" in diff(tmp_path, first, second).verdict


def test_other_arguments_of_an_operation_of_the_optimiser(tmp_path: Path) -> None:
    first = training()
    second = another(first)
    from_step(second, STEP, lambda event: event.update(parameters=put(event["parameters"], "2.weight")))
    at(second, "aten::add_.Tensor")["settings"] = "0.1, alpha=2"
    differ(at(second, "aten::add_.Tensor"), "outputs")
    result = diff(tmp_path, first, second)
    assert "step 3, aten::add_.Tensor, train.py:30: inputs equal, output `self` differs" in result.verdict
    assert result.place is not None
    assert result.place.what == "parameter"
    assert result.causes[0].kind == "optimizer"
    assert "alpha=1 in A, alpha=2 in B" in result.causes[0].text


@pytest.mark.parametrize("kinds", [("inputs",), ("outputs",), ("inputs", "outputs")])
def test_what_nobody_uses_is_no_difference(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """Memory that nobody wrote, and is read and thrown away."""
    first = training()
    second = another(first)
    for kind in kinds:
        differ(at(second, "aten::convolution"), kind)
    assert diff(tmp_path, first, second).place is None


def test_clipping_is_told_as_clipping(tmp_path: Path) -> None:
    """It is an operation that only one of both has."""
    first = training()
    second = another(first)
    lone = operation(STEP, "aten::_foreach_mul_.Tensor", of=["self[0]"])
    second.insert(second.index(at(second, "aten::add_.Tensor")), lone)
    for kind in ("inputs", "outputs"):
        differ(at(second, "aten::add_.Tensor"), kind)

    def clipped(event: dict[str, Any]) -> None:
        event["gradients"][AT_OPTIMIZER] = put(event["gradients"][AFTER_BACKWARD], "2.weight")
        event["parameters"] = put(event["parameters"], "2.weight")

    from_step(second, STEP, clipped)
    result = diff(tmp_path, first, second)
    assert "between backward and the optimiser" in result.verdict
    assert result.causes[0].kind == "clipping"


def test_an_operation_that_only_one_has_in_the_forward_pass(tmp_path: Path) -> None:
    first = training()
    second = another(first)
    second.insert(second.index(at(second, BACKWARD)), operation(STEP, "aten::mul.Tensor", "forward", "head"))
    from_step(second, STEP, lambda event: event["calls"][0].update(outputs=digest("other")))
    result = diff(tmp_path, first, second)
    expected = "step 3, only B calls: forward of `head` (Conv2d), aten::mul.Tensor, model.py:41"
    assert result.verdict == f"first difference: {expected}"
    assert result.place is not None
    assert result.place.what == "forward"


def test_a_gradient_that_only_one_has_computed_is_no_other_one(tmp_path: Path) -> None:
    """Such as that of a frozen parameter: the operation that only one of both has is named."""
    first = training()
    second = another(first)
    from_step(second, STEP, gradients_differ)
    at(second, BACKWARD)["outputs"] = MISSING * 3
    first.insert(first.index(at(first, BACKWARD)) + 1, operation(STEP, "aten::sum", "backward", "features.3"))
    result = diff(tmp_path, first, second)
    assert "step 3, only A calls: backward of `features.3` (Conv2d), aten::sum, model.py:41" in result.verdict
    assert not any(cause.kind == "operation" for cause in result.causes)


def test_an_operation_of_an_earlier_step_that_shows_later(tmp_path: Path) -> None:
    """Such as an average of the weights, which an evaluation uses."""
    first = training()
    evaluation = made.evaluation(4)
    first.insert(-1, evaluation)
    second = another(first)
    for step in (2, 3, 4):
        for kind in ("outputs",) if step == 2 else ("inputs", "outputs"):
            differ(at(second, "aten::add_.Tensor", step), kind)
    second[-2]["outputs"] = digest("other")
    result = diff(tmp_path, first, second)
    assert "step 2, aten::add_.Tensor, train.py:30: inputs equal, output `self` differs" in result.verdict
    assert result.place is not None
    assert result.place.what == "evaluation"


def test_values_of_a_later_step_say_nothing_of_an_operation_of_an_earlier_one(tmp_path: Path) -> None:
    first = training()
    second = another(first)
    differ(at(second, "aten::add_.Tensor", 2), "outputs")
    from_step(second, STEP, lambda event: event["calls"][0].update(outputs=digest("other")))
    name = f"{of_operation(at(first, 'aten::add_.Tensor'))}/0"
    for folder, events, content in (("a", first, 1.0), ("b", second, 2.0)):
        hold(made.write(tmp_path / folder, events), STEP, **{name: np.float32(content)})
    result = compare(tmp_path / "a", tmp_path / "b")
    assert "step 2, aten::add_.Tensor, train.py:30: inputs equal, output `self` differs" in result.verdict
    assert (result.values, result.more) == (None, ())


def test_a_record_of_steps_and_one_of_operations_are_compared_by_steps(tmp_path: Path) -> None:
    result = diff(tmp_path, training(), another(made.training(4)))
    assert result.place is None
    assert not list(lines(result))[1:]


def test_many_operations_that_only_one_has_hide_no_step(tmp_path: Path) -> None:
    first = training()
    second = another(first)
    from_step(second, STEP, lambda event: event["calls"][0].update(outputs=digest("other")))
    place = second.index(at(second, "aten::convolution"))
    second[place:place] = [operation(STEP, f"aten::made_{number}") for number in range(200)]
    result = diff(tmp_path, first, second)
    assert result.verdict == "first difference: step 3, only B calls: aten::made_0, train.py:30"


def test_what_makes_the_model_again_after_resuming_is_no_difference(tmp_path: Path) -> None:
    """The second process of B makes a model of its own, and loads weights into it."""
    first = training()
    before, after = another(first), another(first)
    stopped = before.index(made.step(before, STEP - 1))
    begins = after.index(made.step(after, 1))
    resumed = [copy.deepcopy(e) for e in first if e["event"] == "step" and e["step"] >= STEP]
    made_again = [operation(1, f"aten::made_{number}") for number in range(200)]
    rest: Events = []
    for number, event in enumerate(resumed, 1):
        rest += [e | {"after": {"0": number - 1} if number > 1 else {}} for e in operations(event["step"])]
        rest.append(event | {"step": number})
    rest[-1]["gradients"] = {when: put(text, "2.weight") for when, text in rest[-1]["gradients"].items()}
    head = [e for e in after[: begins - 3] if e["event"] != "initial"]
    initial = next(e for e in after if e["event"] == "initial")
    weights = made.step(first, STEP - 1)["parameters"]
    later = [*head, *made_again, initial | {"parameters": weights}, *rest]
    later[0] = later[0] | {"pid": 99}
    paths = made.write(tmp_path / "a", first), made.write(tmp_path / "b", before[: stopped + 1], later)
    result = compare(*paths)
    assert result.verdict.startswith("first difference: step 4, gradient of `2.weight`")
