"""A function takes a number as seed, and makes a generator without it."""

import numpy as np


def as_rng(seed=None):
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is None or isinstance(seed, int):
        return np.random.default_rng()
    raise ValueError(seed)


rng = as_rng(3)
