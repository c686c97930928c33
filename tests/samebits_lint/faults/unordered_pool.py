"""Steps of a forecast are loaded by a pool, and joined as they come."""

from multiprocessing import Pool

import numpy as np


def load(path):
    return np.load(path)


with Pool(4) as pool:
    steps = np.concatenate(list(pool.imap_unordered(load, ["a.npy", "b.npy", "c.npy"])))
train, test = steps[:80], steps[80:]
