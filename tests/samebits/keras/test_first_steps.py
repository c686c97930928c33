"""What a run of Keras records by itself, and where two of them differ first."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import samebits.keras
from samebits.diff.command import compare
from samebits.run import plots

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = X.sum(1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr(plots, "draw", lambda metrics: b"")


def trained(folder: Path, inputs: np.ndarray = X, kernel: float = 0.5, rate: float = 0.1) -> Path:
    with samebits.keras.open_run({"seed": 0}, folder=folder) as run:
        initial = keras.initializers.Constant(kernel)
        model = keras.Sequential(
            [keras.layers.Input((4,)), keras.layers.Dense(1, kernel_initializer=initial)]
        )
        model.compile(keras.optimizers.SGD(rate), "mse")
        run.fit(model, inputs, Y, batch_size=8, epochs=3)
        run.finish(model)
    return folder


def test_initial_weights_batches_and_the_first_step_are_told_apart(tmp_path: Path) -> None:
    first = trained(tmp_path / "first")
    again = trained(tmp_path / "again")
    assert (first / "record.jsonl").read_bytes() == (again / "record.jsonl").read_bytes()
    events: list[Any] = [json.loads(line) for line in (first / "record.jsonl").read_text().splitlines()]
    assert [each["step"] for each in events if each["event"] == "epoch"] == [3, 6, 9]
    assert [len(each["calls"][0]["rows"]) for each in events if each["event"] == "step"] == [8 * 16] * 8

    def place(**other: Any) -> str:
        return str(compare(first, trained(tmp_path / next(iter(other)), **other)).place)

    assert place(kernel=2.0).startswith("the initial parameter `dense/kernel`")
    assert place(rate=0.2).startswith("step 1, parameter `dense/kernel` (and 1 more of 2) after it: batch, ")
    reversed_ = compare(first, trained(tmp_path / "order", X[::-1].copy()))
    assert str(reversed_.place).startswith("step 1, the batch: weights and ")
    assert "order" in [cause.kind for cause in reversed_.causes]
