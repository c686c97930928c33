"""Loops as users write them: each is resumed within an epoch and at an epoch's end."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from task import Points, network
from task import Settings as Usual
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

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


def averaging(training: Training) -> None:
    """An exponential average of the weights, updated after each step."""
    average = AveragedModel(training.model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    training.run.checkpoint(model=training.model, optimizer=training.optimizer, average=average)
    for _ in training.run.epochs(training.settings.epochs):
        for loss in training.steps():
            training.take(loss)
            average.update_parameters(training.model)
    training.model = average


def stochastic_averaging(training: Training) -> None:
    """SWA: from the second epoch on the weights are averaged at each epoch's end, with an own schedule."""
    average = AveragedModel(training.model)
    schedule = SWALR(training.optimizer, swa_lr=0.05, anneal_epochs=2)
    run = training.run
    run.checkpoint(model=training.model, optimizer=training.optimizer, average=average, schedule=schedule)
    for epoch in run.epochs(training.settings.epochs):
        for loss in training.steps():
            training.take(loss)
        if epoch >= 2:
            average.update_parameters(training.model)
            schedule.step()
    update_bn(training.loader, average)
    training.model = average


def mixed_precision(training: Training) -> None:
    """bfloat16 in the forward pass, scaled gradients that are added up over three steps, and clipped."""
    model, optimizer, run = training.model, training.optimizer, training.run
    # The first updates are skipped, as their gradients are infinite.
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126, backoff_factor=2.0**-4, growth_interval=2)
    run.checkpoint(model=model, optimizer=optimizer, scaler=scaler)
    for _ in run.epochs(training.settings.epochs):
        for values, labels in run.batches(training.loader):
            with torch.autocast("cpu", torch.bfloat16):
                loss = cross_entropy(model(values), labels)
            scaler.scale(loss * 1000).backward()
            run.average(loss=loss)
            if run.step % 3 == 2:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()


def accumulating(training: Training) -> None:
    """Gradients of five batches, over the ends of epochs."""
    training.run.checkpoint(model=training.model, optimizer=training.optimizer)
    for _ in training.run.epochs(training.settings.epochs):
        for loss in training.steps():
            (loss / 5).backward()
            if (training.run.step + 1) % 5 == 0:
                training.optimizer.step()
                training.optimizer.zero_grad()


class Adapted(nn.Module):
    """A frozen layer, and the product of two small matrices beside it."""

    def __init__(self, base: nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / rank)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, values: Tensor) -> Tensor:
        return self.base(values) + values @ self.down.T @ self.up.T


def adapting(training: Training) -> None:
    """LoRA: only the adapters are trained."""
    model = training.model.requires_grad_(False)
    with training.run.stream("adapters"):
        for name in ("0", "4"):
            model.set_submodule(name, Adapted(model.get_submodule(name)))
    training.optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.05
    )
    training.run.checkpoint(model=model, optimizer=training.optimizer)
    for _ in training.run.epochs(training.settings.epochs):
        for loss in training.steps():
            training.take(loss)


class Curriculum(torch.utils.data.Sampler[int]):
    """Easy samples first: those with the smallest losses of the epoch before, and more of them each time."""

    def __init__(self, number: int) -> None:
        self.difficulty = torch.zeros(number)
        self.share = 0.5

    def __len__(self) -> int:
        return int(len(self.difficulty) * self.share)

    def __iter__(self) -> Iterator[int]:
        order = torch.argsort(self.difficulty + 1e-3 * torch.rand(len(self.difficulty)), stable=True)
        return iter(order[: len(self)].tolist())

    def state_dict(self) -> dict:
        return {"difficulty": self.difficulty, "share": self.share}

    def load_state_dict(self, state: dict) -> None:
        self.difficulty, self.share = state["difficulty"], state["share"]


def curriculum(training: Training) -> None:
    """A sampler that follows the losses, and that the checkpoint holds."""
    data, run, model = Points(88), training.run, training.model
    sampler = Curriculum(len(data))
    loader = run.loader(data, batch_size=8, sampler=sampler)
    run.checkpoint(model=model, optimizer=training.optimizer, sampler=sampler)
    for epoch in run.epochs(training.settings.epochs):
        for values, labels in run.batches(loader):
            training.take(cross_entropy(model(values), labels))
        model.eval()
        with torch.no_grad():
            losses = [
                cross_entropy(model(values[None]), torch.tensor([label])) for values, label in easy(data)
            ]
        model.train()
        sampler.difficulty, sampler.share = torch.stack(losses), 0.5 + epoch / 4


def easy(data: Points) -> Iterator[tuple[Tensor, int]]:
    """The samples without noise."""
    return zip(torch.from_numpy(data.values), data.labels.tolist(), strict=True)


def by_a_schedule_of_its_own(training: Training) -> None:
    """Warm-up by steps and a decay by epochs, both of torch; and the best loss, in the run's state."""
    run, optimizer = training.run, training.optimizer
    warm_up = LinearLR(optimizer, 0.1, total_iters=9)
    decay = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    run.state.best = float("inf")
    run.checkpoint(model=training.model, optimizer=optimizer, warm_up=warm_up, decay=decay)
    for _ in run.epochs(training.settings.epochs):
        run.state.total = 0.0
        for loss in training.steps():
            training.take(loss)
            warm_up.step()
            run.state.total += loss.item()
        decay.step(run.state.total)
        run.state.best = min(run.state.best, run.state.total)
        run.log(training_best=run.state.best)


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
