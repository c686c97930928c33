"""A run of PyTorch: it knows its seed and its device, and so do the loaders that it makes."""

import contextlib
from typing import Any

from torch.utils.data import IterableDataset

import samebits.run.run
from samebits import torch as toolkit
from samebits.torch.base_loader import Loader


class Run(samebits.run.run.Run):
    """An open run. Made by `open_run`."""

    def loader(self, dataset: Any, *, name: str = "train", **options: Any) -> Loader:
        """`samebits.torch.loader` with the run's seed: a `DataLoader` that gives the same batches again.

        >>> loader = run.loader(dataset, batch_size=64, shuffle=True, num_workers=4)

        Args:
            dataset: map-style or iterable, as for `DataLoader`: nothing in it needs to know samebits.
            name: another one for each loader: their orders are others then.
            options: those of `DataLoader`.

        Raises:
            UsageError: as `samebits.torch.loader`.
        """
        loader = toolkit.loader(dataset, seed=self.seed, name=name, **options)
        if not isinstance(dataset, IterableDataset):  # which is read again up to where the run stopped
            self.loop.hold_loader(loader, name)
        return loader


def open_run(
    settings: Any, *, device: str | None = None, **options: Any
) -> contextlib.AbstractContextManager[Run]:
    """`samebits.open_run` for PyTorch. Seeds the generators of Python, NumPy and torch, too.

    >>> with samebits.torch.open_run(settings) as run:
    ...     model = Net().to(run.device)

    Args:
        settings: as `samebits.open_run` takes them.
        device: "auto", "cpu" or "cuda"; None: what `RunSettings` say, else "auto".
        options: the others of `samebits.open_run`.

    Raises:
        UsageError: as `samebits.open_run`.
    """
    return samebits.run.run.open_seeded("torch", settings, device, **options)
