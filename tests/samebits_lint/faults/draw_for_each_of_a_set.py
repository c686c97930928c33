"""One draw for each symptom, in the order of a set: the same numbers for other symptoms."""

import numpy as np

rng = np.random.default_rng(3)
severity = {}
for symptom in {"cough", "fever", "headache"}:
    severity[symptom] = rng.random()
