"""Small trainings whose held objects remember numbers and tensors: `python remembering.py PHASES`.

PHASES is JSON, a list of tables with `folder`, `names` and `variables`. Each phase is a process of its own,
forked from one that has imported torch. Prints for each training its weights' hash and what its last process
restored, or the line by which it is refused.
"""

import collections
import copy
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import Sampler, TensorDataset

import samebits.run.plots
import samebits.torch


def data():
    x = torch.randn(48, 4, generator=torch.Generator().manual_seed(1))
    return TensorDataset(x, x.sum(1, keepdim=True), torch.arange(48))


def train(run, model, step, dataset=None, head=lambda epoch: None, tail=lambda: None, held=None, **options):
    """`step` makes the loss of a batch and its samples' numbers."""
    loader = run.loader(dataset or data(), batch_size=8, **{"shuffle": not options, **options})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    run.checkpoint(model=model, optimizer=optimizer, **(held or {}))
    for epoch in run.epochs(3):
        head(epoch)
        for x, y, numbers in run.batches(loader):
            optimizer.zero_grad()
            step(x, y, numbers).backward()
            optimizer.step()
        tail()
    run.finish(model)


def small():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))


def squares(model):
    return lambda x, y, numbers: (model(x) - y).pow(2).mean()


class Alternating(nn.Module):
    """Every third call goes through the other layer."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.calls = nn.Linear(4, 1), nn.Linear(4, 1), 0

    def forward(self, x):
        self.calls += 1
        return self.first(x) if self.calls % 3 else self.second(x)


def alternating_layers(run):
    model = Alternating()
    train(run, model, squares(model))


class Weighted:
    """A loss whose weights follow the errors."""

    def __init__(self):
        self.weights = torch.ones(8, 1)

    def __call__(self, prediction, y):
        errors = (prediction - y).pow(2)
        self.weights.mul_(0.9).add_(errors.detach(), alpha=0.1)
        return (errors * self.weights).mean()


def running_weights(run):
    model, criterion = small(), Weighted()
    train(run, model, lambda x, y, _: criterion(model(x), y), held={"criterion": criterion})


class Shares:
    def __init__(self, weights):
        self.weights = weights


def shared_tensor(run):
    """Only one of the two objects changes it, and both read it."""
    model, criterion = small(), Weighted()
    reader = Shares(criterion.weights)

    def step(x, y, _):
        return criterion(model(x), y) * reader.weights.mean()

    train(run, model, step, held={"criterion": criterion, "reader": reader})


def no_longer_shared(run):
    """The training puts another tensor in its place; the other object keeps the first."""
    model, mine = small(), Shares(torch.ones(8, 1))
    other = Shares(mine.weights)

    def step(x, y, _):
        mine.weights = mine.weights * 0.9
        other.weights.mul_(1.05)
        return ((model(x) - y).pow(2) * (mine.weights + other.weights)).mean()

    train(run, model, step, held={"mine": mine, "other": other})


class Hardest(Sampler):
    """The samples by their difficulty, which each step changes."""

    def __init__(self, number):
        self.difficulties = [float(at % 7) for at in range(number)]

    def __len__(self):
        return len(self.difficulties)

    def __iter__(self):
        return iter(sorted(range(len(self)), key=lambda at: (self.difficulties[at], at)))


def difficulties(run):
    model, sampler = small(), Hardest(48)

    def step(x, y, numbers):
        errors = (model(x) - y).pow(2)
        for at, error in zip(numbers.tolist(), errors.detach().flatten().tolist(), strict=True):
            sampler.difficulties[at] += error * (at % 5)
        return errors.mean()

    train(run, model, step, sampler=sampler)


class Best:
    """Keeps the weights of the best step in memory, and goes back to them at an epoch's end."""

    def __init__(self, model):
        self.model, self.score, self.weights = model, None, None

    def after(self, score):
        if self.score is None or score > self.score:
            self.score, self.weights = score, copy.deepcopy(self.model.state_dict())

    def go_back(self):
        self.model.load_state_dict(self.weights)


def best_weights(run):
    model = small()
    best = Best(model)

    def step(x, y, numbers):
        loss = squares(model)(x, y, numbers)
        best.after(loss.item())  # the largest is an early one: a process that lost it has another
        return loss

    train(run, model, step, tail=best.go_back, held={"best": best})


class Everything:
    def __init__(self):
        self.queue = collections.deque([1.0], maxlen=3)
        self.hidden = (torch.zeros(8, 1), torch.zeros(8, 1))
        self.table = {"a": [0, 1.5], 3: {"b": torch.zeros(2)}}
        self.array = np.zeros(4)
        self.number = np.float64(1.0)
        self.counts = collections.defaultdict(int)
        self.phases = collections.OrderedDict(one=0.1)
        self.gone = 5
        self.unknown = None

    def step(self, loss):
        self.queue.append(loss)
        self.hidden = (self.hidden[0] * 0.5 + loss, self.hidden[1] + 0.01)
        self.table["a"][0] += 1
        self.table[3]["b"] += loss
        self.array += loss
        self.number = self.number * 1.01
        self.counts[len(self.queue)] += 1
        self.phases[str(self.table["a"][0])] = loss
        self.phases.move_to_end("one")
        vars(self).pop("gone", None)
        self.unknown = torch.tensor([loss])
        self.new = self.unknown

    def factor(self):
        parts = [
            sum(self.queue),
            float(self.hidden[0].mean() + self.hidden[1].mean()),
            self.table["a"][0] + float(self.table[3]["b"].sum()),
            float(self.array.sum()) * float(self.number),
            sum(number * count for number, count in self.counts.items()),
            sum(at * value for at, value in enumerate(self.phases.values())),
            getattr(self, "gone", 0),
            float(self.unknown.sum()) if self.unknown is not None else 7.0,
        ]
        return 1 + sum(number * part for number, part in enumerate(parts, 1)) / 1000


def everything(run):
    model, memory = small(), Everything()

    def step(x, y, numbers):
        loss = squares(model)(x, y, numbers)
        memory.step(loss.item())
        if getattr(memory, "new", None) is memory.unknown:  # one tensor, also after a resume
            memory.new.add_(0.5)
        return loss * memory.factor()

    train(run, model, step, held={"memory": memory})


class Warmup:
    def __init__(self):
        self.__calls = 0

    def factor(self):
        self.__calls += 1
        return min(1.0, self.__calls / 15)


def object_in_a_module(run):
    model = small()
    model.warmup = [Warmup()]
    train(run, model, lambda x, y, n: squares(model)(x, y, n) * model.warmup[0].factor())


def rate_of_dropout(run):
    model = small()

    def step(x, y, numbers):
        model[2].p *= 0.9
        return squares(model)(x, y, numbers)

    train(run, model, step)


class Harder(TensorDataset):
    level = 0.0

    def __getitem__(self, index):
        x, y, number = super().__getitem__(index)
        return x * (1 + self.level), y, number


def level_of_a_dataset(run):
    """Code at each epoch's head adds to it, so it runs once more in an epoch that is resumed."""
    model, dataset = small(), Harder(*data().tensors)
    dataset.level = 0.1

    def head(epoch):
        dataset.level += 0.1

    def step(x, y, numbers):
        dataset.level += 0.01
        return squares(model)(x, y, numbers)

    train(run, model, step, dataset, head)


class HalfSaved:
    """Has a state, and forgets a part of it."""

    def __init__(self):
        self.calls, self.peak = 0, 1.0

    def factor(self):
        self.calls += 1
        self.peak *= 0.95
        return self.peak * min(1, self.calls / 10)

    def state_dict(self):
        return {"n": self.calls}

    def load_state_dict(self, state):
        self.calls = state["n"]


def forgetful_state(run):
    model, schedule = small(), HalfSaved()
    train(
        run,
        model,
        lambda x, y, n: squares(model)(x, y, n) * schedule.factor(),
        held={"schedule": schedule},
    )


# ---------------------------------------------------------------- right without it, and with it


class Planned(nn.Module):
    """Makes a plan in its first call: the flag alone would be a fault."""

    def __init__(self):
        super().__init__()
        self.layer, self.planned, self.calls, self.last = nn.Linear(4, 1), False, 0, 0.0

    def forward(self, x):
        if not self.planned:
            self.plan, self.planned = lambda value: value * 2, True
        self.calls += 1
        self.last = time.time()
        return self.plan(self.layer(x))


def plan_and_flag(run):
    model = Planned()
    train(run, model, squares(model))


class Timed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.began, self.spent = nn.Linear(4, 1), time.perf_counter(), 0.0

    def forward(self, x):
        now = time.perf_counter()
        self.spent += now - self.began
        self.began = now
        if self.spent > 1e6:  # so that it is not only shown
            raise TimeoutError
        return self.layer(x)


def clock_in_a_module(run):
    model = Timed()
    train(run, model, squares(model))


# ---------------------------------------------------------------- what a setting decides


class Budget:
    def __init__(self):
        self.left = int(os.environ.get("BUDGET", "100"))

    def factor(self):
        self.left -= 1
        return 1.0 + self.left / 100


class Cached(TensorDataset):
    """Keeps what it has read: data, which no checkpoint needs, and a level beside it."""

    def __init__(self, *tensors):
        super().__init__(*tensors)
        self.read = {}

    def __getitem__(self, index):
        if index not in self.read:
            self.read[index] = super().__getitem__(index)
        return self.read[index]


def cache_of_a_dataset(run):
    model = small()
    train(run, model, squares(model), Cached(*data().tensors))


class Losses:
    def __init__(self):
        self.all = [0.5] * 300

    def factor(self, loss):
        self.all.append(loss)
        return sum(self.all) / len(self.all)


def long_list(run):
    model, losses = small(), Losses()

    def step(x, y, numbers):
        loss = squares(model)(x, y, numbers)
        return loss * losses.factor(loss.item())

    train(run, model, step, held={"losses": losses})


def budget(run):
    model, own = small(), Budget()
    train(run, model, lambda x, y, n: squares(model)(x, y, n) * own.factor(), held={"own": own})


def budget_inside(run):
    """In an object that a held one has, and that is not held itself."""
    model = small()
    model.inside = Budget()
    train(run, model, lambda x, y, n: squares(model)(x, y, n) * model.inside.factor())


def ignored_budget(run):
    run.checkpoint("own.left", affects_weights=False)
    budget(run)


def phase(number, folder, names, variables):
    os.environ.update(variables)
    samebits.run.plots.draw = lambda metrics: b""  # takes longer than the training
    for name in names:
        place, result = Path(folder) / name, {}
        try:
            with samebits.torch.open_run({"seed": 0}, device="cpu", folder=place) as run:
                globals()[name](run)
        except SystemExit:
            result = {"stopped": True}
        except samebits.UsageError as error:
            result = {"refused": str(error)}
        else:
            manifest = json.loads((place / "manifest.json").read_text())
            restored = manifest["chain"][-1].get("restored", [])
            unsaved = [row["name"] for row in manifest["unsaved"]]
            result = {"sha256": manifest["weights_sha256"], "restored": restored, "unsaved": unsaved}
        print(f"TRAINED {json.dumps([number, name, result])}", flush=True)


def main(phases):
    for number, each in enumerate(json.loads(phases)):
        if (pid := os.fork()) == 0:
            phase(number, **each)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status:
            sys.exit(f"phase {number} ended with status {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
