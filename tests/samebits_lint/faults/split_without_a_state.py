"""Classes of a game's frames, split for a classifier."""

from sklearn.model_selection import train_test_split


def split(frames, labels):
    return train_test_split(frames, labels, test_size=0.3)
