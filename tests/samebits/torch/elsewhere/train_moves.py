"""One small training, and others that each draw once more at one place; knows nothing of samebits.

Each is computed in a process of its own; prints its name and the process's number.
"""

import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

VARIANTS = ("plain", "peek", "noise", "augment", "more loaders", "numpy", "cut", "cached")


class Numbers(Dataset):
    def __init__(self, variant):
        self.variant, self.given = variant, 0

    def __len__(self):
        return 16

    def __getitem__(self, at):
        self.given += 1
        if self.variant == "augment" and self.given == 20:
            torch.rand(1)  # augments once more
        return torch.full((4,), float(at)) + torch.rand(4)


def evaluate(model, variant):
    model.eval()
    with torch.no_grad():
        for _ in range(2 if variant == "more loaders" else 1):
            batches = list(DataLoader(torch.ones(4, 4), 2))
        for inputs in batches:
            model(inputs)
    model.train()


def train(variant):
    torch.manual_seed(1)
    np.random.seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = DataLoader(Numbers(variant), 4, shuffle=True)
    if variant == "cached":
        loader = list(loader)
    step = 0
    for epoch in range(3):
        for inputs in loader:
            step += 1
            if variant == "noise" and step == 6:
                torch.randn(3)  # more noise
            scale = np.random.uniform(0.9, 1.1, 2 if variant == "numpy" and step == 7 else 1)[0]
            loss = model(inputs * float(scale)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if variant == "cut" and epoch == 1:
                break
        evaluate(model, variant)
        if variant == "peek" and epoch == 1:
            iter(loader)  # looks at a batch


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in VARIANTS:
        if (child := os.fork()) == 0:
            train(each)
            os._exit(0)
        os.waitpid(child, 0)
        print(each, child, sep=":", flush=True)
