"""Train a small convolutional network on handwritten digits, with PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

import samebits
import samebits.torch

from .data import Split, augment, load_digits
from .model_torch import Net
from .settings import Settings


class Digits(Dataset[tuple[torch.Tensor, int]]):
    """A split as PyTorch wants it; samebits' loader hands each sample a generator of its own, `rng`."""

    def __init__(self, split: Split, augmented: bool = False) -> None:
        self.split, self.augmented = split, augmented

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(  # type: ignore[override]
        self, index: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, int]:
        image = self.split.images[index]
        if self.augmented:
            image = augment(image, rng)
        return torch.from_numpy(image).permute(2, 0, 1), int(self.split.labels[index])


def train(settings: Settings) -> None:
    device = samebits.torch.choose_device(settings.device)
    samebits.torch.make_deterministic()
    samebits.seed_everything(settings.seed)
    train_split, test_split = load_digits(settings.data)

    with samebits.open_run(settings, framework="torch", device=device) as run:
        train_loader = samebits.torch.loader(
            Digits(train_split, augmented=True),
            seed=settings.seed,
            batch_size=settings.batch_size,
            shuffle=True,
            num_workers=settings.workers,
        )
        test_loader = samebits.torch.loader(
            Digits(test_split), seed=settings.seed, name="test", batch_size=256, num_workers=settings.workers
        )

        with run.stream("initialisation"):
            model = Net(settings.dropout).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)

        run.checkpoint(model=model, optimizer=optimizer)  # an interrupted run resumes where it was
        for epoch in run.epochs(settings.epochs):
            model.train()
            for images, labels in run.batches(train_loader):
                images, labels = images.to(device), labels.to(device)
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                run.log(loss=loss)
            metrics = {}
            if epoch in settings.evaluated_epochs():
                with samebits.isolated_rng():
                    metrics["val_accuracy"] = evaluate(model, test_loader, device)
            run.log(**metrics)
        run.finish(model)


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: DataLoader, device: str) -> float:
    """The share of test samples that the model gets right."""
    model.eval()
    right = sum(int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in loader)
    return right / len(loader.dataset)  # type: ignore[arg-type]


if __name__ == "__main__":
    samebits.main(train, Settings)
