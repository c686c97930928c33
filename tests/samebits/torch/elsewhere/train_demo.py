"""Train demonstrations that come with Lightning: the model of its bug reports, and a Transformer."""

from dataclasses import dataclass

import lightning
import torch
from lightning.pytorch.demos import Transformer
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
from task import Settings as Usual
from torch.nn.functional import nll_loss

import samebits
import samebits.torch
from samebits import option
from samebits.run import plots
from samebits.torch.lightning import Resume

plots.draw = lambda metrics: b""  # which takes seconds


@dataclass(frozen=True)
class Settings(Usual):
    model: str = option("boring", "boring or language")


class Words(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 48

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        words = torch.randint(30, (9,))
        return words[:-1], words[1:]


class Language(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = Transformer(vocab_size=30, ninp=16, nhead=2, nhid=16, nlayers=1, dropout=0.2)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        loss = nll_loss(self.model(*batch), batch[1].view(-1))
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)


def train(settings: Settings) -> None:
    with samebits.torch.open_run(settings, device="cpu") as run:
        with run.stream("data"):
            data = RandomDataset(32, 48) if settings.model == "boring" else Words()
        loader = run.loader(data, batch_size=settings.batch_size, shuffle=True)
        with run.stream("initialisation"):
            module = BoringModel() if settings.model == "boring" else Language()
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=settings.epochs,
            callbacks=[Resume(run)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
        trainer.fit(module, loader)
        run.finish(module)


if __name__ == "__main__":
    samebits.main(train, Settings)
