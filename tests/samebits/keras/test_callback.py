"""RunLog in `model.fit`: what it refuses, and what it remembers of callbacks that decide what follows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import samebits
import samebits.keras
from samebits import UsageError
from samebits.run import plots
from samebits.run.run import Run

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = X.sum(1)


@dataclass(frozen=True)
class Settings(samebits.RunSettings):
    seed: int = 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr(plots, "draw", lambda metrics: b"")


def fit(
    folder: Path,
    *callbacks: keras.callbacks.Callback,
    every: int = 0,
    log: Callable[[Run, Any], keras.callbacks.Callback] = samebits.keras.RunLog,
    inputs: tuple[int, ...] | None = (4,),
    compiled: dict[str, Any] | None = None,
    kind: type[keras.Sequential] = keras.Sequential,
    **options: Any,
) -> tuple[dict[str, list[float]], bytes, bytes]:
    """Train 4 epochs of 3 steps; returns Keras's history, the metrics and the weights."""
    with samebits.open_run(Settings(checkpoint_every=every), framework="keras", folder=folder) as run:
        data = samebits.keras.dataset(X, Y, seed=1, batch_size=8, shuffle=True)
        with run.stream("initialisation"):
            model = kind([keras.layers.Dropout(0.5), keras.layers.Dense(1)])
            if inputs:
                model.build((None, *inputs))
        model.compile("adam", "mse", run_eagerly=True, **(compiled or {}))
        history = model.fit(data, epochs=4, verbose=0, callbacks=[log(run, data), *callbacks], **options)
        run.finish(model)
    metrics, weights = ((folder / name).read_bytes() for name in ("metrics.jsonl", "weights.safetensors"))
    return history.history, metrics, weights


class OwnStep(keras.Sequential):
    """Logs what no metric of Keras's remembers."""

    def train_step(self, data: Any) -> dict[str, Any]:
        return {"twice": 2 * super().train_step(data)["loss"]}


class StopAfter(keras.callbacks.Callback):
    """Says within an epoch that it is enough."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        self.model.stop_training = self.left == 0


@pytest.mark.parametrize(
    ("make", "epochs", "stop_at", "every"),
    [
        (lambda: keras.callbacks.EarlyStopping("loss", patience=2, min_delta=99), 3, 4, 0),
        (lambda: keras.callbacks.EarlyStopping("loss", patience=2, min_delta=99), 3, 9, 0),
        (lambda: keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=99), 4, 6, 0),
        (lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2), 4, 5, 0),
        (lambda: StopAfter(5), 2, 5, 5),
        (lambda: StopAfter(5), 2, 5, 0),
    ],
)
def test_what_callbacks_decide_is_decided_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, epochs: int, stop_at: int, every: int
) -> None:
    whole = fit(tmp_path / "whole", make())
    assert len(whole[0]["loss"]) == epochs
    monkeypatch.setenv("SAMEBITS_STOP_AT", str(stop_at))
    with pytest.raises(SystemExit) as left:
        fit(tmp_path / "parts", make(), every=every)
    monkeypatch.delenv("SAMEBITS_STOP_AT")
    assert left.value.code == 75
    assert fit(tmp_path / "parts", make()) == whole


@pytest.mark.parametrize("every", [0, 3])
def test_an_epochs_end_has_the_logs_of_its_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    whole = fit(tmp_path / "whole", kind=OwnStep)
    monkeypatch.setenv("SAMEBITS_STOP_AT", "6")
    with pytest.raises(SystemExit):
        fit(tmp_path / "parts", kind=OwnStep, every=every)
    monkeypatch.delenv("SAMEBITS_STOP_AT")
    assert fit(tmp_path / "parts", kind=OwnStep) == whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"steps_per_epoch": 2},
            "fit takes 2 steps in an epoch, and the dataset has 3: leave steps_per_epoch",
        ),
        ({"compiled": {"steps_per_execution": 2}}, r"compile\(steps_per_execution=…\) takes several steps"),
        ({"inputs": None}, "has no weights yet"),
        (
            {"log": lambda run, data: samebits.keras.RunLog(run, data, checkpoint={"model": None})},
            "RunLog has something called 'model' already",
        ),
        (
            {
                "log": lambda run, data: samebits.keras.RunLog(
                    run, samebits.keras.dataset(X, Y, seed=1, batch_size=8)
                )
            },
            "fit trains on another dataset than the one that RunLog was given",
        ),
    ],
)
def test_what_cannot_continue_is_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        fit(tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_outside_of_fit_it_says_what_to_call_instead(tmp_path: Path) -> None:
    dataset = samebits.keras.dataset(np.zeros((1, 1)), seed=0)
    log = samebits.keras.RunLog(None, dataset)  # type: ignore[arg-type]
    model = keras.Sequential([keras.Input((1,))])
    model.compile("sgd", "mse")
    log.set_model(model)
    log.set_params({"steps": 1})
    with pytest.raises(
        UsageError, match=r"RunLog is for model\.fit: a loop of your own calls run\.checkpoint"
    ):
        log.on_train_begin()
