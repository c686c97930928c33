"""A data set lists its images through a set of their names."""

from pathlib import Path

from torch.utils.data import Dataset


class Pairs(Dataset):
    def __init__(self, root):
        names = {path.stem.rpartition("_")[0] for path in Path(root).iterdir()}
        self.files = [(f"{name}_before.png", f"{name}_after.png") for name in names]

    def __getitem__(self, index):
        return self.files[index]
