"""A run of Keras: it knows its seed and its device, and so do the datasets that it makes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

import samebits.run.run
from samebits import keras as toolkit
from samebits.keras.loading import Dataset
from samebits.rng.seeds import seed_everything
from samebits.run.options import wanted_device


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


@contextlib.contextmanager
def open_run(settings: Any, *, device: str | None = None, **options: Any) -> Iterator[Run]:
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
    device = device or wanted_device(settings)
    with samebits.run.run.open_run(settings, framework="keras", device=device, **options) as run:
        seed_everything(run.seed)
        yield run
