"""Trainings that test_resume.py interrupts: one process imports Keras and forks each run.

Every line of standard input is a run, as JSON: its folder, its options, its environment's variables. The
answer is a line with the exit status and what the run wrote on stderr.
"""

import gc
import json
import os
import random
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import samebits
import samebits.keras
import samebits.keras.callback  # before the fork: it imports much
from samebits.run import plots

plots.draw = lambda metrics: b""  # which takes seconds
EPOCHS, SAMPLES, BATCH = 3, 44, 8  # 6 steps in an epoch, the last with 4 samples


@dataclass(frozen=True)
class Settings(samebits.RunSettings):
    seed: int = 3
    workers: int = samebits.option(0, "threads", affects_weights=False)
    evaluate: str = samebits.option("every", "when, and how", affects_weights=False)
    loop: str = "fit"
    kill: int = samebits.option(0, "a step in which SIGTERM comes", affects_weights=False)
    end: str = samebits.option("", "a signal, an epoch and a place, at which it comes", affects_weights=False)


def flip(sample: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return sample[:, ::-1] if rng.random() < 0.5 else sample


class Halve(keras.callbacks.Callback):
    """Decides by what it remembers, as users' callbacks do: halves a weight after every 5 steps.

    It changes a weight at the head of an epoch, too, and fails where an epoch has no steps or no logs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps = self.seen = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seen = 0
        bias = self.model.layers[-1].bias
        bias.assign(bias + 0.5)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        assert 6 / self.seen == 1
        assert logs["loss"]

    def on_train_end(self, logs: Any = None) -> None:
        assert logs["loss"]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        self.seen += 1
        if self.steps % 5 == 0:
            scale = self.model.layers[-1].bias
            scale.assign(scale / 2)


class Draw(keras.callbacks.Callback):
    """Draws from every global generator when it evaluates."""

    stateless = True

    def on_test_begin(self, logs: Any = None) -> None:
        random.random(), np.random.random(), keras.random.normal((2,)), tf.random.normal((2,))
        tf.random.get_global_generator().normal((2,))


class Kill(keras.callbacks.Callback):
    stateless = True

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


class End(keras.callbacks.Callback):
    """Sends a signal at an instant of an epoch; what is saved by then is on disk."""

    stateless = True

    def __init__(self, run: Any, end: str) -> None:
        super().__init__()
        self.run, self.wanted = run, end.split()
        self.epoch = 0

    def at(self, place: str) -> None:
        if self.wanted[1:] == [str(self.epoch), place]:
            self.run.loop.saving.wait()
            os.kill(os.getpid(), signal.Signals[self.wanted[0]])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch + 1
        self.at("head")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.at(f"step-{batch + 1}")

    def on_test_begin(self, logs: Any = None) -> None:
        self.at("validation")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.at("logged")

    def on_train_end(self, logs: Any = None) -> None:
        self.at("end")


def build_model() -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, use_bias=False),
            layers.BatchNormalization(momentum=0.5),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.GaussianNoise(0.1),
            layers.Dense(3, dtype="float32"),
        ]
    )


def train(settings: Settings, folder: Path) -> None:
    device = samebits.keras.choose_device("cpu")
    samebits.keras.make_deterministic()
    samebits.seed_everything(settings.seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    x = np.random.default_rng(0).normal(size=(SAMPLES, 6, 6, 1)).astype("float32")
    y = (x.sum((1, 2, 3)) > 0).astype("int64")
    with samebits.open_run(settings, framework="keras", device=device, folder=folder) as run:
        train_set = samebits.keras.dataset(
            x, y, seed=settings.seed, batch_size=BATCH, shuffle=True, augment=flip, workers=settings.workers
        )
        with run.stream("initialisation"):
            model = build_model()
        schedule = keras.optimizers.schedules.CosineDecay(0.05, decay_steps=EPOCHS * 6)
        inner = keras.optimizers.AdamW(schedule, clipnorm=1.0, use_ema=True, ema_momentum=0.8)
        model.compile(
            keras.optimizers.LossScaleOptimizer(inner, dynamic_growth_steps=5),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            run_eagerly=settings.loop == "own",  # tracing takes longer than so few steps do
        )
        if settings.loop == "own":
            own_loop(run, model, train_set)
        else:
            log = samebits.keras.RunLog(run, train_set)
            others = [Halve(), keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=False)]
            more = [Draw()] * (settings.evaluate == "draw") + [End(run, settings.end)]
            model.fit(
                train_set,
                epochs=EPOCHS,
                verbose=0,
                validation_data=(x, y) if settings.evaluate != "never" else None,
                callbacks=[log, *others, Kill(settings.kill), *more],
            )
        run.finish(model)


def own_loop(run: Any, model: keras.Model, train_set: Any) -> None:
    samebits.keras.build(model, train_set)
    run.checkpoint(model=model)
    for _ in run.epochs(EPOCHS):
        model.reset_metrics()
        for images, labels in run.batches(train_set):
            logs = model.train_on_batch(images, labels, return_dict=True)
        run.log(**{name: float(value) for name, value in logs.items()})


def main() -> None:
    gc.freeze()  # what is imported: the looks of each run at all objects then take no second
    for line in sys.stdin:
        asked = json.loads(line)
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.dup2(writing, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.close(reading)
            os.environ.update(asked["variables"])
            random.seed()  # as a new process would be: the fork gives all of them the same state
            sys.exit(run_one(Settings(**asked["options"]), Path(asked["folder"])))
        os.close(writing)
        with open(reading, encoding="utf-8") as file:
            stderr = file.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status, "stderr": stderr}), flush=True)


def run_one(settings: Settings, folder: Path) -> int:
    try:
        train(settings, folder)
    except samebits.UsageError as error:
        print(f"samebits: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    main()
