"""Cheap digests of values in which nothing else is looked at."""

import collections
import datetime
import decimal
import enum
import fractions
import random
import sys
from pathlib import PurePath
from typing import Any

WHOLE = 1 << 20  # bytes: of a larger array, the ends
END = 1 << 12  # bytes of each
TEXT = 80  # characters: of a longer one, its hash
PLAIN = (bool, int, float, complex, str, bytes, type(None))
CLOCKS = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
CONTAINERS = (dict, list, tuple, set, frozenset, collections.deque)
VALUES = (decimal.Decimal, fractions.Fraction, enum.Enum, PurePath, range, slice)


def single(value: Any) -> tuple[str, Any] | None:
    """Kind and digest of a value in which nothing else is looked at; None for others."""
    if isinstance(value, random.SystemRandom):
        return "system", None  # has no state
    if isinstance(value, random.Random):
        return "generator", hash(value.getstate())
    if isinstance(value, CLOCKS):
        return "clock", value
    if isinstance(value, VALUES):
        return type(value).__name__, repr(value)
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "random"):
        return _memory(value)
    if isinstance(value, numpy.ndarray):
        return "array", digest_array(value)
    if isinstance(value, numpy.generic):
        return type(value).__name__, value.tobytes()
    if isinstance(value, numpy.random.Generator):
        return "generator", repr(value.bit_generator.state)
    if isinstance(value, numpy.random.RandomState):
        return "generator", hash(repr(value.get_state(legacy=False)))
    if isinstance(value, numpy.random.BitGenerator):
        return "generator", repr(value.state)
    return _memory(value)


def _memory(value: Any) -> tuple[str, Any] | None:
    """What is in memory that an object shows, such as a `bytearray`, an `array`, an `mmap` or ctypes' own."""
    try:
        view = memoryview(value)
        if view.readonly:
            return None
        content = view.tobytes() if view.nbytes <= WHOLE else view.cast("B")
    except (TypeError, ValueError, BufferError):
        return None
    return type(value).__name__, _bytes(memoryview(content))


def digest_array(array: Any) -> tuple[Any, ...]:
    """A digest of a NumPy array: of all of it up to 1 MB, of the ends of a larger one."""
    if array.dtype.hasobject:
        return array.shape, str(array.dtype)
    if array.nbytes <= WHOLE:
        return array.shape, str(array.dtype), hash(array.tobytes())
    if not array.flags.c_contiguous:
        flat = array.flat
        return array.shape, str(array.dtype), hash(flat[:64].tobytes()), hash(flat[-64:].tobytes())
    return array.shape, str(array.dtype), _bytes(memoryview(array).cast("B"))


def _bytes(content: memoryview) -> int:
    if len(content) <= WHOLE:
        return hash(bytes(content))
    return hash((len(content), bytes(content[:END]), bytes(content[-END:])))


def is_short(value: Any) -> bool:
    """Whether a value is its own digest."""
    return not isinstance(value, str | bytes) or len(value) <= TEXT
