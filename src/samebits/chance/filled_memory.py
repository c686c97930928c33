"""Which tensors hold memory that nobody wrote, where memory is filled before it is handed out.

It imports NumPy, so it is imported when it is needed: a process that is watched may be without NumPy.
"""

from collections.abc import Mapping

import numpy as np

from samebits.hashing.compare import INFINITY, is_nan
from samebits.hashing.weights import ITEM_BYTES, Tensor
from samebits.process.memory import BYTE


def unwritten(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of floats of which some are NaN, which torch fills with, or all bytes BYTE, as malloc does.

    Args:
        tensors: by name, before the first step of a training; their bytes are read one tensor at a time.
    """
    return [name for name, tensor in tensors.items() if tensor.dtype in INFINITY and _holds_any(tensor)]


def _holds_any(tensor: Tensor) -> bool:
    width = ITEM_BYTES[tensor.dtype] // (2 if tensor.dtype == "C64" else 1)
    bits = np.frombuffer(tensor.read(), dtype=f"<u{width}")
    pattern = int.from_bytes(bytes([BYTE] * width), "little")
    return bool((is_nan(bits, tensor.dtype) | (bits == pattern)).any())
