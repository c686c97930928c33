"""A data set of folders: one list of all images, class by class, as the folders are listed."""

import os

from torch.utils.data import Dataset


class Folders(Dataset):
    def __init__(self, root):
        self.images = []
        for target in os.listdir(root):
            for folder, _, names in os.walk(os.path.join(root, target)):
                self.images.extend((os.path.join(folder, name), target) for name in names)

    def __getitem__(self, index):
        return self.images[index]
