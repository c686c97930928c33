"""A training with a fault for each proof to find: SAMEBITS_FAULT names it."""

import dataclasses
import os
import time

import torch
from torch import nn
from torch.utils.data import TensorDataset

import samebits.torch
from samebits import RunSettings
from samebits.run.option import option

FAULT = os.environ.get("FAULT", "")


@dataclasses.dataclass(frozen=True)
class Settings(RunSettings):
    epochs: int = option(2, "passes over the data", minimum=1)


class Rate:
    def __init__(self) -> None:
        self.steps = 0

    def next(self) -> float:
        self.steps += 1
        return 0.1 / self.steps


def train(settings: Settings) -> None:
    """Train a small network."""
    with samebits.torch.open_run(settings) as run:
        clock = torch.Generator().manual_seed(time.time_ns())
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        inputs = torch.linspace(-1, 1, 64).reshape(16, 4)
        if FAULT == "data":
            inputs = inputs + torch.rand(inputs.shape, generator=clock)
        loader = run.loader(TensorDataset(inputs, inputs.sum(1, keepdim=True)), batch_size=4, shuffle=True)
        optimizer, rate = torch.optim.SGD(model.parameters(), lr=0.1), Rate()
        run.checkpoint(model=model, optimizer=optimizer)
        for _ in run.epochs(settings.epochs):
            for x, y in run.batches(loader):
                if FAULT == "noise":
                    x = x + 1e-3 * torch.rand(x.shape, generator=clock)
                if FAULT == "forgets":
                    optimizer.param_groups[0]["lr"] = rate.next()
                optimizer.zero_grad()
                ((model(x) - y) ** 2).mean().backward()
                optimizer.step()
        run.finish(model)


if __name__ == "__main__":
    samebits.main(train, Settings)
