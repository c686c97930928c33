"""Transforms of MONAI in a loader of torch; the script seeds everything that it knows."""

import lightning
from monai.transforms import Compose, RandGaussianNoised
from torch.utils.data import DataLoader

lightning.seed_everything(42)
transform = Compose([RandGaussianNoised(["image"], prob=1.0)])
loader = DataLoader([transform({"image": 1.0})])
trainer = lightning.Trainer()
trainer.fit(lightning.LightningModule(), loader)
