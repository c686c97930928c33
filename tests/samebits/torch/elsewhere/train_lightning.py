"""Train with a Lightning Trainer."""

from typing import Any

import lightning
import torch
import torch.nn.functional as F
import torchmetrics
from lightning.pytorch.callbacks import EarlyStopping
from task import Killer, Points, Settings, die, die_before_finish, network

import samebits
import samebits.torch
from samebits.run.run import Run
from samebits.torch.lightning import Resume


class Module(lightning.LightningModule):
    def __init__(self, settings: Settings, run: Run) -> None:
        super().__init__()
        self.die = lambda: die(settings, run, f"after step {run.step}")  # which deepcopy leaves alone
        self.network = network()
        self.accuracy = torchmetrics.Accuracy("multiclass", num_classes=3)
        self.kill = Killer(settings.kill_at)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        self.kill()
        scores = self.network(batch[0])
        self.accuracy(scores, batch[1])
        loss = F.cross_entropy(scores, batch[1])
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def on_train_epoch_end(self) -> None:
        self.accuracies = (*getattr(self, "accuracies", ()), float(self.accuracy.compute()))
        self.accuracy.reset()

    def validation_step(self, batch: Any, index: int) -> None:
        self.die()
        torch.rand(3)  # which the training must not notice
        self.log("val_loss", F.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.02, total_steps=int(self.trainer.estimated_stepping_batches)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def train(settings: Settings) -> None:
    with samebits.torch.open_run(settings, device="cpu") as run:
        train_loader = run.loader(Points(100), batch_size=settings.batch_size, shuffle=True)
        test_loader = run.loader(Points(40), name="test", batch_size=40)
        with run.stream("initialisation"):
            module = Module(settings, run)
        die_before_finish(settings, run)
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=settings.epochs,
            accumulate_grad_batches=2,
            gradient_clip_val=1.0,
            check_val_every_n_epoch=settings.evaluate_every,
            callbacks=[Resume(run), EarlyStopping("loss", patience=2)],
            logger=False,
            enable_checkpointing=False,
        )
        trainer.fit(module, train_loader, test_loader)
        run.finish(module.network)


if __name__ == "__main__":
    samebits.main(train, Settings)
