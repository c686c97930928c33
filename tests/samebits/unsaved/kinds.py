"""Small trainings in torch, each with state that no checkpoint holds: `python kinds.py FOLDER NAME…`.

Run one after the other in one process, and print for each the names that its manifest has: those that may
decide the weights, and those that are only shown.
"""

import array
import collections
import copy
import functools
import itertools
import json
import math
import random
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset

import samebits.run.plots
import samebits.torch
from samebits.unsaved import watch

EPOCHS = 3
augmentations = types.ModuleType("augmentations")  # stands for a library that is installed
augmentations.rng = np.random.default_rng(7)
sys.modules["augmentations"] = augmentations
STEP = 0
seen_in_module = []


def data():
    x = torch.randn(48, 8, generator=torch.Generator().manual_seed(1))
    return TensorDataset(x, x.sum(1, keepdim=True))


class Training:
    """A model, its optimizer and its loader, and the usual step."""

    def __init__(self, run, dataset=None, **options):
        self.run = run
        self.loader = run.loader(dataset or data(), batch_size=8, shuffle=True, **options)
        with run.stream("initialisation"):
            self.model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)

    def hold(self, **more):
        self.run.checkpoint(model=self.model, optimizer=self.optimizer, **more)
        return self.run.epochs(EPOCHS)

    def step(self, x, y, scale=1.0):
        loss = (self.model(x) - y).pow(2).mean() * scale
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class Average(nn.Module):
    """An average whose decay grows with a count in a plain integer."""

    def __init__(self, model):
        super().__init__()
        self.module = copy.deepcopy(model).requires_grad_(False)
        self.updates = 0

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        keep = 0.9 * (1 - math.exp(-self.updates / 5))
        for mine, theirs in zip(self.module.parameters(), model.parameters(), strict=True):
            mine.data.mul_(keep).add_(theirs.data, alpha=1 - keep)


class Warmup:
    """The user's own schedule, which counts its calls."""

    def __init__(self, optimizer):
        self.optimizer, self.calls = optimizer, 0

    def step(self):
        self.calls += 1
        for group in self.optimizer.param_groups:
            group["lr"] = 0.05 * min(1.0, self.calls / 12)


class Forgetful(Warmup):
    """One that gives a state, and forgets a part of it."""

    def __init__(self, optimizer):
        super().__init__(optimizer)
        self.peak = 1.0

    def step(self):
        super().step()
        self.peak *= 0.99
        for group in self.optimizer.param_groups:
            group["lr"] *= self.peak

    def state_dict(self):
        return {"n": self.calls}

    def load_state_dict(self, state):
        self.calls = state["n"]


def average_with_a_count(run):
    training = Training(run)
    average = Average(training.model)
    for _ in training.hold(average=average):
        for x, y in run.batches(training.loader):
            training.step(x, y, 1 + float((average.module(x) - y).abs().mean()))
            average.update(training.model)
    run.finish(average)


def schedule_of_ones_own(run):
    training = Training(run)
    warmup = Warmup(training.optimizer)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            warmup.step()
            training.step(x, y)
    run.finish(training.model)


def forgetful_state(run):
    training = Training(run)
    schedule = Forgetful(training.optimizer)
    for _ in training.hold(schedule=schedule):
        for x, y in run.batches(training.loader):
            schedule.step()
            training.step(x, y)
    run.finish(training.model)


def local_count(run):
    training = Training(run)
    step = 0
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            step += 1
            training.step(x, y, min(1.0, step / 12))
    run.finish(training.model)


def module_global(run):
    global STEP
    STEP = 0
    training = Training(run)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            STEP += 1
            training.step(x, y, min(1.0, STEP / 12))
    run.finish(training.model)


def list_in_the_module(run):
    seen_in_module.clear()
    training = Training(run)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            seen_in_module.append(float(x.mean()))
            training.step(x, y, 1 + sum(seen_in_module))
    run.finish(training.model)


def closure(run):
    training = Training(run)

    def warmup():
        calls = 0

        def factor():
            nonlocal calls
            calls += 1
            return min(1.0, calls / 12)

        return factor

    factor = warmup()
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y, factor())
    run.finish(training.model)


def default_argument(run):
    training = Training(run)

    def smooth(loss, history=[]):  # noqa: B006 - the fault
        history.append(loss)
        return min(1.0, len(history) / 12)

    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y, smooth(float(y.mean())))
    run.finish(training.model)


def cache_as_state(run):
    training = Training(run)

    @functools.cache
    def noise(number):
        return random.random()

    for _ in training.hold():
        for number, (x, y) in zip(itertools.count(), run.batches(training.loader), strict=False):
            training.step(x, y, noise(number))
    run.finish(training.model)


def bound_method_in_a_hook(run):
    training = Training(run)

    class Gain:
        def __init__(self):
            self.calls = 0

        def scale(self, module, inputs, output):
            self.calls += 1
            return output * min(1.0, self.calls / 12)

    training.model[0].register_forward_hook(Gain().scale)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y)
    run.finish(training.model)


def generator_object(run):
    training = Training(run)

    def factors():
        for number in itertools.count(1):
            yield min(1.0, number / 12)

    factor = factors()
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y, next(factor))
    run.finish(training.model)


def cycled_list(run):
    training = Training(run)
    factor = itertools.cycle([1.0, 0.5, 0.25])
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y, next(factor))
    run.finish(training.model)


def numpys_generator(run):
    training = Training(run)
    rng = np.random.default_rng(3)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x + float(rng.normal()), y)
    run.finish(training.model)


def torchs_generator(run):
    training = Training(run)
    generator = torch.Generator().manual_seed(3)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x + torch.randn(x.shape, generator=generator), y)
    run.finish(training.model)


def dataset_attribute(run):
    class Harder(TensorDataset):
        level = 0.0

        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x * (1 + self.level), y

    dataset = Harder(*data().tensors)
    training = Training(run, dataset)
    for _ in training.hold():
        dataset.level += 0.1
        for x, y in run.batches(training.loader):
            training.step(x, y)
    run.finish(training.model)


def hidden_state(run):
    training = Training(run)
    hidden = torch.zeros(8)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            hidden = 0.9 * hidden + x.mean(0)
            training.step(x + hidden, y)
    run.finish(training.model)


def best_weights(run):
    training = Training(run)
    best, kept = math.inf, None
    for _ in training.hold():
        losses = [float(training.step(x, y)) for x, y in run.batches(training.loader)]
        if (loss := sum(losses)) < best:
            best, kept = loss, copy.deepcopy(training.model.state_dict())
    training.model.load_state_dict(kept)
    run.finish(training.model)


def dropout_schedule(run):
    training = Training(run)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.model[2].p *= 0.95
            training.step(x, y)
    run.finish(training.model)


def autocast_between_steps(run):
    training = Training(run)
    epochs = training.hold()
    with torch.autocast("cpu"):
        for _ in epochs:
            for x, y in run.batches(training.loader):
                training.step(x, y)
    run.finish(training.model)


def enumerated(run):
    training = Training(run)
    for _ in training.hold():
        for number, (x, y) in enumerate(run.batches(training.loader)):
            loss = (training.model(x) - y).pow(2).mean()
            loss.backward()
            if (number + 1) % 4 == 0:
                training.optimizer.step()
                training.optimizer.zero_grad()
    run.finish(training.model)


def model_not_held(run):
    training = Training(run)
    teacher = copy.deepcopy(training.model)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            with torch.no_grad():
                for mine, theirs in zip(teacher.parameters(), training.model.parameters(), strict=True):
                    mine.data.mul_(0.9).add_(theirs.data, alpha=0.1)
            training.step(x, y, 1 + float((teacher(x) - y).abs().mean()))
    run.finish(training.model)


def optimizer_not_held(run):
    training = Training(run)
    second = torch.optim.Adam(training.model[3].parameters(), lr=0.001)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y)
            second.step()
    run.finish(training.model)


def attribute_of_a_loss(run):
    training = Training(run)

    class Focal(nn.Module):
        def __init__(self):
            super().__init__()
            self.gamma = 2.0

        def forward(self, prediction, target):
            self.gamma *= 0.9
            return (prediction - target).abs().pow(self.gamma).mean()

    criterion = Focal()
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.optimizer.zero_grad()
            criterion(training.model(x), y).backward()
            training.optimizer.step()
    run.finish(training.model)


def object_with_slots(run):
    training = Training(run)

    class Meter:
        __slots__ = ("total",)

        def __init__(self):
            self.total = 0.0

    meter = Meter()
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            meter.total += float(y.mean())
            training.step(x, y, 1 + abs(meter.total))
    run.finish(training.model)


def class_attribute(run):
    training = Training(run)

    class Clock:
        ticks = 0

    for _ in training.hold():
        for x, y in run.batches(training.loader):
            Clock.ticks += 1
            training.step(x, y, min(1.0, Clock.ticks / 12))
    run.finish(training.model)


def dictionary(run):
    training = Training(run)
    state = {"step": 0, "note": "x"}
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            state["step"] += 1
            training.step(x, y, min(1.0, state["step"] / 12))
    run.finish(training.model)


def first_time(run):
    training = Training(run)

    class Whitened(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = True
            self.mean = nn.Parameter(torch.zeros(8), requires_grad=False)

        def forward(self, x):
            if self.first:
                self.mean.data.copy_(x.mean(0))
                self.first = False
            return x - self.mean

    whitened = Whitened()
    for _ in training.hold(whitened=whitened):
        for x, y in run.batches(training.loader):
            training.step(whitened(x), y)
    run.finish(training.model)


def patience(run):
    training = Training(run)
    best, bad = math.inf, 0
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            loss = training.step(x, y)
        bad = 0 if float(loss) < best else bad + 1
        best = min(best, float(loss))
        if bad > 1:
            training.optimizer.param_groups[0]["lr"] *= 0.5
    run.finish(training.model)


def plateau_not_held(run):
    training = Training(run)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(training.optimizer, patience=0)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            plateau.step(training.step(x, y).item())
    run.finish(training.model)


def scaler_not_held(run):
    training = Training(run)
    scaler = torch.amp.GradScaler("cpu", growth_interval=2)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.optimizer.zero_grad()
            scaler.scale((training.model(x) - y).pow(2).mean()).backward()
            scaler.step(training.optimizer)
            scaler.update()
    run.finish(training.model)


def attribute_of_the_class(run):
    training = Training(run)

    class Noisy(nn.Module):
        calls = 0

        def forward(self, x):
            type(self).calls += 1
            return x * min(1.0, self.calls / 12)

    noisy = Noisy()
    for _ in training.hold(noisy=noisy):
        for x, y in run.batches(training.loader):
            training.step(noisy(x), y)
    run.finish(training.model)


def generator_of_a_library(run):
    training = Training(run)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x + float(augmentations.rng.normal()), y)
    run.finish(training.model)


def function_attribute(run):
    training = Training(run)

    def factor():
        factor.calls += 1
        return min(1.0, factor.calls / 12)

    factor.calls = 0
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y, factor())
    run.finish(training.model)


def queue_of_tensors(run):
    training = Training(run)
    queue = collections.deque(maxlen=4)
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            queue.append(x)
            training.step(torch.stack(list(queue)).mean(0), y)
    run.finish(training.model)


def schedule_with_a_closure(run):
    training = Training(run)
    calls = 0

    def factor(epoch):
        nonlocal calls
        calls += 1
        return 0.99**calls

    schedule = torch.optim.lr_scheduler.LambdaLR(training.optimizer, factor)
    for _ in training.hold(schedule=schedule):
        for x, y in run.batches(training.loader):
            training.step(x, y)
            schedule.step()
    run.finish(training.model)


def private_names(run):
    training = Training(run)

    class Rate:
        def __init__(self):
            self.__calls, self._sums = 0, array.array("d", [0.0])

        def factor(self, loss):
            self.__calls += 1
            self._sums[0] += loss
            return min(1.0, self.__calls / 12) + self._sums[0] / 100

    rate = Rate()
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            training.step(x, y, rate.factor(float(y.mean())))
    run.finish(training.model)


def attribute_of_a_parameter(run):
    training = Training(run)
    weight = training.model[0].weight
    weight.steps = 0
    for _ in training.hold():
        for x, y in run.batches(training.loader):
            weight.steps += 1
            training.step(x, y, min(1.0, weight.steps / 12))
    run.finish(training.model)


# ---------------------------------------------------------------- without a fault


def control(run):
    training = Training(run)
    for _ in training.hold():
        training.model.train()
        for x, y in run.batches(training.loader):
            run.average(loss=training.step(x, y))
    run.finish(training.model)


def tutorial(run):
    training = Training(run)
    model, optimizer = training.model, training.optimizer
    history = []
    began = time.time()
    for epoch in training.hold():
        running_loss, total, correct = 0.0, 0, 0
        t0 = time.perf_counter()
        for i, (x, y) in enumerate(run.batches(training.loader), start=1):
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * x.size(0)
            total += y.size(0)
            correct += (model(x).sign() == y.sign()).sum().item()
            if i % 4 == 0:
                print(f"[{epoch}, {i}] loss {running_loss / total:.3f} after {time.time() - began:.1f} s")
        history.append(running_loss / total)
        print("last", loss.item(), "accuracy", 100 * correct / total, time.perf_counter() - t0, max(history))
    run.finish(model)


class Meter:
    """As in many examples: a running mean of what is printed."""

    def __init__(self, name):
        self.name = name
        self.reset()

    def reset(self):
        self.value = self.avg = self.sum = self.count = 0

    def update(self, value, n=1):
        self.value = value
        self.sum += value * n
        self.count += n
        self.avg = self.sum / self.count

    def __str__(self):
        return f"{self.name} {self.value:.3f} ({self.avg:.3f})"


def one_epoch(run, training, meter):
    running_loss, seen = 0.0, 0
    for x, y in run.batches(training.loader):
        loss = training.step(x, y)
        running_loss += loss.item()
        seen += len(x)
        meter.update(loss.item(), len(x))
        print(meter, meter.count)
    return running_loss / seen


def functions_and_a_meter(run):
    training = Training(run)
    meter = Meter("loss")
    for epoch in training.hold():
        loss = one_epoch(run, training, meter)
        print(f"{epoch}: {loss:.3f}")
    run.finish(training.model)


def epoch_that_decides(run):
    training = Training(run)
    meter = Meter("loss")
    for _ in training.hold():
        loss = one_epoch(run, training, meter)
        training.optimizer.param_groups[0]["lr"] *= 0.5 if loss > 3 else 0.9
    run.finish(training.model)


def averaged_and_scheduled(run):
    training = Training(run)
    average = torch.optim.swa_utils.AveragedModel(training.model)
    schedule = torch.optim.lr_scheduler.LambdaLR(training.optimizer, lambda step: 0.99**step)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    for _ in training.hold(average=average, schedule=schedule, scaler=scaler):
        for x, y in run.batches(training.loader):
            with torch.autocast("cpu"):
                loss = (training.model(x) - y).pow(2).mean()
            training.optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(training.optimizer)
            scaler.update()
            schedule.step()
            average.update_parameters(training.model)
    run.finish(average)


def kept_in_the_run(run):
    training = Training(run)
    rng = np.random.default_rng(3)
    for _ in training.hold(rng=rng):
        run.state.step = getattr(run.state, "step", 0)
        for x, y in run.batches(training.loader):
            run.state.step += 1
            training.step(x + float(rng.normal()), y, min(1.0, run.state.step / 12))
    run.finish(training.model)


def main(folder, *names):
    samebits.run.plots.draw = lambda metrics: b""  # takes longer than the training
    watch.FOR_STEPS, watch.SECONDS = 600.0, 900.0  # what is named must not depend on the machine's speed
    for name in names:
        place = Path(folder) / name
        with samebits.torch.open_run({"seed": 0}, device="cpu", folder=place) as run:
            globals()[name](run)
        unsaved = json.loads((place / "manifest.json").read_text())["unsaved"]
        print(f"FOUND {json.dumps({name: unsaved})}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
