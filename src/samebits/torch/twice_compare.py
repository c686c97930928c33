"""Two results of one operation, compared bit by bit: a NaN's payload and the sign of a zero count."""

import ctypes
from typing import Any

import numpy as np
import torch

from samebits.framework import Contents
from samebits.hashing.compare import TensorDifference, compare_bits
from samebits.hashing.weights import DTYPES
from samebits.torch.tensor_bytes import contents

WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
COMPLEX = {torch.complex128: "F64", torch.complex64: "F32", torch.complex32: "F16"}  # pairs of numbers
_memcmp: Any = ctypes.CDLL(None).memcmp


def difference(name: str, first: torch.Tensor, second: torch.Tensor) -> TensorDifference | None:
    """How two tensors differ.

    Args:
        name: of both.
        first, second: of any shape, type, device and layout.

    Returns:
        None: they have the same bits.
    """
    if first.dtype != second.dtype:
        return TensorDifference(name, "dtype", f"dtype {first.dtype} and {second.dtype}")
    if first.is_nested:  # which has no shape
        return _of_parts(name, contents(first), contents(second))
    if first.shape != second.shape:
        return TensorDifference(name, "shape", f"shape {tuple(first.shape)} and {tuple(second.shape)}")
    if first.layout is not torch.strided or first.is_quantized:
        return _of_parts(name, contents(first), contents(second))
    if first._is_zerotensor() or first.device.type == "meta" or not first.numel():
        return None
    a, b = _as_words(first), _as_words(second)
    if _same(a, b):
        return None
    dtype = COMPLEX.get(first.dtype) or DTYPES.get(str(first.dtype).removeprefix("torch."), "U8")
    return compare_bits(name, dtype, [(_bits(a), _bits(b))])


def _as_words(tensor: torch.Tensor) -> torch.Tensor:
    """The same memory as whole numbers."""
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.is_neg():
        tensor = tensor.resolve_neg()
    return tensor.view(WORDS[tensor.element_size()])


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two tensors of words are equal."""
    if first.device.type == "cpu" and first.is_contiguous() and second.is_contiguous():  # 10 times as fast
        at = (ctypes.c_void_p(each.data_ptr()) for each in (first, second))
        equal: bool = _memcmp(*at, ctypes.c_size_t(first.numel() * first.element_size())) == 0
        return equal
    return torch.equal(first, second)


def _bits(words: torch.Tensor) -> np.ndarray:
    array = words.cpu().contiguous().numpy().ravel()
    return array.view(f"u{array.itemsize}")


def _of_parts(name: str, first: Contents, second: Contents) -> TensorDifference | None:
    """How two tensors differ that are made of several, such as sparse ones: the first part that differs."""
    if first.layout != second.layout or len(first.content or ()) != len(second.content or ()):
        return TensorDifference(name, "shape", f"{first.layout} and {second.layout}")
    for a, b in zip(first.content or (), second.content or (), strict=True):
        if isinstance(a, torch.Tensor):
            if (differs := difference(name, a, b)) is not None:
                return differs
        elif a != b:
            return TensorDifference(name, "shape", f"{a} and {b}")
    return None
