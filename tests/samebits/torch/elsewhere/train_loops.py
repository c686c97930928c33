"""Loops of one's own, as users write them: each is resumed within an epoch and at an epoch's end."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from task import Points, network
from task import Settings as Usual
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import samebits
import samebits.torch
from samebits import option
from samebits.run import plots
from samebits.run.run import Run

plots.draw = lambda metrics: b""  # which takes seconds


@dataclass(frozen=True)
class Settings(Usual):
    epochs: int = 3
    loop: str = option("", "the name of a function below")


class Training:
    """A model, an optimizer and a loader; `batches` is what every loop here has in common."""

    def __init__(self, run: Run, settings: Settings) -> None:
        self.run, self.settings = run, settings
        self.loader = run.loader(Points(44), batch_size=settings.batch_size, shuffle=True)
        with run.stream("initialisation"):
            self.model = network()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.01)

    def steps(self) -> Iterator[Tensor]:
        """The loss of each step of an epoch."""
        for values, labels in self.run.batches(self.loader):
            loss = cross_entropy(self.model(values), labels)
            self.run.average(loss=loss)
            yield loss

    def take(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def unfreezing(training: Training) -> None:
    """The first layer is trained from the second epoch on, by a group of its own."""
    model, run = training.model, training.run
    first, *others = model
    first.requires_grad_(False)
    training.optimizer = torch.optim.AdamW(nn.ModuleList(others).parameters(), lr=0.01)
    run.checkpoint(model=model, optimizer=training.optimizer)
    for epoch in run.epochs(training.settings.epochs):
        if epoch == 2:
            first.requires_grad_(True)
            training.optimizer.add_param_group({"params": first.parameters(), "lr": 0.003})
        for loss in training.steps():
            training.take(loss)


def train(settings: Settings) -> None:
    with samebits.torch.open_run(settings, device="cpu") as run:
        training = Training(run, settings)
        globals()[settings.loop](training)
        run.finish(training.model)


if __name__ == "__main__":
    samebits.main(train, Settings)
