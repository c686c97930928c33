"""Pairs of images are chosen with Python's generator; the script seeds torch alone, and has no workers."""

import random

import torch
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.images[random.randrange(len(self.images))]


torch.manual_seed(1)
options = {"batch_size": 8, "shuffle": True}
if torch.cuda.is_available():
    options.update({"num_workers": 1})
loader = DataLoader(Pairs(torch.ones(32, 3)), **options)
