"""A data module splits its data with torch's global generator, which nothing seeds."""

from torch.utils.data import DataLoader, random_split


class Module:
    def setup(self, data):
        self.train, self.val = random_split(data, [55_000, 5_000])

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=64)
