"""Loops with Accelerate that the run cannot hold."""

from dataclasses import dataclass

import accelerate
import torch
from task import Points, network
from task import Settings as Usual

import samebits
import samebits.torch
from samebits import option


@dataclass(frozen=True)
class Settings(Usual):
    what: str = option("", "what is wrong")


def train(settings: Settings) -> None:
    with samebits.open_run(settings, framework="torch") as run:
        accelerator = accelerate.Accelerator(cpu=True)
        loader = samebits.torch.loader(Points(8), seed=0, shuffle=True)
        model = network()
        optimizer = torch.optim.AdamW(model.parameters())
        if settings.what == "order":
            model, optimizer = accelerator.prepare(model, optimizer)
        if settings.what == "accelerator":
            run.checkpoint(model=model, optimizer=optimizer)
        run.checkpoint(model=model, optimizer=optimizer, accelerator=accelerator)
        for _ in run.epochs(1):
            for _ in run.batches(accelerator.prepare(loader)):
                raise AssertionError("a prepared loader has another order")
