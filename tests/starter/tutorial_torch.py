"""Train a small convolutional network on handwritten digits, with PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from .data import Split, augment, load_digits
from .model_torch import Net
from .settings import Settings

Sample = tuple[torch.Tensor, int]


class Digits(Dataset[Sample]):
    """A split as PyTorch wants it."""

    def __init__(self, split: Split, augmented: bool = False) -> None:
        self.split, self.augmented = split, augmented
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(self, index: int) -> Sample:
        image = self.split.images[index]
        if self.augmented:
            image = augment(image, self.rng)
        return torch.from_numpy(image).permute(2, 0, 1), int(self.split.labels[index])


def train(settings: Settings) -> None:
    torch.manual_seed(settings.seed)
    train_split, test_split = load_digits(settings.data)

    train_loader = DataLoader(
        Digits(train_split, augmented=True),
        batch_size=settings.batch_size,
        shuffle=True,
        num_workers=settings.workers,
    )
    test_loader = DataLoader(Digits(test_split), batch_size=256)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Net(settings.dropout).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)

    for epoch in range(1, settings.epochs + 1):
        model.train()
        for images, labels in train_loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}  loss {loss.item():.4f}  accuracy {evaluate(model, test_loader, device):.4f}")
    torch.save(model.state_dict(), "weights.pt")


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: DataLoader, device: str) -> float:
    """The share of test samples that the model gets right."""
    model.eval()
    right = sum(int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in loader)
    return right / len(loader.dataset)  # type: ignore[arg-type]


if __name__ == "__main__":
    train(Settings())
