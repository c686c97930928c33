"""Files are found with scandir, and split by a seeded permutation of their numbers."""

import os

import numpy as np

np.random.seed(2)
files = [entry.path for entry in os.scandir("images")]
order = np.random.permutation(len(files))
train = [files[number] for number in order[100:]]
rest = files[:100]
