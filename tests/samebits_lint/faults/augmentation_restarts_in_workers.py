"""The augmentation has a seed, and each new worker starts from a copy of the same generator."""

import albumentations as A
import torch
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Images(Dataset):
    def __init__(self, images):
        self.images, self.augment = images, A.Compose([A.HorizontalFlip()], seed=42)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.augment(image=self.images[index])["image"]


loader = DataLoader(Images([]), num_workers=2, persistent_workers=False)
