"""Tensors that hold memory that nobody wrote, where memory was filled."""

import ml_dtypes
import numpy as np
import pytest

from samebits.chance.filled_memory import unwritten
from samebits.hashing.weights import describe_array


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "complex64"])
def test_what_torch_and_malloc_fill_with_is_named(dtype: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    written = np.arange(6).astype(kind)
    by_torch, by_malloc = written.copy(), written.copy()
    by_torch[2] = np.nan
    by_malloc.view("u1")[-kind.itemsize :] = 0x7F
    numbers = np.full(4, 0x7F, dtype="u1")  # of whole numbers nobody knows
    arrays = {"a": written, "b": by_torch, "c": by_malloc, "d": numbers, "e": np.zeros((0, 2), dtype=kind)}
    assert unwritten(dict(describe_array(name, array) for name, array in arrays.items())) == ["b", "c"]
