"""A run of Keras: what is logged after `fit` is the same when the run resumes there."""

from pathlib import Path

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
