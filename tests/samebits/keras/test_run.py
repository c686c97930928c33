"""A run of Keras: what is logged after `fit` is the same when the run resumes there."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import samebits.keras


def train(folder: Path) -> tuple[str, str]:
    """Weights and metrics of a training of eight steps."""
    with samebits.keras.open_run({"seed": 0}, device="cpu", folder=folder) as run:
        with run.stream("initialisation"):
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer="sgd", loss="mse")
        x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
        run.fit(model, x, y, batch_size=2, epochs=2)
        run.log(test=keras.ops.convert_to_tensor(0.5))
        weights = run.finish(model)
    return weights, (folder / "metrics.jsonl").read_text()


def evaluated(folder: Path, **options: Any) -> list[int]:
    """The epochs of a training of three whose line of metrics has an evaluation."""
    settings = samebits.RunSettings(evaluate_every=2, device="cpu", run=folder)
    x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    with samebits.keras.open_run(settings) as run:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer="sgd", loss="mse")
        run.fit(model, x, y, epochs=3, validation_data=(x, y), **options)
        run.finish(model)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["epoch"] for line in lines if "val_loss" in line]


def test_fit_evaluates_as_the_settings_of_the_run_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    assert evaluated(tmp_path / "settings") == [2, 3]
    assert evaluated(tmp_path / "argument", validation_freq=1) == [1, 2, 3]


def test_what_is_logged_after_the_last_epoch_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr("samebits.run.plots.draw", lambda metrics: b"")
    whole = train(tmp_path / "whole")
    assert whole[1].endswith('{"epoch": 2, "test": 0.5}\n')
    for step in (3, 8):
        monkeypatch.setenv("SAMEBITS_STOP_AT", str(step))
        with pytest.raises(SystemExit):
            train(tmp_path / str(step))
        monkeypatch.delenv("SAMEBITS_STOP_AT")
        assert train(tmp_path / str(step)) == whole
