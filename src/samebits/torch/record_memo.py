"""Digests of tensors that were just taken: what one layer returns, the next one is given.

A tensor is the same as before if it is the same object at the same memory, torch has counted no write into
it, and a few of its bytes are the same. A write past torch that leaves these bytes, such as NumPy's into one
row, is not noticed here. A small tensor is read each time.
"""

import ctypes
import weakref
from collections.abc import Sequence
from typing import Any

import torch

from samebits.record.format import DIGITS
from samebits.torch.record_digests import PLAIN, digests

SMALL = 1 << 14  # bytes; to read as many takes no longer than to look them up
SAMPLE = 64  # bytes at the beginning, in the middle and at the end

Known = tuple[weakref.ref[torch.Tensor], tuple[Any, ...], str]


class Memo:
    """The digests of tensors, as long as these are there."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}

    def clear(self) -> None:
        """What is asked for from now on is another computation."""
        self._known.clear()

    def digests(self, tensors: Sequence[torch.Tensor]) -> str:
        """The digests of tensors in one string: see `record_digests.digests`."""
        states = [_state(tensor) for tensor in tensors]
        texts = [self._find(*each) for each in zip(tensors, states, strict=True)]
        new = [number for number, text in enumerate(texts) if not text]
        read = digests(tensors[number] for number in new)
        for at, number in enumerate(new):
            texts[number] = read[DIGITS * at : DIGITS * (at + 1)]
            if (state := states[number]) is not None:
                tensor = tensors[number]
                self._known[id(tensor)] = weakref.ref(tensor), state, texts[number]
        return "".join(texts)

    def _find(self, tensor: torch.Tensor, state: tuple[Any, ...] | None) -> str:
        known = self._known.get(id(tensor)) if state is not None else None
        return known[2] if known is not None and known[0]() is tensor and known[1] == state else ""


def _state(tensor: torch.Tensor) -> tuple[Any, ...] | None:
    """What must be as it was; None for a tensor that is read each time."""
    if type(tensor) not in PLAIN or tensor.layout is not torch.strided or tensor.is_nested:
        return None
    size = tensor.numel() * tensor.element_size()
    if size < SMALL or tensor.is_inference():  # which counts no writes
        return None
    try:
        at = tensor.data_ptr()
    except RuntimeError:  # it has no memory of its own
        return None
    outline = tensor.dtype, tensor.shape, tensor.stride(), tensor.is_conj(), tensor.is_neg()
    if tensor.device.type != "cpu" or not at:
        return at, tensor._version, outline
    starts = (0, size // 2, size - SAMPLE) if tensor.is_contiguous() else ()
    sample = [ctypes.string_at(at + start, SAMPLE) for start in starts]
    first = b"" if starts else ctypes.string_at(at, tensor.element_size())
    return at, tensor._version, outline, *sample, first
