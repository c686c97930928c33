"""Reads shuffled samples in several ways, and prints those that each step was trained with."""

import itertools
import json
import random

import torch
from torch.utils.data import DataLoader, Dataset


class Numbers(Dataset):
    """A sample is its index and something that is drawn anew each time."""

    def __init__(self, names=None):
        self.names = names

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return (index if self.names is None else self.names.index(index)), random.random()


class Names(torch.utils.data.Sampler):
    def __iter__(self):
        return iter("fbd")


def train(loader, zero=lambda optimizer: optimizer.zero_grad(), ahead=False):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    used = []
    for _ in range(2):
        batches = iter(loader)
        waiting = [next(batches)] if ahead else []
        while True:
            waiting += itertools.islice(batches, 1)
            if not waiting:
                break
            numbers, values = waiting.pop(0)
            zero(optimizer)
            model(torch.as_tensor(values).float().reshape(-1, 1)).sum().backward()
            optimizer.step()
            used.append([torch.as_tensor(numbers).reshape(-1).tolist()])
        with torch.no_grad():
            for _, values in loader:
                model(torch.as_tensor(values).float().reshape(-1, 1))
    print(json.dumps(used), flush=True)


def none(optimizer):
    """Nothing is set to zero."""


def zeros(optimizer):
    optimizer.zero_grad(set_to_none=False)


if __name__ == "__main__":
    torch.manual_seed(0)
    train(DataLoader(Numbers(), 4, shuffle=True))
    train(DataLoader(Numbers(), 4, shuffle=True), none)
    train(DataLoader(Numbers(), 4), zeros)
    train(DataLoader(Numbers("abcdef"), sampler=Names(), batch_size=None))
    workers = {"num_workers": 2, "multiprocessing_context": "fork"}
    train(DataLoader(Numbers(), 4, shuffle=True, persistent_workers=True, **workers))
    train(DataLoader(Numbers(), 4, shuffle=True, prefetch_factor=1, **workers))
    train(DataLoader(Numbers(), 4, shuffle=True), ahead=True)
