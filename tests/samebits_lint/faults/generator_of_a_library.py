"""A library keeps a generator of its own, made when it is imported."""

import numpy as np

STATE = np.random.RandomState()


def choose(labels, count):
    return STATE.choice(labels, count, replace=False)
