"""Train, validation and test are cut from a listing."""

import os

import torch


class Layouts(torch.utils.data.Dataset):
    def __init__(self, root, split):
        files = os.listdir(root)
        cut = int(len(files) * 0.9)
        self.files = files[:cut] if split == "train" else files[cut:]

    def __getitem__(self, index):
        return self.files[index]
