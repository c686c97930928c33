"""Where a training is stopped: out of step with what counts, and not where nothing could be lost."""

import pytest

from samebits.proof.stops import course


def manifest(steps: int, epochs: int | None, **more: object) -> dict[str, object]:
    metrics = {} if epochs is None else {"epoch": epochs}
    return {"steps": steps, "metrics": metrics, "chain": [{}], "settings": {"checkpoint_every": 0}} | more


@pytest.mark.parametrize(("steps", "epochs"), [(64, 4), (16, 4), (600, 3), (2000, 1), (15, 2), (7, None)])
def test_it_is_stopped_within_an_epoch_that_is_not_the_first(steps: int, epochs: int | None) -> None:
    stop = course(manifest(steps, epochs)).middle()
    assert stop is not None
    each = steps // (epochs or 1)
    assert 0 < stop % each < each
    assert stop > each or epochs in (None, 1)
    if each >= 16:
        assert not any(number % period == 0 for number in (stop, stop % each) for period in (2, 4, 8))
        assert each / 4 < stop % each < each * 3 / 4


@pytest.mark.parametrize(("steps", "epochs"), [(32, 4), (24, 3), (24, 2), (40, 8), (16, 4), (12, 4), (30, 2)])
def test_in_short_epochs_no_period_hides_at_all_stops(steps: int, epochs: int) -> None:
    """A counter that begins anew is in step with the training where its period divides the step's number."""
    training = course(manifest(steps, epochs))
    stops, each = training.stops(), training.each
    assert stops == sorted(stops)
    assert stops[0] == training.middle()
    assert len(stops) == 2
    for period in range(2, 16):
        assert any(stop % period for stop in stops)
        assert any(stop % each % period for stop in stops)
    assert steps == 2 * each or stops[1] // each > stops[0] // each


def test_long_epochs_and_what_cannot_be_stopped_again() -> None:
    assert course(manifest(2000, 4)).stops() == [course(manifest(2000, 4)).middle()]
    assert course(manifest(2, 2)).stops() == [1]
    assert course(manifest(9, 3, chain=[])).stops() == []


def test_a_checkpoint_that_is_due_anyway_is_avoided() -> None:
    stop = course(manifest(200, 2)).middle()
    assert stop is not None
    assert stop not in (None, course(manifest(200, 2, settings={"checkpoint_every": stop})).middle())


def test_epochs_of_one_step() -> None:
    assert course(manifest(5, 5)).middle() == 2
    assert course(manifest(2, 2)).middle() == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (manifest(9, 3, chain=[]), "the run makes no checkpoints"),
        ({}, "the run makes no checkpoints"),
        (manifest(0, None), "samebits saw no step"),
        (manifest(1, 1), "a single step"),
        (manifest(9, 1, resumes_within_epochs=False), "a single epoch, and its loader cannot begin within"),
        (manifest(9, None, metrics={"epoch": "nine"}, resumes_within_epochs=False), "a single epoch"),
    ],
)
def test_what_cannot_be_interrupted_says_why(values: dict[str, object], why: str) -> None:
    training = course(values)
    assert training.middle() is None
    assert why in training.lacks


def test_the_ends_of_several_epochs() -> None:
    assert course(manifest(100, 10)).ends() == [10, 50, 90]
    assert course(manifest(30, 3)).ends() == [10, 20]
    assert course(manifest(20, 2)).ends() == [10]
    assert course(manifest(20, 1)).ends() == []
