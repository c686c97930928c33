"""What a PyTorch script without samebits does."""

from typing import Any

from torch.utils.data import DataLoader, Dataset

import samebits.torch
from samebits.proof.controls.plain import GlobalGenerator, patch


class GlobalDraws(Dataset[Any]):
    """A dataset whose samples draw from the process's global generators."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset.__getitem__(index, rng=GlobalGenerator())


def loader(dataset: Any, *, seed: int, name: str = "train", **options: Any) -> "DataLoader[Any]":
    """torch's own loader: its order comes from torch's global generator."""
    return DataLoader(GlobalDraws(dataset), **options)


def install() -> None:
    """Put it in the place of samebits' loader."""
    patch(samebits.torch, loader=loader)
