"""What the training scripts beside this one train: a small network with dropout on noisy random samples."""

import os
import signal
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from samebits import RunSettings, option
from samebits.run.run import Run


@dataclass(frozen=True)
class Settings(RunSettings):
    epochs: int = option(3, "passes over the training data", minimum=1)
    batch_size: int = option(8, "samples in a step", minimum=1)
    kill_at: int = option(0, "the step in which SIGTERM comes, for tests", affects_weights=False)
    die_at: str = option("", "where SIGKILL comes, for tests", affects_weights=False)


class Points(Dataset):
    """Twelve numbers that say which of three classes they are, each time with other noise."""

    def __init__(self, samples: int) -> None:
        rng = np.random.default_rng(samples)
        self.labels = rng.integers(0, 3, samples)
        self.values = rng.normal(self.labels[:, None] - 1, 1, (samples, 12)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int, rng: np.random.Generator) -> tuple[torch.Tensor, int]:
        noise = rng.normal(0, 0.3, 12).astype(np.float32)
        return torch.from_numpy(self.values[index] + noise), int(self.labels[index])


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))


class Killer:
    """Sends this process SIGTERM in the midst of a step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


def die(settings: Settings, run: Run, place: str) -> None:
    """Kill this process outright where that is asked for; what is saved by then is on disk."""
    if settings.die_at == place:
        run.loop.saving.wait()
        os.kill(os.getpid(), signal.SIGKILL)


def die_before_finish(settings: Settings, run: Run) -> None:
    """The same place, once the loop has returned."""
    finish = run.finish

    def dying(model: nn.Module) -> str:
        die(settings, run, "finish")
        return finish(model)

    run.finish = dying  # type: ignore[method-assign]
