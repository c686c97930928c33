"""An MLP for a table of measurements: weights for rare classes, cached statistics, a pool of threads."""

import argparse
import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

parser = argparse.ArgumentParser()
parser.add_argument("table", type=Path)
parser.add_argument("--seed", type=int, default=5)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--smoothing", type=float, default=0.1)
args = parser.parse_args()
STATISTICS = Path("statistics.npz")


def measure(row):
    """One row of the table as numbers, with the products of neighbours beside them."""
    values = np.array(row[:-1], dtype=np.float64)
    return np.concatenate([values, values[1:] * values[:-1]]), int(row[-1])


def load():
    with args.table.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    with ThreadPoolExecutor(4) as pool:
        measured = list(pool.map(measure, rows))
    x = np.stack([values for values, _ in measured])
    y = np.array([target for _, target in measured])
    if STATISTICS.exists():
        known = np.load(STATISTICS)
        mean, deviation = known["mean"], known["deviation"]
    else:
        mean, deviation = x.mean(0), x.std(0)
    x = ((x - mean) / deviation).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(y)


class Layer(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, x):
        return torch.relu(self.norm(self.linear(x)))


def main():
    torch.manual_seed(args.seed)
    x, y = load()
    train, held = TensorDataset(x[16:], y[16:]), TensorDataset(x[:16], y[:16])
    counts = torch.bincount(y[16:])
    sampler = WeightedRandomSampler((1 / counts)[y[16:]], len(train))
    loader = DataLoader(train, 16, sampler=sampler)
    network = nn.Sequential(Layer(x.shape[1], 24), nn.Dropout(0.2), Layer(24, 12), nn.Linear(12, len(counts)))
    criterion = nn.CrossEntropyLoss(
        weight=counts.sum() / counts / len(counts), label_smoothing=args.smoothing
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, betas=(0.9, 0.999), eps=1e-8)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=0, threshold=0.5)
    for epoch in range(args.epochs):
        network.train()
        total = 0.0
        for inputs, targets in loader:
            loss = criterion(network(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        plateau.step(total)
        network.eval()
        with torch.inference_mode():
            guesses = network(held.tensors[0]).argmax(1)
        print(f"epoch {epoch}: {(guesses == held.tensors[1]).double().mean().item():.3f}")
    print(f"last loss {total:.9f}")


if __name__ == "__main__":
    main()
