"""The states of the global generators, as digests; no draw is made, and nothing is imported.

They are read twice in each step, so fast: NumPy's and Python's functions convert 624 words one by one.
"""

import ctypes
import struct
import sys
from typing import Any

import torch

from samebits.hashing.digest import digest

TWISTER = 625 * 4  # bytes of a Mersenne twister's words, with its position
_numpys: list[Any] = []  # NumPy's bit generator, its memory and the digest, when they were last read


def generators() -> dict[str, str]:
    """The digest of each global generator's state: of Python, NumPy, torch on the CPU, and each CUDA device.

    Returns:
        By "python", "numpy", "torch", "cuda:0"; those of libraries that were not imported are not there.
    """
    states = {"torch": digest(torch.default_generator.get_state())}
    if (python := sys.modules.get("random")) is not None:
        states["python"] = digest(_of_python(python))
    if (numpy := sys.modules.get("numpy.random")) is not None:
        states["numpy"] = _of_numpy(numpy)
    if torch.cuda.is_initialized():  # asking for more would spoil a fork
        for number in range(torch.cuda.device_count()):
            states[f"cuda:{number}"] = digest(torch.cuda.get_rng_state(number))
    return states


def _of_python(module: Any) -> tuple[Any, ...]:
    """The version of the state, its words and its position as bytes, and half a pair of normal numbers."""
    if "numpy.random" in sys.modules:  # which this file imports
        from samebits.torch.generators import GLOBAL, PYTHONS_TWISTER

        if PYTHONS_TWISTER and module._inst is GLOBAL:
            memory = ctypes.string_at(PYTHONS_TWISTER, TWISTER)
            return GLOBAL.VERSION, memory[4:] + memory[:4], GLOBAL.gauss_next
    version, words, half = module.getstate()
    return version, struct.pack(f"={len(words)}I", *words), half


def _of_numpy(module: Any) -> str:
    bits = module.mtrand._rand._bit_generator
    twister = type(bits).__name__ == "MT19937"
    memory = ctypes.string_at(bits.ctypes.state_address, TWISTER) if twister else b""
    if _numpys and _numpys[0] is bits and _numpys[1] == memory:
        return str(_numpys[2])
    state = module.get_state(legacy=False)
    _numpys[:] = []
    # Half a pair of normal numbers lies elsewhere: it comes with a draw, but goes without one.
    if twister and not state["has_gauss"]:
        _numpys[:] = [bits, memory, digest(state)]
    return digest(state)
