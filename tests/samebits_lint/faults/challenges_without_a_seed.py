"""Training data are drawn by a generator that gets no seed."""

import numpy as np


class TrainingSet:
    def __init__(self, instance, size):
        self.challenges = np.random.RandomState().choice((-1, 1), (size, instance.n))
        self.responses = instance.evaluate(self.challenges)
