"""A data set yields the tracks of a folder as they are listed."""

from pathlib import Path

from torch.utils.data import Dataset


class Tracks(Dataset):
    def __init__(self, root):
        self.tracks = list(self._paths(root))

    def _paths(self, root):
        for path in Path(root).iterdir():
            if path.is_dir():
                yield path

    def __getitem__(self, index):
        return self.tracks[index]
