"""Records of trainings in Keras: what differs is told in Keras's words."""

from pathlib import Path
from typing import Any

import pytest
from tests.samebits.diff import made
from tests.samebits.diff.made import digest, from_step, put, step

from samebits.diff.command import compare, lines
from samebits.diff.records import Result
from samebits.record.format import AFTER_BACKWARD

Events = list[dict[str, Any]]
NAMES = ("dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias")


def training(steps: int = 4) -> Events:
    """As a training in Keras writes it: names with "/", the states of a dropout layer, no state of torch."""
    events = made.training(steps)
    for event in events:
        if event["event"] == "settings":
            event["framework"] = "keras"
        elif event["event"] == "names" and event["names"]:
            tail = ".momentums" if event["kind"] == "state" else ""
            event["names"] = [name + tail for name in NAMES]
        elif event["event"] == "initial":
            event["generators"] = states(0)
        elif event["event"] == "step":
            at = event["step"]
            event["generators"] = {"before": states(at), "after": states(at + 1)}
    return events


def states(at: int) -> dict[str, str]:
    return {"python": digest("python"), "keras:dropout": digest("dropout", at)}


def diff(tmp_path: Path, first: Events, second: Events) -> Result:
    return compare(made.write(tmp_path / "a", first), made.write(tmp_path / "b", second))


def test_a_gradient_of_the_layer_nearest_to_the_loss_is_named(tmp_path: Path) -> None:
    first, second = training(), made.another(training())
    event = step(second, 2)
    for name in NAMES[:3]:
        text = event["gradients"][AFTER_BACKWARD]
        event["gradients"][AFTER_BACKWARD] = put(text, name, NAMES)
    result = diff(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.name) == ("gradient", "dense_1/kernel")


def test_a_seed_generator_that_moved_is_named_by_its_layer(tmp_path: Path) -> None:
    first, second = training(), made.another(training())

    def change(event: dict[str, Any]) -> None:
        at = event["step"] + 10
        event["generators"] = {"before": states(at), "after": states(at + 1)}
        event["losses"] = [[digest("loss", at), 0.5]]

    from_step(second, 3, change)
    result = diff(tmp_path, first, second)
    assert result.causes[0].text.startswith("the seed generator of `dropout` moved")
    assert any(line.startswith("  the seed generator of `dropout`: equal after") for line in lines(result))


def test_dropout_that_begins_anew_after_resuming_is_named(tmp_path: Path) -> None:
    """Keras's own files of models and weights do not hold these states."""
    first, resumed = training(6), made.another(training(6))
    begun = [event for event in resumed if event["event"] != "step"]
    begun[7]["parameters"] = step(first, 3)["parameters"]
    begun[7]["generators"] = states(0)
    for number in (4, 5, 6):
        event = step(resumed, number)
        event["step"] = number - 3
        event["generators"] = {"before": states(number - 3), "after": states(number - 2)}
        event["losses"] = [[digest("another mask", number), 0.5]]
        begun.insert(-1, event)
    begun[-1]["steps"] = 3
    result = diff(tmp_path, first, begun)
    assert result.place is not None
    assert (result.place.what, result.place.step) == ("loss", 4)
    text = "the checkpoint does not hold the state of the seed generator of `dropout`"
    assert (result.causes[0].kind, result.causes[0].text) == ("resume", text)


@pytest.mark.parametrize("moved", [False, True])
def test_initial_weights_come_from_pythons_generator(tmp_path: Path, moved: bool) -> None:
    first, second = training(), made.another(training())
    for name in NAMES[::2]:
        second[7]["parameters"] = put(second[7]["parameters"], name, NAMES)
    if moved:
        second[7]["generators"]["python"] = digest("elsewhere")
    result = diff(tmp_path, first, second)
    cause = next(cause for cause in result.causes if cause.kind.startswith("initial"))
    if moved:
        assert cause.kind == "initial place"
        assert cause.evidence == ("python's generator differs after them, from `dense/kernel` on",)
    else:
        assert (cause.kind, cause.evidence) == (
            "initial order",
            ("python's generator is equal after them",),
        )


def test_a_step_that_nobody_could_look_into_is_compared_as_far_as_it_is_seen(tmp_path: Path) -> None:
    first, second = training(), made.another(training())
    from_step(second, 1, lambda event: event.update(gradients={}, losses=[]))
    second.insert(7, {"event": "unseen", "what": "jit_compile=True: loss, gradients and outputs of Net"})
    assert diff(tmp_path, first, second).place is None
    from_step(second, 2, lambda event: event.update(parameters=put(event["parameters"], NAMES[0], NAMES)))
    made.write(tmp_path / "c", second)
    result = compare(tmp_path / "a", tmp_path / "c")
    assert result.place is not None
    assert (result.place.what, result.place.step, result.place.name) == ("parameter", 2, NAMES[0])
    assert "not recorded in B: jit_compile=True: loss, gradients and outputs of Net" in result.notes


def test_another_policy_of_types_is_named(tmp_path: Path) -> None:
    first, second = training(), made.another(training())
    for events, policy in ((first, "float32"), (second, "mixed_bfloat16")):
        from_step(events, 1, lambda event, policy=policy: event["calls"][0].update(autocast=policy))
    from_step(second, 1, lambda event: event["calls"][0].update(outputs=digest(event["step"])))
    result = diff(tmp_path, first, second)
    assert result.place is not None
    assert result.place.what == "forward"
    assert result.causes[0].kind == "autocast"
    assert "float32 in A, mixed_bfloat16 in B" in result.causes[0].text


def test_running_statistics_are_named(tmp_path: Path) -> None:
    first = training()
    for event in first:
        if event["event"] == "names" and event["kind"] == "buffers":
            event |= {"names": ["norm/moving_mean"], "shapes": [[3]], "dtypes": ["float32"]}
        elif event["event"] in ("initial", "step"):
            event["buffers"] = digest("mean", event.get("step"))
    second = made.another(first)
    from_step(second, 2, lambda event: event.update(buffers=digest("other", event["step"])))
    result = diff(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.name) == ("buffer", "norm/moving_mean")
    assert result.causes[0].kind == "batch statistics"
