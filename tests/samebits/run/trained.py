"""Trains again and again in one process, each time with another fault, each into a folder of its own."""

import contextlib
import os
import sys
from argparse import Namespace
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset

import samebits.torch

# Chance is noted for the whole process: what has none comes first.
SEEDED, UNSEEDED = ("nothing", "again", "order", "forgets"), ("initial", "contents", "step", "late")


class Rate:
    """A learning rate that decays, which no checkpoint holds."""

    def __init__(self) -> None:
        self.steps = 0

    def next(self) -> float:
        self.steps += 1
        return 0.1 / self.steps


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(int.from_bytes(os.urandom(4), "little"))


def train(folder: Path, fault: str, held: bool = True) -> None:
    with samebits.torch.open_run(Namespace(seed=0), folder=folder) as run:
        if fault == "initial":
            torch.manual_seed(int.from_bytes(os.urandom(4), "little"))
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
        inputs = torch.randn(48, 4, generator=torch.Generator().manual_seed(1))
        targets = inputs.sum(1, keepdim=True)
        if fault == "contents":
            inputs = inputs + torch.rand(48, 1, generator=chance())
        data = TensorDataset(inputs, targets)
        loader = run.loader(data, batch_size=16, shuffle=True, name="other" if fault == "order" else "train")
        optimizer, rate = torch.optim.SGD(model.parameters()), Rate()
        if held:
            run.checkpoint(model=model, optimizer=optimizer)
        for _ in run.epochs(4) if held else range(4):
            for x, y in run.batches(loader):
                if fault == "step" or (fault == "late" and run.step >= 9):
                    x = x + 1e-3 * torch.rand(x.shape, generator=chance())
                optimizer.param_groups[0]["lr"] = rate.next() if fault == "forgets" else 0.1
                optimizer.zero_grad()
                loss = ((model(x) - y) ** 2).mean()
                loss.backward()
                optimizer.step()
                run.average(loss=loss)
        run.finish(model)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for name in SEEDED:
        train(place / name, name)
    train(place / "not-held", "nothing", held=False)
    for stop in (2, 7):
        os.environ["SAMEBITS_STOP_AT"] = str(stop)
        for name in ("nothing", "forgets"):
            with contextlib.suppress(SystemExit):
                train(place / f"{name}-{stop}", name)
        del os.environ["SAMEBITS_STOP_AT"]
        for name in ("nothing", "forgets"):
            train(place / f"{name}-{stop}", name)
    for name in UNSEEDED:
        train(place / name, name)
    train(place / "not-held-initial", "initial", held=False)
