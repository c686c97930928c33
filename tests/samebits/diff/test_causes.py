"""Which cause comes first where a record has several, or only a faint one."""

import copy
from pathlib import Path
from typing import Any

from tests.samebits.diff import made
from tests.samebits.diff.made import digest, from_step, put
from tests.samebits.diff.test_verdict import batch, diff, gradients

from samebits.diff.command import compare, lines
from samebits.diff.records import Result

Events = list[dict[str, Any]]
UNSEEDED = {
    "kind": "global generator",
    "source": "torch's global generator before it had a seed",
    "where": "train.py:9",
    "library": None,
    "count": 1,
    "fix": "torch.manual_seed(seed) before it",
    "certain": True,
}


def two(**hashes: str) -> tuple[Events, Events]:
    """The same training twice; with other values of PYTHONHASHSEED."""
    both = made.training(6), made.another(made.training(6))
    for events, value in zip(both, hashes.values(), strict=False):
        settings(events)["fingerprint"]["variables"]["PYTHONHASHSEED"] = value
    return both


def settings(events: Events) -> dict[str, Any]:
    return next(event for event in events if event["event"] == "settings")


def initial(events: Events) -> dict[str, Any]:
    return next(event for event in events if event["event"] == "initial")


def other_weights(events: Events) -> None:
    first = initial(events)
    for name in made.NAMES:
        first["parameters"] = put(first["parameters"], name)


def kinds(result: Result) -> list[str]:
    return [cause.kind for cause in result.causes]


def test_a_generator_that_one_library_brings_later_has_not_moved(tmp_path: Path) -> None:
    """NumPy is imported after the model is made, and nobody gives its generator a seed."""
    a, b = two()
    for who, events in enumerate((a, b)):
        from_step(events, 3, lambda event, who=who: add_numpy(event, who))
    batch(b, lambda number: (100 + number, 200 + number), 3)
    result = diff(tmp_path, a, b)
    assert "generator" not in kinds(result)


def add_numpy(event: dict[str, Any], who: int) -> None:
    event["generators"] = {
        when: states | {"numpy": digest("numpy", who)} for when, states in event["generators"].items()
    }


def test_other_hashes_of_texts_come_first_where_the_variable_differs(tmp_path: Path) -> None:
    a, b = two(a="1", b="2")
    batch(b, lambda number: (100 + number, 200 + number), 1)
    first = diff(tmp_path, a, b).causes[0]
    assert (first.kind, first.evidence) == ("hash seed", ("PYTHONHASHSEED is 1 in A, 2 in B",))


def test_random_hashes_are_the_reason_where_nothing_else_differs(tmp_path: Path) -> None:
    a, b = two(a="random", b="random")
    other_weights(b)
    assert kinds(diff(tmp_path, a, b))[0] == "hash seed"


def test_random_hashes_are_not_the_first_reason_where_the_code_differs(tmp_path: Path) -> None:
    a, b = two(a="", b="")
    batch(b, lambda number: (100 + number, 200 + number), 1)
    settings(b)["code"]["files"]["train.py"] = "b" * 64
    said = kinds(diff(tmp_path, a, b))
    assert said.index("code") < said.index("hash seed")


def test_weights_that_were_drawn_before_any_seed(tmp_path: Path) -> None:
    """The seed is set after the model: the generator is equal when the model is seen first."""
    a, b = two()
    other_weights(b)
    for events in (a, b):
        events.insert(-1, {"event": "chance", "sources": [UNSEEDED]})
    first = diff(tmp_path, a, b).causes[0]
    assert (first.kind, first.where) == ("chance global generator", "train.py:9")


def test_types_are_no_cause_of_another_batch(tmp_path: Path) -> None:
    a, b = two()
    from_step(b, 1, lambda event: event["calls"][0].update(autocast="autocast to bfloat16 on cpu"))
    batch(b, lambda number: (100 + number, 200 + number), 1)
    assert "autocast" not in kinds(diff(tmp_path, a, b))


def test_statistics_of_batches_are_averaged_in_another_way(tmp_path: Path) -> None:
    a, b = two()
    for events in (a, b):
        buffers = next(event for event in events if event.get("kind") == "buffers")
        buffers |= {"names": ["1.running_mean"], "shapes": [[8]], "dtypes": ["float32"]}
        initial(events)["buffers"] = digest("mean", 0)
        from_step(events, 1, lambda event: event.update(buffers=digest("mean", event["step"])))
    from_step(b, 2, lambda event: event.update(buffers=digest("another", event["step"])))
    result = diff(tmp_path, a, b)
    assert result.place is not None
    assert (result.place.what, result.place.step, kinds(result)[0]) == ("buffer", 2, "batch statistics")


def test_an_option_of_the_command_comes_before_what_follows_from_it(tmp_path: Path) -> None:
    a, b = two()
    other_weights(b)
    initial(b)["generators"]["torch"] = digest("another seed")
    given, folder = copy.deepcopy(b), copy.deepcopy(b)
    given[0]["command"] = ["python", "train.py", "--seed", "2"]
    assert kinds(diff(tmp_path, a, given))[0] == "command"
    for events, name in ((a, "runs/a"), (folder, "runs/b")):
        events[0]["command"] = ["python", "train.py", name]
    (tmp_path / "folders").mkdir()
    assert kinds(diff(tmp_path / "folders", a, folder))[0] == "initial place"


def test_an_average_of_weights_is_not_drawn(tmp_path: Path) -> None:
    """It is called for the first time after some steps, for an evaluation."""
    a, b = two()
    for events, weights in ((a, "average"), (b, "another average")):
        average = copy.deepcopy(initial(events)) | {"line": "train.py:40"}
        average["parameters"] = made.digests(weights)
        average["generators"] = made.generators(4)
        events.insert(events.index(made.step(events, 3)) + 1, average)
    settings(b)["code"]["files"]["train.py"] = "b" * 64
    result = diff(tmp_path, a, b)
    assert result.last == "step 3"
    assert kinds(result) == ["code", "average"]


def test_a_loss_that_has_a_buffer_is_no_other_model(tmp_path: Path) -> None:
    """`CrossEntropyLoss(weight=…)` in A, and `CrossEntropyLoss()` in B."""
    a, b = two()
    criterion = copy.deepcopy(initial(a)) | {"model": "CrossEntropyLoss", "parameters": ""}
    a.insert(a.index(initial(a)) + 1, criterion)
    for who, events in enumerate((a, b)):
        from_step(events, 1, lambda event, who=who: add_criterion(event, who))
    settings(b)["code"]["files"]["train.py"] = "b" * 64
    result = diff(tmp_path, a, b)
    assert result.place is not None
    assert (result.place.what, result.place.step, kinds(result)[0]) == ("loss", 1, "loss")


def add_criterion(event: dict[str, Any], who: int) -> None:
    call = {"module": "CrossEntropyLoss", "training": True, "shapes": [[2, 3]], "rows": None}
    call |= {"arguments": digest("targets"), "outputs": digest("loss", who)}
    event["calls"].append(call)
    event["losses"] = [[call["outputs"], 0.5 + who]]
    for name in ("parameters", "state"):
        event[name] = put(event[name], "2.weight") if name == "parameters" and who else event[name]


def test_a_run_that_was_stopped_may_evaluate_at_its_end(tmp_path: Path) -> None:
    """B evaluates after step 4, as its last line, and is resumed then; A trains on."""
    whole = made.training(6)
    stopped = [event for event in made.another(whole) if event.get("step", 0) <= 4][:-1]
    stopped += [made.evaluation(4), {"event": "end", "steps": 4, "exception": None}]
    resumed = [
        event for event in made.another(stopped) if event["event"] not in ("step", "evaluation", "end")
    ]
    initial(resumed)["parameters"] = made.digests("weights", 4)
    initial(resumed)["generators"] = made.generators(5)
    resumed += [made.step(copy.deepcopy(whole), number) | {"step": number - 4} for number in (5, 6)]
    resumed.append({"event": "end", "steps": 2, "exception": None})
    made.write(tmp_path / "a", whole)
    result = compare(tmp_path / "a", made.write(tmp_path / "b", stopped, resumed))
    assert (result.place, result.steps) == (None, 6)
    resumed[-2]["lrs"] = [1.0]
    result = compare(tmp_path / "a", made.write(tmp_path / "c", stopped, resumed))
    assert result.place is not None
    assert (result.place.what, result.place.step) == ("learning rate", 6)


def test_an_operation_that_does_not_repeat_comes_with_the_command_that_names_it(tmp_path: Path) -> None:
    first, second = two()
    gradients(second)
    result = diff(tmp_path, first, second)
    assert kinds(result) == ["operation"]
    assert result.twice.endswith("samebits twice --steps 1:4 -- python train.py")
    assert f"`{result.twice}` shows which operation" in list(lines(result))
    assert result.as_json()["twice"] == result.twice
    second[0]["command"] = ["python", "other.py"]
    (tmp_path / "other").mkdir()
    assert diff(tmp_path / "other", first, second).twice == ""


def test_another_seed_is_no_case_for_executing_twice(tmp_path: Path) -> None:
    first, second = two()
    other_weights(second)
    assert diff(tmp_path, first, second).twice == ""
