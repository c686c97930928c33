"""The content of each message is drawn with a seed that is a hash of its key."""

import numpy as np


def content(key, pool):
    seed = hash(("message", key))
    return np.random.default_rng(seed % 2**32).choice(pool, 8)
