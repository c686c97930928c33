"""The layer in which two records differ first."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.samebits.diff import made
from tests.samebits.diff.made import another, digest, from_step, generators
from tests.samebits.diff.test_values import further, hold

from samebits.diff.command import command, compare
from samebits.diff.reader import Record
from samebits.diff.records import Result
from samebits.errors import UsageError
from samebits.process.command_line import hint
from samebits.record.values import of_layer

Events = list[dict[str, Any]]
STEP = 3
LAYERS = ("0", "1", "2")  # Linear, Dropout, Linear, inside of a Net
CLASSES = {"0": "Linear", "1": "Dropout", "2": "Linear", "": "Net"}


def line(step: int, direction: str, module: str, evaluation: bool = False, **more: Any) -> dict[str, Any]:
    """The line of a layer in a step."""
    forward = direction == "forward"
    names = ["input", "weight", "bias"] if module in ("0", "2") else ["input"]
    said: dict[str, Any] = {
        "event": "layer",
        "after": {"0": step - 1} if step > 1 else {},
        **({"evaluation": True} if evaluation else {}),
        "direction": direction,
        "module": module,
        "class": CLASSES[module],
        "model": "Net",
        "occurrence": 1,
        "line": f"model.py:{20 + int(module or 9)}",
        "training": not evaluation,
        "settings": "p=0.1" if module == "1" else "",
        "inputs": digest("in", direction, module, step),
        **({"weights": digest("weights", module, step)} if forward and module in ("0", "2") else {}),
        "outputs": "".join(digest("out", direction, module, step, name) for name in names[: 9 - 8 * forward]),
        "shapes": [[2, 4]],
        "dtypes": ["float32"],
    }
    if module == "1" and forward:
        said["generators"] = {"torch": [generators(step)["torch"], generators(step + 1)["torch"]]}
    if not forward:
        said["of"] = names
    return said | more


def layers(step: int) -> Events:
    forward = [line(step, "forward", module) for module in (*LAYERS, "")]
    return forward + [line(step, "backward", module) for module in (*reversed(LAYERS), "")]


def training(steps: int = 4) -> Events:
    """Events of a training with layers."""
    events = []
    for event in made.training(steps, every=2):
        if event["event"] == "step":
            events += layers(event["step"])
        if event["event"] == "evaluation":
            after = event["after"]["0"]
            events += [line(after + 1, "forward", module, evaluation=True) for module in (*LAYERS, "")]
        events.append(event)
    events[0]["level"] = "layer"
    return events


def at(
    events: Events, direction: str, module: str, step: int = STEP, evaluation: bool = False
) -> dict[str, Any]:
    """The line of a layer."""
    (event,) = (
        event
        for event in events
        if (event["event"], event.get("direction"), event.get("module")) == ("layer", direction, module)
        and event["after"] == {"0": step - 1}
        and ("evaluation" in event) is evaluation
    )
    return event


def other(event: dict[str, Any], *names: str, part: int = 0) -> None:
    """Other digests of these."""
    for name in names:
        text = event[name]
        event[name] = f"{text[: 32 * part]}{digest('other', text)}{text[32 * (part + 1) :]}"


def spread(events: Events, *what: str) -> None:
    """What follows from a difference in a step: outputs, loss, gradients, and the weights from then on."""

    def change(event: dict[str, Any]) -> None:
        if "outputs" in what:
            event["calls"][0]["outputs"] = digest("other outputs", event["step"])
            event["losses"] = [[digest("other loss", event["step"]), 0.1]]
        event["gradients"] = {when: made.put(text, "0.bias") for when, text in event["gradients"].items()}
        event["parameters"] = made.put(event["parameters"], "0.bias")

    from_step(events, STEP, change)


def forward_from(events: Events, module: str) -> None:
    """The forward pass differs from this layer's output on."""
    after = [*LAYERS[LAYERS.index(module) + 1 :]] if module else []
    if module:
        other(at(events, "forward", module), "outputs")
    for later in after:
        other(at(events, "forward", later), "inputs", "outputs")
    other(at(events, "forward", ""), "outputs")
    for later in (*LAYERS, ""):
        other(at(events, "backward", later), "inputs", "outputs")
    spread(events, "outputs")


def compared(tmp_path: Path, first: Events, second: Events) -> Result:
    return compare(made.write(tmp_path / "a", first), made.write(tmp_path / "b", second))


@pytest.fixture
def pair() -> tuple[Events, Events]:
    first = training()
    return first, another(first)


def test_equal_records_with_layers_are_the_same(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    result = compared(tmp_path, *pair)
    assert (result.place, result.steps) == (None, 4)


def test_the_layer_is_named(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    forward_from(second, "0")
    result = compared(tmp_path, first, second)
    assert result.verdict == (
        "first difference: step 3, forward of `0` (Linear), model.py:20: inputs and weights equal, "
        "output differs"
    )
    assert result.place is not None
    assert (result.place.what, result.place.step, result.steps) == ("forward", 3, 2)
    assert (result.causes[0].kind, result.causes[0].where) == ("operation", "model.py:20")
    assert "`0` (Linear)" in result.causes[0].text
    more = hint(
        *[
            "samebits",
            "record",
            "--level",
            "layer",
            "--steps",
            "3:3",
            "--values",
            "3:3",
            "--",
            "python",
            "train.py",
        ]
    )
    assert result.more == (more,)
    told = CliRunner().invoke(command, [str(tmp_path / "a"), str(tmp_path / "b"), "--json"])
    part = json.loads(told.output)["first_difference"]["part"]
    assert part == {
        "module": "0",
        "class": "Linear",
        "model": "Net",
        "direction": "forward",
        "occurrence": 1,
        "operation": None,
        "line": "model.py:20",
    }


def test_elements_and_ulps_of_a_layer_stand_in_the_verdict(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    forward_from(second, "0")
    compared(tmp_path, first, second)
    array = np.ones((96, 96), dtype="f4")
    name = f"{of_layer(at(first, 'forward', '0'))}/0"
    for folder, content in (("a", array), ("b", further(array, 3, 7, 9))):
        hold(tmp_path / folder, STEP, **{name: content})
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.verdict.endswith(
        ": inputs and weights equal, output differs in 3 of 9,216 elements, by at most 2 ULPs"
    )


def test_a_gradient_that_leaves_a_layer_is_named(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    other(at(second, "backward", "2"), "outputs", part=1)
    spread(second)
    result = compared(tmp_path, first, second)
    assert result.verdict == (
        "first difference: step 3, backward of `2` (Linear), model.py:22: inputs equal, "
        "gradient of its weight differs"
    )
    assert result.place is not None
    assert result.place.what == "gradient"


def test_code_of_a_module_between_its_layers_is_named(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    other(at(second, "forward", "2"), "inputs", "outputs")
    forward_from(second, "")
    result = compared(tmp_path, first, second)
    assert result.verdict == (
        "first difference: step 3, forward of Net, model.py:29, in its own code before `2`: "
        "inputs equal, output differs"
    )


def test_another_batch_is_no_fault_of_a_layer(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    for module in (*LAYERS, ""):
        other(at(second, "forward", module), "inputs", "outputs")
        other(at(second, "backward", module), "inputs", "outputs")
    made.step(second, STEP)["calls"][0]["arguments"] = digest("other batch")
    spread(second, "outputs")
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.part) == ("batch", None)


def test_the_mode_of_a_model_is_no_fault_of_a_layer(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    forward_from(second, "1")
    made.step(second, STEP)["calls"][0]["training"] = False
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.part) == ("mode", None)


def test_another_loss_is_no_fault_of_a_layer(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    for module in (*LAYERS, ""):
        other(at(second, "backward", module), "inputs", "outputs")
    spread(second)
    from_step(second, STEP, lambda event: event.update(losses=[[digest("other loss"), 0.1]]))
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.part) == ("loss", None)


def test_backward_is_not_blamed_for_what_the_forward_pass_has_left(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    """The gradient of a weight is computed with the layer's input, which is none of backward's."""
    first, second = pair
    other(at(second, "forward", "2"), "inputs")  # its output is the same
    other(at(second, "backward", "2"), "outputs", part=1)
    spread(second)
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.part) == ("gradient", None)


@pytest.mark.parametrize("who", ["A", "B"])
def test_a_call_that_only_one_has_is_control_flow(
    tmp_path: Path, pair: tuple[Events, Events], who: str
) -> None:
    second = pair[who == "B"]
    known = at(second, "forward", "1")
    second.insert(second.index(known) + 1, known | {"occurrence": 2, "line": "model.py:31"})
    for module in ("2",):
        other(at(second, "forward", module), "inputs", "outputs")
    forward_from(second, "")
    result = compared(tmp_path, *pair)
    assert result.verdict == (
        f"first difference: control flow: run {who} calls `1` (Dropout) in step 3 once more"
    )
    assert (result.causes[0].kind, result.causes[0].where) == ("control flow", "model.py:31")


def test_other_settings_and_another_class_are_causes(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    forward_from(second, "1")
    at(second, "forward", "1")["settings"] = "p=0.2"
    cause = compared(tmp_path, first, second).causes[0]
    assert cause.kind == "layer settings"
    assert cause.text == "`1` (Dropout) has other settings: p=0.1 in A, p=0.2 in B"
    at(second, "forward", "1")["class"] = "AlphaDropout"
    made.write(tmp_path / "c", second)
    cause = compare(tmp_path / "a", tmp_path / "c").causes[0]
    assert (cause.kind, cause.text) == ("layer", "`1` is another layer: Dropout in A, AlphaDropout in B")


def test_a_buffer_is_told_with_the_settings_of_its_layer(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    for events in pair:
        table = next(e for e in events if e["event"] == "names" and e["kind"] == "buffers")
        table |= {"names": ["1.running_mean"], "shapes": [[4]], "dtypes": ["float32"]}
        for event in events:
            if event["event"] in ("initial", "step"):
                event["buffers"] = digest("buffer", event.get("step"))
    first, second = pair
    for step in range(STEP, 5):
        at(second, "forward", "1", step)["settings"] = "momentum=0.2"
    from_step(second, STEP, lambda event: other(event, "buffers"))
    result = compared(tmp_path, first, second)
    assert result.verdict.startswith("first difference: step 3, buffer `1.running_mean` after it")
    assert result.place is not None
    assert (result.place.what, result.causes[0].kind) == ("buffer", "layer settings")
    assert result.causes[0].where == "model.py:21"


def test_settings_that_change_no_result_are_no_difference(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    at(second, "forward", "1")["settings"] = "p=0.2"
    assert compared(tmp_path, first, second).place is None


def test_a_frozen_layer_is_told_by_its_gradient(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    second.remove(at(second, "backward", "0"))
    spread(second)
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.name) == ("gradient", "0.bias")
    assert result.place.part is not None
    assert result.place.part.first["module"] == "0"


def test_a_gradient_that_only_one_has_computed_is_no_other_one(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    """Behind a frozen layer nobody asks for the gradient of the input."""
    first, second = pair
    second.remove(at(second, "backward", "0"))
    after = at(second, "backward", "2")
    after |= {"of": ["weight", "bias"], "outputs": after["outputs"][32:]}
    spread(second)
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert result.place.part is not None
    assert (result.place.what, result.place.part.first["module"]) == ("gradient", "0")


def test_backward_of_a_modules_own_code_is_named(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    """All that leaves it belongs to its layers, so its own line has no gradients of that."""
    for events in pair:
        for step in range(2, 5):
            at(events, "backward", "", step).update(of=[], outputs="", shapes=[], dtypes=[])
    first, second = pair
    for module in ("1", "0"):
        other(at(second, "backward", module), "inputs", "outputs")
    spread(second)
    result = compared(tmp_path, first, second)
    assert result.verdict == (
        "first difference: step 3, backward of Net, model.py:21, in its own code before the backward of `1`: "
        "inputs equal, gradient that comes into `1` differs"
    )
    other(at(second, "backward", ""), "inputs")  # what the loss gives is another one, too
    made.write(tmp_path / "c", second)
    again = compare(tmp_path / "a", tmp_path / "c")
    assert again.place is not None
    assert (again.place.what, again.place.part) == ("gradient", None)


def test_weights_that_no_optimiser_has_changed_are_a_cause(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    forward_from(second, "2")
    other(at(second, "forward", "2"), "weights")
    result = compared(tmp_path, first, second)
    assert result.verdict.endswith("forward of `2` (Linear), model.py:22: inputs equal, its weights differ")
    assert result.causes[0].kind == "weights"


def test_a_generator_that_moved_inside_the_step_is_a_cause(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    forward_from(second, "1")
    at(second, "forward", "1")["generators"]["torch"][0] = digest("elsewhere")
    moves = [["torch", digest("elsewhere"), "the forward pass of Net", "model.py:25"]]
    made.step(first, STEP)["moves"] = []
    made.step(second, STEP)["moves"] = moves
    result = compared(tmp_path, first, second)
    assert "forward of `1` (Dropout), model.py:21: inputs equal, output differs" in result.verdict
    assert (result.causes[0].kind, result.causes[0].where) == ("generator", "model.py:25")
    assert "only in B it moved during the forward pass of Net" in result.causes[0].evidence[0]


def test_an_evaluation_names_its_layer(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    for module in ("2", ""):
        other(at(second, "forward", module, evaluation=True), "outputs")
    (event,) = (e for e in second if e["event"] == "evaluation" and e["after"] == {"0": 2})
    event["outputs"] = digest("other predictions")
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.step) == ("evaluation", 2)
    assert result.verdict.startswith(
        "first difference: the evaluation after step 2, forward of `2` (Linear), model.py:22"
    )


def test_a_layer_whose_result_nobody_uses_is_a_difference(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    other(at(second, "forward", "2"), "outputs")
    result = compared(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.step, result.steps) == ("forward", 3, 2)


def test_records_of_two_levels_are_compared_as_far_as_both_go(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    shallow = [event for event in first if event["event"] != "layer"]
    shallow[0] = {**shallow[0], "level": "step"}
    result = compared(tmp_path, shallow, second)
    assert (result.place, result.steps) == (None, 4)
    forward_from(second, "0")
    made.write(tmp_path / "c", second)
    changed = compare(tmp_path / "a", tmp_path / "c")
    assert changed.place is not None
    assert (changed.place.what, changed.place.part) == ("forward", None)


def test_only_steps_into_which_both_looked_are_compared_inside(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    first[0]["steps"], second[0]["steps"] = [1, 3], [3, 4]
    windows = [
        [e for e in events if e["event"] != "layer" or e["after"].get("0", 0) + 1 in range(low, high + 1)]
        for events, (low, high) in ((first, (1, 3)), (second, (3, 4)))
    ]
    result = compared(tmp_path, *windows)
    assert (result.place, result.steps) == (None, 4)
    forward_from(second, "0")
    again = [event for event in second if event["event"] != "layer" or event in windows[1]]
    made.write(tmp_path / "c", again)
    changed = compare(tmp_path / "a", tmp_path / "c")
    assert changed.place is not None
    assert changed.place.part is not None
    assert changed.place.part.first["module"] == "0"


def test_what_another_thread_calls_is_no_control_flow(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    known = at(second, "forward", "1")
    second.insert(second.index(known), known | {"thread": "pool-1"})
    assert compared(tmp_path, first, second).place is None


def test_a_record_that_ends_inside_a_step_is_the_same_up_to_there(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    del second[second.index(at(second, "forward", "2")) :]
    result = compared(tmp_path, first, second)
    assert (result.place, result.steps) == (None, 2)


def test_the_order_of_lines_inside_a_step_does_not_matter(
    tmp_path: Path, pair: tuple[Events, Events]
) -> None:
    first, second = pair
    lines = [event for event in second if event["event"] == "layer" and event["after"] == {"0": 2}]
    start = second.index(lines[0])
    second[start : start + 3] = second[start : start + 3][::-1]
    assert compared(tmp_path, first, second).place is None


def test_a_damaged_line_ends_what_is_compared(tmp_path: Path, pair: tuple[Events, Events]) -> None:
    first, second = pair
    at(second, "forward", "2")["outputs"] = "no digest"
    with pytest.raises(UsageError, match="is damaged"):
        compared(tmp_path, first, second)
    assert Record(tmp_path / "b").processes


@pytest.mark.parametrize("after", ["1e999", "NaN", "2.5", '"2"', "true", '2,"x":2'])
def test_odd_counts_of_steps_are_damage_where_windows_differ(
    tmp_path: Path, pair: tuple[Events, Events], after: str
) -> None:
    for events, window in zip(pair, ([1, 4], [1, 5]), strict=True):
        events[0]["steps"] = window
    paths = [made.write(tmp_path / name, events) for name, events in zip("ab", pair, strict=True)]
    (file,) = paths[1].glob("*.jsonl")
    text = file.read_text()
    wanted = '{"event":"layer","after":{"0":2}'
    assert wanted in text
    file.write_text(text.replace(wanted, wanted.replace("2", after), 1))
    with pytest.raises(UsageError, match="is damaged"):
        compare(*paths)
