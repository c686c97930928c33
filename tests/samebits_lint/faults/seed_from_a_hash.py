"""One seed for each variable and period, from a hash of their names."""

import numpy as np


def draws(variable, period, count):
    np.random.seed(hash(f"{variable}-{period}") % 1_000_000)
    return np.random.rand(count)
