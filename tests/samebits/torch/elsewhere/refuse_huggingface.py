"""Trainings with a Hugging Face Trainer that the run cannot hold."""

from dataclasses import dataclass
from typing import Any

import train_huggingface
import transformers
from task import Settings as Usual

from samebits import option
from samebits.torch.huggingface import Trainer


@dataclass(frozen=True)
class Settings(Usual):
    what: str = option("", "what is wrong")


class Counter(transformers.TrainerCallback):
    def __init__(self) -> None:
        self.count = 0


def train(settings: Settings) -> None:
    def trainer(model: Any, arguments: Any, **options: Any) -> Trainer:
        if settings.what == "batch":
            arguments.auto_find_batch_size = True
        callbacks = [Counter()] if settings.what == "callback" else []
        return Trainer(model, arguments, callbacks=callbacks, **options)

    train_huggingface.Trainer = trainer
    train_huggingface.train(settings)
