"""The states of the global generators, as digests; no draw is made, and nothing is imported."""

import struct
import sys
from typing import Any

import torch

from samebits.hashing.digest import digest


def generators() -> dict[str, str]:
    """The digest of each global generator's state: of Python, NumPy, torch on the CPU, and each CUDA device.

    Returns:
        By "python", "numpy", "torch", "cuda:0"; those of libraries that were not imported are not there.
    """
    found: dict[str, Any] = {"torch": torch.default_generator.get_state()}
    if (python := sys.modules.get("random")) is not None:
        version, words, half = python.getstate()  # words one by one would take a millisecond
        found["python"] = (version, struct.pack(f"<{len(words)}I", *words), half)
    if (numpy := sys.modules.get("numpy.random")) is not None:
        found["numpy"] = numpy.get_state(legacy=False)
    if torch.cuda.is_initialized():  # asking for more would spoil a fork
        for number in range(torch.cuda.device_count()):
            found[f"cuda:{number}"] = torch.cuda.get_rng_state(number)
    return {name: digest(state) for name, state in found.items()}
