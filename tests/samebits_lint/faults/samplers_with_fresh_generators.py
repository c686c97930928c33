"""Each sampler makes itself a generator."""

import numpy as np


class Sampler:
    def __init__(self, kernel):
        self.kernel, self.rng = kernel, np.random.default_rng()

    def step(self):
        return self.kernel(self.rng.random())
