"""A small training with all that has a state: what an interruption must not change.

Dropout, batch normalisation, augmentation, AdamW with a schedule, gradients that are added up over two steps
and clipped, an average of the weights, mixed precision with a scaler of gradients, an order of samples, and
an evaluation that draws from every global generator.
"""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import samebits
import samebits.torch


@dataclass(frozen=True)
class Settings(samebits.RunSettings):
    epochs: int = samebits.option(4, "epochs")
    width: int = samebits.option(16, "neurons")
    evaluate: int = samebits.option(1, "epochs, or -1 for every step", affects_weights=False)
    more: bool = samebits.option(
        False, "metrics, prints and another model, all of which draw", affects_weights=False
    )
    workers: int = samebits.option(0, "workers", affects_weights=False)


class Samples(torch.utils.data.Dataset):
    """Blurred by every global generator: only what is derived for each sample may decide."""

    def __len__(self) -> int:
        return 52

    def __getitem__(self, index: int) -> Any:
        target = index % 3
        noise = torch.randn(8) * 0.3 + random.random() * 0.1 + float(np.random.normal()) * 0.1
        return nn.functional.one_hot(torch.tensor(target), 8) * 2.0 + noise, target


def draw() -> None:
    """From every global generator there is."""
    random.random()
    np.random.random(3)
    torch.rand(5)
    if torch.cuda.is_available():
        torch.rand(5, device="cuda")


def train(settings: Settings) -> None:
    samebits.torch.make_deterministic()
    samebits.seed_everything(settings.seed)
    with samebits.open_run(settings, framework="torch", keep_steps=(5,)) as run:
        loader = samebits.torch.loader(
            Samples(), seed=settings.seed, batch_size=8, shuffle=True, num_workers=settings.workers
        )
        if settings.more:
            print(
                "another model:", sum(parameter.sum().item() for parameter in nn.Linear(50, 50).parameters())
            )
            draw()
        with run.stream("initialisation"):
            model = nn.Sequential(
                nn.Linear(8, settings.width),
                nn.BatchNorm1d(settings.width),
                nn.ReLU(),
                nn.Dropout(0.4),
                nn.Linear(settings.width, 3),
            )
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=200)
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=5)
        run.checkpoint(model=model, average=average, optimizer=optimizer, schedule=schedule, scaler=scaler)

        taken = 0
        for epoch in run.epochs(settings.epochs):
            model.train()
            for inputs, targets in run.batches(loader):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = nn.functional.cross_entropy(model(inputs), targets)
                scaler.scale(loss).backward()
                if run.step % 2:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                    scaler.step(optimizer)
                    scaler.update()
                    schedule.step()
                    optimizer.zero_grad()
                    average.update_parameters(model)
                run.average(loss=loss)
                if settings.more:
                    draw()
                    run.average(noise=torch.rand(()), histogram=float(np.histogram(torch.randn(9))[0].max()))
                if settings.evaluate == -1:
                    evaluate(average, loader)
                taken += 1
            metrics = {}
            if settings.evaluate == -1 or (settings.evaluate and epoch % settings.evaluate == 0):
                metrics["mean"] = evaluate(average, loader)
            run.log(**metrics)
        print(f"{taken} steps in this process")
        both = nn.ModuleDict({"model": model, "average": average})
        run.finish(both)


@torch.no_grad()
def evaluate(model: nn.Module, loader: Any) -> float:
    with samebits.isolated_rng():
        draw()
        torch.manual_seed(1)
        model.eval()
        mean = float(model(torch.ones(4, 8)).mean())
        model.train()
    return mean


if __name__ == "__main__":
    samebits.main(train, Settings)
