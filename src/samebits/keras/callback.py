"""A run that `model.fit` writes into."""

from typing import Any

import keras

from samebits.keras.data import Dataset
from samebits.keras.legacy import require_keras3
from samebits.run import Run
from samebits.seeds import derive_seed, seed_step


class RunLog(keras.callbacks.Callback):
    """Logs each epoch into a run, with the digest of the batches that the epoch saw.

    It also gives every step generators of its own, as `Run.batches` does for a loop in PyTorch: a stray
    draw between steps cannot move what comes after.
    """

    def __init__(self, run: Run, dataset: Dataset) -> None:
        super().__init__()
        self.run, self.dataset = run, dataset
        self.epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        require_keras3(self.model, self.model.optimizer)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        seed_step(derive_seed(self.run.seed, "step", self.epoch, batch))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self.run.log(epoch=epoch + 1, **metrics, batches=self.dataset.digest(epoch))
