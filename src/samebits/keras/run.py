"""A run of Keras: it knows its seed and its device, and so do the datasets that it makes."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

import samebits.run.run
from samebits import keras as toolkit
from samebits.keras.loading import Augment, Dataset
from samebits.run.options import RunSettings


class Run(samebits.run.run.Run):
    """An open run. Made by `open_run`."""

    def dataset(
        self, x: np.ndarray, y: np.ndarray | None = None, *, name: str = "train", **options: Any
    ) -> Dataset:
        """`samebits.keras.dataset` with the run's seed: the same batches again, for `model.fit`.

        >>> train_set = run.dataset(images, labels, batch_size=64, shuffle=True)

        Args:
            x: (samples, …), any type.
            y: (samples, …), any type; None: `x` alone.
            name: another one for each dataset: their orders are others then.
            options: those of `samebits.keras.dataset`.

        Raises:
            UsageError: as `samebits.keras.dataset`.
        """
        return toolkit.dataset(x, y, seed=self.seed, name=name, **options)

    def fit(
        self,
        model: keras.Model,
        x: np.ndarray,
        y: np.ndarray | None = None,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        augment: Augment | None = None,
        workers: int = 1,
        verbose: int | str = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoint: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """`model.fit` with the run's batches and metrics, which can be interrupted anywhere.

        >>> run.fit(model, images, labels, batch_size=64, epochs=20, validation_data=(x, y))

        Args:
            model: a compiled model.
            x: (samples, …), any type.
            y: (samples, …), any type.
            batch_size: samples in a step.
            shuffle: whether each epoch has an order of its own; as in `model.fit`, it has.
            augment: what changes a sample each time; see `samebits.keras.dataset`.
            workers: threads that prepare batches. Their number changes nothing.
            verbose: as for `model.fit`. The run prints a line for each epoch itself.
            callbacks: more of them; see `samebits.keras.RunLog`.
            checkpoint: more that decides how the training continues, by name; see `Run.checkpoint`.
            options: the others of `model.fit`, such as `epochs` and `validation_data`. Without
                `validation_freq`, `RunSettings.evaluate_every` says after which epochs to evaluate.

        Raises:
            UsageError: as `dataset` and `samebits.keras.RunLog`.
        """
        train_set = self.dataset(
            x, y, batch_size=batch_size, shuffle=shuffle, augment=augment, workers=workers
        )
        log = toolkit.RunLog(self, train_set, checkpoint)
        if isinstance(self.settings, RunSettings) and "validation_data" in options:
            options.setdefault("validation_freq", self.settings.evaluated_epochs(options.get("epochs", 1)))
        # The dataset has an order of its own, derived from seed and epoch: Keras must not add another.
        return model.fit(train_set, shuffle=False, verbose=verbose, callbacks=[*callbacks, log], **options)


def open_run(
    settings: Any, *, device: str | None = None, **options: Any
) -> contextlib.AbstractContextManager[Run]:
    """`samebits.open_run` for Keras. Seeds the generators of Python, NumPy, TensorFlow and Keras, too.

    >>> with samebits.keras.open_run(settings) as run:
    ...     train_set = run.dataset(images, labels, batch_size=64, shuffle=True)

    Args:
        settings: as `samebits.open_run` takes them.
        device: "auto", "cpu" or "cuda"; None: what `RunSettings` say, else "auto".
        options: the others of `samebits.open_run`.

    Raises:
        UsageError: as `samebits.open_run`.
    """
    return samebits.run.run.open_seeded("keras", settings, device, **options)
