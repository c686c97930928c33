# /// script
# dependencies = ["albumentations>=2", "torch"]
# ///
"""Augmentation that can be replayed, and has no way to give a seed."""

import albumentations as A
import torch

torch.manual_seed(0)
augment = A.ReplayCompose([A.OneOf([A.MotionBlur(), A.GaussNoise()]), A.HorizontalFlip()])


def step(model, optimizer, image):
    model(augment(image=image)["image"]).sum().backward()
    optimizer.step()
