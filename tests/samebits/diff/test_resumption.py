"""Where a resumed process continues what another one began, and what its checkpoint lacks."""

from pathlib import Path
from typing import Any

import pytest
from tests.samebits.diff import made
from tests.samebits.diff.made import digests, step

from samebits.diff.command import compare
from samebits.diff.reader import Process
from samebits.diff.records import Result
from samebits.diff.resumption import nearest

Events = list[dict[str, Any]]


def resumed(whole: Events, after: int) -> Events:
    """The events of a process that continues a training after one of its steps."""
    events = [event for event in made.another(whole) if event["event"] not in ("step", "end")]
    events[-1]["parameters"] = step(whole, after)["parameters"]
    events[-1]["generators"] = step(whole, after)["generators"]["after"]
    steps = [event for event in made.another(whole) if event["event"] == "step" and event["step"] > after]
    events += [event | {"step": event["step"] - after} for event in steps]
    return [*events, {"event": "end", "steps": len(steps), "exception": None}]


def compared(folder: Path, whole: Events, other: Events) -> Result:
    return compare(made.write(folder / "a", whole), made.write(folder / "b", other))


@pytest.mark.parametrize("after", [3, 4, 5])
def test_of_steps_with_the_same_weights_the_one_that_fits_is_taken(tmp_path: Path, after: int) -> None:
    """A GradScaler skipped steps 4 and 5."""
    whole = made.training(8)
    for number in (4, 5):
        step(whole, number).update(parameters=digests("weights", 3), skipped=True)
    result = compared(tmp_path, whole, resumed(whole, after))
    assert (result.place, result.resumed, result.steps) == (None, after, 8)


def test_it_is_placed_by_its_weights_where_nothing_else_is_as_before(tmp_path: Path) -> None:
    whole = made.training(8)
    later = resumed(whole, 4)
    step(later, 1).update(parameters=digests("other"), calls=[])
    result = compared(tmp_path, whole, later)
    assert (result.resumed, result.place and result.place.step) == (4, 5)


def test_a_step_of_another_optimiser_is_before_the_resumption(tmp_path: Path) -> None:
    """The weights of the first are seen at the beginning; the second one's step came after its last one."""
    whole: Events = []
    for event in made.training(6):
        whole.append(event)
        if event["event"] == "step":
            names = {**event["names"], "parameters": 3}
            of_others = digests("others", event["step"])
            whole.append({**event, "optimizer": 1, "names": names, "parameters": of_others})
    table = {"owner": "Other", "names": ["a", "b", "c", "d"], "shapes": [[1]] * 4, "dtypes": ["float32"] * 4}
    whole.insert(7, {"event": "names", "id": 3, "kind": "parameters", **table})
    whole[-1]["steps"] = 12
    later = resumed(whole, 3)
    result = compared(tmp_path, whole, later)
    assert (result.place, result.resumed) == (None, 3)


def test_a_model_that_is_used_before_its_weights_are_loaded_is_placed_by_its_step(tmp_path: Path) -> None:
    """Such as one that is built by a call, or printed: its first weights are those of the beginning."""
    whole = made.training(8)
    for number, change in enumerate(({}, {"state": digests("new")}, {"lrs": [0.7]})):
        later = resumed(whole, 4)
        for event in later:
            if event["event"] == "initial":
                event["parameters"] = digests("weights", 0 if number else "never seen")
        step(later, 1).update(change)
        folder = tmp_path / str(number)
        folder.mkdir()
        result = compared(folder, whole, later)
        assert result.resumed == 4
        assert (result.place and result.place.step) == (5 if change else None)
    again = made.another(whole)  # not resumed: its first step is the first one, from another batch
    step(again, 1)["calls"] = step(made.another(whole), 3)["calls"]
    step(again, 1)["calls"][0]["outputs"] = made.digest("of other weights")
    folder = tmp_path / "again"
    folder.mkdir()
    assert compared(folder, whole, again).resumed is None


@pytest.mark.parametrize(
    ("number", "change", "lost"),
    [
        (1, {"state": digests("new", names=made.NAMES)}, "the optimiser's state"),
        (1, {"lrs": [0.7]}, "the schedule's state"),
        (1, {"lrs": [0.7], "state": digests("new", names=made.NAMES)}, "the optimiser's state"),
        (3, {"lrs": [0.7]}, "the schedule's state"),
        (1, {"losses": [[made.digest("scaled"), 0.4]]}, "the GradScaler's state"),
        (1, {"losses": [[made.digest("other"), 0.7]]}, "a weight or a counter that the loss follows"),
        (1, {"skipped": True}, "the GradScaler's state"),
        (1, {"calls": []}, "the place within an accumulation of gradients, or the step counter"),
        (1, {"buffers": made.digest("statistics")}, "buffers of the model"),
    ],
)  # fmt: skip
def test_what_the_checkpoint_lacks_is_named(
    tmp_path: Path, number: int, change: dict[str, Any], lost: str
) -> None:
    whole = made.training(8)
    if "buffers" in change:
        whole[5].update(names=["mean"], shapes=[[1]], dtypes=["float32"])
        made.from_step(whole, 1, lambda event: event.update(buffers=made.digest("mean", event["step"])))
        whole[7]["buffers"] = made.digest("mean")
    later = resumed(whole, 4)
    step(later, number).update(change)
    result = compared(tmp_path, whole, later)
    assert result.place is not None
    assert result.place.step == 4 + number
    assert (result.causes[0].kind, result.causes[0].text) == (
        "resume",
        f"the checkpoint does not hold {lost}",
    )


def test_a_batch_that_comes_again_is_named_with_its_step(tmp_path: Path) -> None:
    whole = made.training(8)
    step(whole, 1)["calls"] = step(made.another(whole), 3)["calls"]  # as in epochs of the same order
    order = "the state of the generator that orders the data"
    for number, (place, other, says) in enumerate((
        (1, 3, "the position in the data: the batch of step 3 comes again"),
        (1, 6, "the position in the data: the batch of step 6 comes too early"),
        (3, 3, f"{order}: the batch of step 3 comes again"),
    )):  # fmt: skip
        later = resumed(whole, 4)
        step(later, place)["calls"] = step(made.another(whole), other)["calls"]
        folder = tmp_path / str(number)
        folder.mkdir()
        result = compared(folder, whole, later)
        assert result.causes[0].text == f"the checkpoint does not hold {says}"


def test_the_nearest_step_of_weights_that_no_step_has(tmp_path: Path) -> None:
    whole = made.training(8)
    later = resumed(whole, 4)
    later[-6]["parameters"] = made.put(later[-6]["parameters"], "2.bias")
    assert later[-6]["event"] == "initial"
    later[-5]["calls"][0]["outputs"] = made.digest("of other weights")
    result = compared(tmp_path, whole, later)
    assert result.place is not None
    assert (result.place.what, result.resumed) == ("initial", None)
    processes = (Process(next((tmp_path / name).glob("*.jsonl"))) for name in "ab")
    number, tensors = nearest(*processes) or (0, None)
    assert (number, tensors and tensors.differ) == (4, ("2.bias",))
