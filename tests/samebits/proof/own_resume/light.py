"""A training with Lightning's Trainer, which saves .ckpt files. Knows nothing of samebits."""

import argparse

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val_loss", nn.functional.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]


parser = argparse.ArgumentParser()
parser.add_argument("--ckpt-path")
parser.add_argument("--shuffle", action="store_true")
parser.add_argument("--weights-only", action="store_true")
args = parser.parse_args()
lightning.seed_everything(1)
inputs = torch.randn(40, 4)
data = TensorDataset(inputs, (inputs.sum(1) > 0).long())
trainer = lightning.Trainer(
    accelerator="cpu",
    max_epochs=3,
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    callbacks=[
        ModelCheckpoint("out", save_weights_only=args.weights_only, save_top_k=-1),
        EarlyStopping("val_loss"),
    ],
)
loader = DataLoader(data, batch_size=10, shuffle=args.shuffle)
trainer.fit(Module(), loader, DataLoader(data, batch_size=20), ckpt_path=args.ckpt_path)
