"""A small convnet tells circles from squares and crosses: pictures from a folder, workers, augmentation."""

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--evaluate-every", type=int, default=1)
args = parser.parse_args()
KEPT_FOR_EVALUATION = 8
MEAN, DEVIATION = 0.1307, 0.3081


class Pictures(Dataset):
    def __init__(self, files, names, train):
        self.images = [np.load(file) for file in files]
        self.targets = [names.index(file.stem.split("_")[1]) for file in files]
        self.train = train

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = torch.from_numpy(self.images[index])
        if self.train:
            if random.random() < 0.5:
                image = image.flip(-1)
            image = image + 0.05 * torch.randn(image.shape)
        image = (image - MEAN) / DEVIATION
        return image, self.targets[index]


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.head = nn.Linear(16 * 3 * 3, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.first(x))), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.head(self.dropout(x.flatten(1)))


def evaluate(model, loader):
    model.eval()
    right = count = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()
            count += len(y)
    model.train()
    return right / count


def main():
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    files = sorted(args.folder.glob("*.npy"))
    names = sorted({file.stem.split("_")[1] for file in files})
    train = Pictures(files[KEPT_FOR_EVALUATION:], names, train=True)
    held = Pictures(files[:KEPT_FOR_EVALUATION], names, train=False)
    loader = DataLoader(train, args.batch_size, shuffle=True, num_workers=args.workers)
    held_loader = DataLoader(held, args.batch_size)
    model = Net(len(names))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for epoch in range(1, args.epochs + 1):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
        schedule.step()
        if epoch % args.evaluate_every == 0:
            print(f"epoch {epoch}: {evaluate(model, held_loader):.3f} of the held pictures are right")
    print(f"last loss {loss.item():.9f}")


if __name__ == "__main__":
    main()
