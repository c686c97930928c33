"""Features with the smallest importance are left out; several have the same."""

import numpy as np


def support(importances, keep):
    ranks = np.argsort(importances)
    mask = np.ones(len(importances), dtype=bool)
    mask[ranks[:-keep]] = False
    return mask
