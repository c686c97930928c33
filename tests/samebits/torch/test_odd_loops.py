"""Loops that no tutorial shows: each ends in the bits of an uninterrupted run, or is refused in a line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import samebits.torch
from samebits import UsageError
from samebits.torch.run import Run

BATCHES = [torch.full((3, 2), number * 0.1) for number in range(1, 5)]


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr("samebits.run.plots.draw", lambda metrics: b"")


class Training:
    """A model that a test's loop trains."""

    def __init__(self, run: Run) -> None:
        self.run = run
        torch.manual_seed(0)
        self.model = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)

    def step(self, batch: torch.Tensor) -> torch.Tensor:
        loss = torch.nn.functional.dropout(self.model(batch)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def epochs(self, number: int, batches: Any = BATCHES, until: int | None = None) -> None:
        for epoch in self.run.epochs(number):
            for batch in self.run.batches(batches() if callable(batches) else batches):
                self.run.average(loss=self.step(batch))
            if epoch == until:
                break


Loop = Callable[[Training], object]


def train(folder: Path, loop: Loop, **options: Any) -> tuple[str, str]:
    """Weights and metrics of a training."""
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=folder, **options) as run:
        training = Training(run)
        run.checkpoint(model=training.model, optimizer=training.optimizer)
        loop(training)
        weights = run.finish(training.model)
    return weights, (folder / "metrics.jsonl").read_text()


def interrupt(folder: Path, loop: Loop, step: int, **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBITS_STOP_AT", str(step))
        with pytest.raises(SystemExit) as left:
            train(folder, loop, **options)
    assert left.value.code == 75


def two_loops(training: Training) -> None:
    training.epochs(2)
    training.optimizer.param_groups[0]["lr"] *= 0.5
    training.epochs(4)


def early_stopping_and_a_second_loop(training: Training) -> None:
    training.epochs(10, until=2)
    training.optimizer.param_groups[0]["lr"] *= 0.5
    training.epochs(4)


def at_an_epochs_head(training: Training) -> None:
    for epoch in training.run.epochs(3):
        training.run.average(loss=7.0 * epoch)  # counts once, though it is called again when the run resumes
        training.run.log(rate=epoch)
        for batch in training.run.batches(BATCHES):
            training.run.average(loss=training.step(batch))


def after_the_last_epoch(training: Training) -> None:
    training.epochs(2)
    training.run.log(test=1)
    training.run.average(last=2)


def two_loaders_at_once(training: Training) -> None:
    for _ in training.run.epochs(3):
        pairs = zip(training.run.batches(BATCHES), training.run.batches(BATCHES[1:]), strict=False)
        for first, second in pairs:
            training.run.average(loss=training.step(first + second))


def a_loop_that_breaks(training: Training) -> None:
    for _ in training.run.epochs(3):
        training.run.state.seen = 0
        for batch in training.run.batches(BATCHES):
            training.run.average(loss=training.step(batch))
            training.run.state.seen += 1
            if training.run.state.seen == 3:
                break


@pytest.mark.parametrize(
    ("loop", "steps"),
    [
        (two_loops, (6, 8, 10, 12, 16)),
        (early_stopping_and_a_second_loop, (4, 8, 12, 15)),
        (at_an_epochs_head, (2, 4, 7)),
        (after_the_last_epoch, (3, 8)),
        (two_loaders_at_once, (3, 6, 10)),
        (a_loop_that_breaks, (1, 2, 4)),
    ],
)
@pytest.mark.parametrize("every", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_that_was_interrupted_ends_in_the_same_bits(
    tmp_path: Path, loop: Loop, steps: tuple[int, ...], every: int
) -> None:
    whole = train(tmp_path / "whole", loop)
    for step in steps:
        interrupt(tmp_path / str(step), loop, step, checkpoint_every=every)
        assert train(tmp_path / str(step), loop, checkpoint_every=every) == whole, step


def test_an_epochs_head_belongs_to_the_epoch(tmp_path: Path) -> None:
    _, metrics = train(tmp_path / "run", at_an_epochs_head)
    assert [json.loads(line)["epoch"] for line in metrics.splitlines()] == [1, 1, 2, 2, 3, 3]


def shuffled_by_a_global_generator(training: Training) -> None:
    training.epochs(3, lambda: [BATCHES[number] for number in np.random.permutation(4)])


def shuffled_in_a_stream(training: Training) -> None:
    def batches() -> list[torch.Tensor]:
        with training.run.stream("order", training.run.epoch):
            return [BATCHES[number] for number in np.random.permutation(4)]

    training.epochs(3, batches)


def test_a_list_that_is_another_one_when_the_run_resumes_is_refused(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", shuffled_in_a_stream)
    interrupt(tmp_path / "stream", shuffled_in_a_stream, 6)
    assert train(tmp_path / "stream", shuffled_in_a_stream) == whole
    interrupt(tmp_path / "run", shuffled_by_a_global_generator, 6)
    with pytest.raises(UsageError, match="the list's first 2 batches are not those of the run that stopped"):
        train(tmp_path / "run", shuffled_by_a_global_generator)


def test_an_interrupted_run_that_is_not_resumed_is_not_finished(tmp_path: Path) -> None:
    """Else the folder had untrained weights, and a manifest that says how many steps they took."""
    interrupt(tmp_path / "run", two_loops, 6)
    with pytest.raises(UsageError, match=r"^run\.finish: an interrupted run is here, and it was not resumed"):
        train(tmp_path / "run", lambda training: None)
    with (
        pytest.raises(UsageError, match=r"^run\.finish: an interrupted run is here"),
        samebits.torch.open_run({"seed": 0}, device="cpu", folder=tmp_path / "run") as run,
    ):
        run.finish({"w": torch.ones(1)})
    assert train(tmp_path / "run", two_loops) == train(tmp_path / "whole", two_loops)


def test_what_comes_after_finish_is_refused_and_the_run_stays(tmp_path: Path) -> None:
    def finish_within(training: Training) -> None:
        for _ in training.run.epochs(2):
            training.run.finish(training.model)

    later: list[Loop] = [
        lambda training: training.run.finish({"w": torch.zeros(1)}),
        lambda training: training.run.log(x=1),
        lambda training: training.run.average(x=1),
        lambda training: list(training.run.epochs(9)),
    ]
    for number, what in enumerate(later):
        with samebits.torch.open_run({"seed": 0}, device="cpu", folder=tmp_path / str(number)) as run:
            weights = run.finish({"w": torch.ones(1)})
            with pytest.raises(UsageError, match=r"^run\.finish was called before"):
                what(Training(run))
        assert json.loads((tmp_path / f"{number}/manifest.json").read_text())["weights_sha256"] == weights
    with pytest.raises(UsageError, match=r"^run\.finish was called before"):
        train(tmp_path / "within", finish_within)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3", "within"]


def test_epochs_that_were_given_are_not_given_again_in_silence(tmp_path: Path) -> None:
    def twice(training: Training) -> None:
        training.epochs(2)
        training.epochs(2)

    with pytest.raises(
        UsageError, match=r"^run\.epochs\(2\): epoch 2 was given before: .* `run\.epochs\(12\)`"
    ):
        train(tmp_path / "run", twice)


def test_a_checkpoint_is_named_before_the_first_epoch(tmp_path: Path) -> None:
    """Else the run could be interrupted, and never resumed."""
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=tmp_path / "run") as run:
        for _ in run.epochs(2):
            with pytest.raises(UsageError, match=r"^run\.checkpoint was called after the first epoch began"):
                run.checkpoint(model=torch.nn.Linear(2, 1))
        run.finish({"w": torch.ones(1)})


def test_a_folder_is_open_once_in_a_process(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def within(training: Training) -> None:
        with pytest.raises(UsageError, match="run is open in this process already: end that run, or name"):
            train(folder, two_loops)
        train(tmp_path / "another", two_loops)
        training.epochs(2)

    train(folder, within)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "run"]
    train(folder, two_loops)


def test_a_mean_is_of_the_values_that_a_tensor_had(tmp_path: Path) -> None:
    def summed(training: Training) -> None:
        total = torch.zeros(())
        for _ in training.run.epochs(1):
            for _batch in training.run.batches(BATCHES):
                total += 1
                training.run.average(total=total)

    _, metrics = train(tmp_path / "run", summed)
    assert json.loads(metrics)["total"] == 2.5


@pytest.mark.parametrize("value", [None, "3", torch.ones(2), [1.0], np.ones(3)], ids=repr)
def test_what_has_no_mean_is_refused_where_it_is_given(tmp_path: Path, value: Any) -> None:
    with pytest.raises(
        UsageError, match=r"^run\.average takes numbers and tensors of one element, and loss is"
    ):
        train(tmp_path / "run", lambda training: training.run.average(loss=value))


def test_a_number_in_a_tensor_is_logged_and_what_json_cannot_hold_is_one_line(tmp_path: Path) -> None:
    def log(training: Training) -> None:
        training.run.log(a=torch.tensor(0.5), b=np.float32(2), c=torch.tensor([3]), d=[1], e=None, f="text")

    _, metrics = train(tmp_path / "run", log)
    assert json.loads(metrics) == {"a": 0.5, "b": 2.0, "c": 3, "d": [1], "e": None, "f": "text"}
    for value in (torch.ones(2), {1, 2}, object()):
        with pytest.raises(UsageError, match=r"^run\.log: x is .*, which JSON cannot hold: give a number"):
            train(tmp_path / "other", lambda training, value=value: training.run.log(x=value))  # type: ignore[misc]
    for name in ("log", "average"):
        with pytest.raises(UsageError, match=f"^run\\.{name}: batches is the digest of the epoch's batches"):
            train(tmp_path / "other", lambda training, name=name: getattr(training.run, name)(batches=3))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"checkpoint_every": -1}, "checkpoint_every is -1: give an integer from 0"),
        ({"checkpoint_every": "2"}, "checkpoint_every is '2': give an integer from 0"),
        ({"checkpoint_every": 2.5}, "checkpoint_every is 2.5: give an integer from 0"),
        ({"keep_checkpoints": 0}, "keep_checkpoints is 0: give an integer from 1"),
        ({"keep_steps": 5}, "keep_steps is 5: give a list of steps"),
        ({"keep_steps": ["5"]}, "keep_steps is '5': give an integer from 1"),
    ],
)
def test_options_that_are_none_are_one_line(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        train(tmp_path / "run", two_loops, **options)
    assert str(refused.value) == said
    assert list(tmp_path.iterdir()) == []
