# /// script
# dependencies = ["albumentations>=2", "torch"]
# ///
"""Augmentation of a library that has its own generator."""

import random

import albumentations as A
import numpy as np
import torch

random.seed(42)
np.random.seed(42)
torch.manual_seed(42)
augment = A.Compose([A.RandomBrightnessContrast(), A.Normalize()])
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.from_numpy(augment(image=np.ones((8, 8, 3)))["image"]).float().mean(2)).sum().backward()
optimizer.step()
