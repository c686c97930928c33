"""The starter's training without samebits: what `make bench` measures it against.

The same data, network, sizes, augmentation, evaluation, weights file and picture, written as PyTorch's
tutorials write them. Nothing protects it: another number of threads or workers gives other bits.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from safetensors.torch import save_file
from torch.utils.data import DataLoader, Dataset

from starter.data import Split, augment, load_digits
from starter.model_torch import Net


class Digits(Dataset[tuple[torch.Tensor, int]]):
    """A split that draws its augmentation from one generator."""

    def __init__(self, split: Split, augmented: bool = False) -> None:
        self.split, self.augmented = split, augmented
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.split.images[index]
        if self.augmented:
            image = augment(image, self.rng)
        return torch.from_numpy(image).permute(2, 0, 1), int(self.split.labels[index])


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: DataLoader) -> float:
    model.eval()
    return sum(int((model(x).argmax(1) == y).sum()) for x, y in loader) / len(loader.dataset)  # type: ignore[arg-type]


def main(epochs: int, folder: str) -> None:
    torch.manual_seed(0)
    train_split, test_split = load_digits()
    train_loader = DataLoader(Digits(train_split, augmented=True), batch_size=64, shuffle=True)
    test_loader = DataLoader(Digits(test_split), batch_size=256)
    model = Net(0.3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for epoch in range(1, epochs + 1):
        model.train()
        losses = []
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        history.append((torch.stack(losses).mean().item(), evaluate(model, test_loader)))
        print(f"epoch {epoch}  loss {history[-1][0]:.4f}  accuracy {history[-1][1]:.4f}")
    save_file(model.state_dict(), f"{folder}/weights.safetensors")
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for position, values in enumerate(zip(*history, strict=True), start=1):
        figure.add_subplot(1, 2, position).plot(values)
    with open(f"{folder}/curves.png", "wb") as file:
        FigureCanvasAgg(figure).print_png(file)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
