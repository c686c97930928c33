"""Trainings with Lightning that the run cannot hold."""

from dataclasses import dataclass

import lightning
import torch
import train_lightning
from lightning.pytorch.callbacks import Callback, StochasticWeightAveraging
from task import Points
from task import Settings as Usual

import samebits.torch
from samebits import option


@dataclass(frozen=True)
class Settings(Usual):
    what: str = option("", "what is wrong")


class Counter(Callback):
    def __init__(self) -> None:
        self.count = 0


def train(settings: Settings) -> None:
    usual = lightning.Trainer
    wrong = {"callback": Counter, "average": lambda: StochasticWeightAveraging(0.01)}

    def trainer(callbacks: list, **options: object) -> lightning.Trainer:
        return usual(callbacks=[*callbacks, wrong[settings.what]()], **options)

    if settings.what == "loader":
        samebits.torch.loader = lambda *_, **__: torch.utils.data.DataLoader(Points(8))
    else:
        lightning.Trainer = trainer
    train_lightning.train(settings)
