"""A small real training that repeats: each fault of the table changes a line or two of it.

    python training.py FOLDER [--bf16] [--resume]

Reads the folder's files in order, augments them in data workers, and trains a network with dropout, batch
normalisation and an embedding by AdamW, with clipping and a schedule.
"""

import os
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

FOLDER, EPOCHS, BATCH, CHECKPOINT = sys.argv[1], 2, 8, "checkpoint.pt"
STOP = 6 if "--stop" in sys.argv else 0


class Pictures(Dataset):
    def __init__(self) -> None:
        self.files = sorted(os.listdir(FOLDER))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        with open(os.path.join(FOLDER, self.files[index]), "rb") as file:
            picture = np.load(file)
        draw = np.random.default_rng([7, int(self.files[index][:3])])
        picture = picture + draw.normal(0, 0.01, picture.shape).astype("f4")
        return (
            torch.from_numpy(picture),
            torch.tensor([int(picture[0, 0, 0] > 0), int(picture[0, 1, 1] > 0) + 2]),
            int(picture[0, 2, 2] > 0),
        )


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
        self.words = nn.Embedding(5, 16)
        self.head = nn.Sequential(nn.Linear(8 * 36 + 16, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 4))

    def forward(self, picture: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.features(picture), self.words(words).sum(1)], 1))


def evaluate(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    with torch.no_grad():
        right = sum(int((model(a, b).argmax(1) == y).sum()) for a, b, y in loader)
    model.train()
    return right / len(loader.dataset)


def train() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(7)
    data = Pictures()
    model = Net()
    order = torch.Generator().manual_seed(7)
    loader = DataLoader(data, BATCH, shuffle=True, generator=order, num_workers=1)
    tests = DataLoader(data, BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    first, step = 0, 0
    if "--resume" in sys.argv:
        saved = torch.load(CHECKPOINT, weights_only=False)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        torch.set_rng_state(saved["torch"])
        order.set_state(saved["order"])
        first, step = saved["epoch"], saved["step"]
    for epoch in range(first, EPOCHS):
        for picture, words, target in loader:
            with torch.autocast("cpu", torch.bfloat16, "--bf16" in sys.argv):
                loss = nn.functional.cross_entropy(model(picture, words), target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
            step += 1
            if step == STOP:
                sys.exit()
        print(f"epoch {epoch} right {evaluate(model, tests):.3f} loss {loss.item():.6f}")
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch + 1,
            "step": step,
        }
        state |= {
            "torch": torch.get_rng_state(),
            "order": order.get_state(),
            "schedule": schedule.state_dict(),
        }
        torch.save(state, CHECKPOINT)


if __name__ == "__main__":
    train()
