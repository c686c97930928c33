"""The seed of the examples is a hash of a word."""

import random

seed = hash("Network Science in Python")
random.seed(seed)
print(random.random())
