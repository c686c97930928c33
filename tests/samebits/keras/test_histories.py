"""A `tf.data` pipeline that shuffles anew in each epoch: read again on resume, or refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import samebits.keras
from samebits import UsageError

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr("samebits.run.plots.draw", lambda metrics: b"")


def reshuffled(seed: int = 7) -> tf.data.Dataset:
    data = tf.data.Dataset.from_tensor_slices((X, X.sum(1))).shuffle(24, seed=seed)
    return data.map(lambda x, y: (x + tf.random.uniform((4,), seed=3), y)).batch(8)


def train(folder: Path, make: Callable[[], Any], evaluate: bool = False) -> str:
    with samebits.keras.open_run({"seed": 0}, device="cpu", folder=folder) as run:
        data = make()
        with run.stream("initialisation"):
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse", run_eagerly=True)
        run.checkpoint(model=model)
        for _ in run.epochs(4):
            for x, y in run.batches(data):
                model.train_on_batch(x, y)
            if evaluate:
                list(data)
        return run.finish(model) + (run.folder / "metrics.jsonl").read_text()


def interrupted(folder: Path, make: Callable[[], Any], epoch: int, **options: Any) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBITS_STOP_AT", str(3 * epoch))
        with pytest.raises(SystemExit) as left:
            train(folder, make, **options)
    assert left.value.code == 75
    return train(folder, make, **options)


def test_a_shuffled_pipeline_is_read_again(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", reshuffled)
    for epoch in (1, 3):
        assert interrupted(tmp_path / str(epoch), reshuffled, epoch) == whole


def test_a_pipeline_that_something_else_read_too_is_refused(tmp_path: Path) -> None:
    """An evaluation that goes through it moves its order."""
    says = "^run.batches: _BatchDataset gives other batches in epoch 2 than in the run that stopped: "
    with pytest.raises(UsageError, match=says):
        interrupted(tmp_path / "run", reshuffled, 2, evaluate=True)


def beside(folder: Path, way: str) -> str:
    """A training whose steps read a second dataset, of three batches, besides the first one, of four."""
    with samebits.keras.open_run({"seed": 0}, device="cpu", folder=folder) as run:
        data = run.dataset(X, X.sum(1), batch_size=6, shuffle=True)
        second = run.dataset(X, X.sum(1), name="second", batch_size=8, shuffle=True)
        with run.stream("initialisation"):
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
        run.checkpoint(model=model)
        for _ in run.epochs(3):
            passes = iter(second)
            for x, y in run.batches(data):
                if way == "by the step":
                    second.set_epoch(run.step // len(second))
                other = next(passes, None) if way == "iterator" else second[run.step % len(second)]
                model.train_on_batch(x, y)
                model.train_on_batch(*other)
            assert len(list(second)) == 3  # whole, between two steps
        return run.finish(model)


def test_a_second_dataset_that_steps_read_is_refused_by_name_and_by_its_number_it_resumes(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=r"^dataset 'second' is read in several steps, beside the "):
        beside(tmp_path / "run", "iterator")
    whole = beside(tmp_path / "whole", "by the step")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBITS_STOP_AT", "6")
        with pytest.raises(SystemExit):
            beside(tmp_path / "parts", "by the step")
    assert beside(tmp_path / "parts", "by the step") == whole


def test_fit_on_another_kind_of_dataset_is_refused_by_name(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"^RunLog takes a dataset of samebits\.keras\.dataset, not a _Batch"),
        samebits.keras.open_run({"seed": 0}, device="cpu", folder=tmp_path / "run") as run,
    ):
        samebits.keras.RunLog(run, reshuffled())
