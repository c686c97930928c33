"""A run that `model.fit` writes into, and that resumes where it was interrupted."""

import atexit
import gc
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

import keras

from samebits.errors import UsageError
from samebits.keras.keras2 import require_keras3
from samebits.keras.loading import Dataset
from samebits.keras.state import build, stateless
from samebits.run.run import Run


class RunLog(keras.callbacks.Callback):
    """Logs each epoch into a run, and makes the training one that can be interrupted anywhere.

    >>> model.fit(train_set, epochs=20, callbacks=[samebits.keras.RunLog(run, train_set)])

    What `Run.batches` does for your own loop: each epoch's line has the digest of its batches, every
    step has generators of its own, checkpoints are made when due, at an epoch's end after all callbacks,
    SIGTERM and SIGINT save between two steps or at an epoch's end, and the same command resumes. The run
    holds the model (weights, generators, optimizer, metrics) and what the other callbacks remember: their
    numbers, texts, arrays, and lists and dictionaries of these, or their `state_dict`. One that only watches
    says so by an attribute `stateless = True`.

    Args:
        run: from `samebits.open_run`.
        dataset: the one that `fit` trains on, from `samebits.keras.dataset`.
        checkpoint: more that decides how the training continues, by name; see `Run.checkpoint`.

    Raises:
        UsageError: the dataset is of another kind. When the training begins: the model has no weights yet, a
            callback remembers what cannot be stored, `fit` counts its steps otherwise, or as
            `Run.checkpoint`.
    """

    def __init__(self, run: Run, dataset: Dataset, checkpoint: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        if not isinstance(dataset, Dataset):
            raise UsageError(
                f"RunLog takes a dataset of samebits.keras.dataset, not a {type(dataset).__name__}, which "
                "cannot begin within an epoch"
            )
        self.run, self.dataset, self.checkpoint = run, dataset, dict(checkpoint or {})
        self.logs: dict[str, Any] = {}  # of the latest epoch
        self.stop = False  # somebody said in it that it is the last

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        require_keras3(self.model, self.model.optimizer)
        if self.model.steps_per_execution != 1:
            raise UsageError(
                "compile(steps_per_execution=…) takes several steps at once, between which nothing can be "
                "seeded or saved: leave it out"
            )
        if self.params.get("steps") != len(self.dataset):
            raise UsageError(
                f"fit takes {self.params.get('steps')} steps in an epoch, and the dataset has "
                f"{len(self.dataset)}: leave steps_per_epoch out, and give RunLog the dataset that fit gets"
            )
        callbacks = _callback_list()
        build(self.model, self.dataset)
        self.run.checkpoint(**self._named(callbacks.callbacks))
        atexit.register(gc.collect)  # a pass that was left must end before TensorFlow does, or that complains
        callbacks._async_train = False  # a step is saved when it is complete
        steps = Steps(self, callbacks)
        steps.set_model(self.model)
        callbacks.callbacks.append(steps)  # whose own on_train_begin is called next to last: after all others

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.run.log(**{name: float(value) for name, value in (logs or {}).items()})

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints: what Keras keeps between steps in no object."""
        return {"logs": self.logs, "stop": self.stop}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.logs, self.stop = state["logs"], state["stop"]

    def _named(self, callbacks: list[keras.callbacks.Callback]) -> dict[str, Any]:
        """Everything to hold: the model, the callbacks by their classes' names, and what was asked for."""
        named = {"model": self.model}
        for callback in callbacks:
            if stateless(callback):
                continue
            name, number = type(callback).__name__, 1
            while name in named:
                number += 1
                name = f"{type(callback).__name__}_{number}"
            named[name] = callback
        if twice := sorted(set(named) & set(self.checkpoint)):
            raise UsageError(
                f"RunLog has something called {twice[0]!r} already: give it another name in checkpoint="
            )
        return {**named, **self.checkpoint}


class Steps(keras.callbacks.Callback):
    """Tells a run of each epoch and step, after all other callbacks: what they did belongs to the step."""

    def __init__(self, log: RunLog, callbacks: keras.callbacks.CallbackList) -> None:
        super().__init__()
        self.log, self.loop, self.dataset, self.callbacks = log, log.run.loop, log.dataset, callbacks
        self.epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.loop.resumes:
            return
        epoch, _ = self.loop.resumes_at
        self.loop.restore()
        epochs = self.log.params["epochs"]
        self.model._initial_epoch = epochs if self.log.stop else epoch - 1
        if self.model._initial_epoch >= epochs:  # Keras knows nothing of the epochs before
            end = self.callbacks.on_train_end
            vars(self.callbacks)["on_train_end"] = lambda logs=None: end(logs or self.log.logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model._initial_epoch = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch
        self.loop.begin_epoch(epoch + 1, self.dataset)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.loop.begin_step(self.epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        digest = self.dataset.latest_digest
        if digest is None:
            raise UsageError("fit trains on another dataset than the one that RunLog was given")
        last = self.model.stop_training or batch == len(self.dataset) - 1
        self.loop.end_step(digest, last, self.dataset.latest_batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.log.logs, self.log.stop = dict(logs or {}), bool(self.model.stop_training)
        self.loop.end_epoch(last=self.log.stop or epoch == self.log.params["epochs"] - 1)


def _callback_list() -> keras.callbacks.CallbackList:
    """The one that calls us: Keras tells a callback nothing of the others."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            return caller
        frame = frame.f_back
    raise UsageError(
        "RunLog is for model.fit: a loop of your own calls run.checkpoint, run.epochs and run.batches"
    )
