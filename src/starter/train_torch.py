"""Train a small convolutional network on handwritten digits, with PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

import samebits.torch

from .data import Split, augment, load_digits
from .model_torch import Net
from .settings import Settings

Sample = tuple[torch.Tensor, int]


class Digits(Dataset[Sample]):
    """A split as PyTorch wants it."""

    def __init__(self, split: Split, augmented: bool = False) -> None:
        self.split, self.augmented = split, augmented

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(self, index: int, rng: np.random.Generator) -> Sample:  # type: ignore[override]
        image = self.split.images[index]
        if self.augmented:
            image = augment(image, rng)  # the sample's own generator
        return torch.from_numpy(image).permute(2, 0, 1), int(self.split.labels[index])


def train(settings: Settings) -> None:
    train_split, test_split = load_digits(settings.data)

    with samebits.torch.open_run(settings) as run:
        train_loader = run.loader(
            Digits(train_split, augmented=True),
            batch_size=settings.batch_size,
            shuffle=True,
            num_workers=settings.workers,
        )
        test_loader = run.loader(Digits(test_split), name="test", batch_size=256)

        device = run.device
        with run.stream("initialisation"):
            model = Net(settings.dropout).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)

        run.checkpoint(model=model, optimizer=optimizer)  # an interrupted run resumes where it was
        for _ in run.epochs(settings.epochs):
            model.train()
            for images, labels in run.batches(train_loader):
                images, labels = images.to(device), labels.to(device)
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                run.average(loss=loss)
            run.log(val_accuracy=lambda: evaluate(model, test_loader, device))
        run.finish(model)


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: DataLoader, device: str) -> float:
    """The share of test samples that the model gets right."""
    model.eval()
    right = sum(int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in loader)
    return right / len(loader.dataset)  # type: ignore[arg-type]


if __name__ == "__main__":
    samebits.main(train, Settings)
