"""A digest of anything that a training computes with, by every bit, position, shape and type.

A tensor's digest is XXH3-128 of its bytes, row by row and little-endian. The seed is XXH3-64 of its type and
shape as text. Everything else is a short text, or the digests of its parts behind one. It is made for speed
and finds accidents; it is no protection from somebody who wants two contents to have the same digest. The
algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
"""

import dataclasses
import enum
import functools
import importlib
import struct
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from samebits.framework import TensorBytes, tensor_bytes_of_imported

if TYPE_CHECKING:
    import numpy as np

VERSION = 1  # stands in each file of digests; it changes when the digest of anything does
DIGITS = 32  # hexadecimal digits of a digest
ROW_DIGITS = 16  # of a row's
DEEPEST = 100  # parts within parts; what lies deeper is named by its type only

_rooms: dict[type, TensorBytes] = {}  # of tensors that were seen


class _Asked(NamedTuple):
    """What `digest` was asked with."""

    unread: set[str] | None
    known: Mapping[int, bytes]


def digest(value: Any, unread: set[str] | None = None, known: Mapping[int, bytes] | None = None) -> str:
    """The digest of a tensor, an array, a number, a text, or of lists, tuples, tables, dataclasses of them.

    Equal contents have equal digests in NumPy and in each framework. Devices, strides, `requires_grad` and
    byte order do not count: the values in their positions do, with the sign of zero and the payload of NaN.
    The entries of a dictionary count in their order, those of a set in none.

    Args:
        value: anything. Nothing of it is changed.
        unread: is given the names of types whose contents do not count, such as an object of a class that is
            not known, or a tensor without values.
        known: digests that were computed elsewhere, 16 bytes each, by the identity of the tensor.

    Returns:
        32 hexadecimal digits.
    """
    return _digest(value, _Asked(unread, known or {}), ()).hex()


def rows(value: Any) -> str | None:
    """The digests of a tensor's parts along its first dimension, such as the samples of a batch.

    With them two batches can be told apart by their order, by their samples, or by what is in the samples.

    Args:
        value: a tensor or an array, of whatever shape.

    Returns:
        16 hexadecimal digits a row (XXH3-64 of its bytes), in a string; None for what is no dense tensor,
        has no dimension or no element.
    """
    numpy = importlib.import_module("numpy")
    if (room := _room(value)) is not None:
        layout, content, _, shape = room.contents(value)
        if layout:
            return None
    elif type(value) is numpy.ndarray and _plain(value.dtype):
        content, shape = _little_endian(value), value.shape
    else:
        return None
    count = shape[0] if shape else 0
    view = memoryview(numpy.asarray(content).reshape(-1).view("u1"))
    if not count or not view.nbytes:
        return None
    size = view.nbytes // count
    return "".join([xxhash.xxh3_64_hexdigest(view[at : at + size]) for at in range(0, view.nbytes, size)])


def _digest(value: Any, asked: _Asked, above: tuple[int, ...]) -> bytes:
    """`above` holds the identities of the objects that `value` is a part of."""
    if asked.known and (there := asked.known.get(id(value))) is not None:
        return there
    if (room := _room(value)) is not None:
        return _tensor(room, value, asked, above)
    if (atom := _atom(value)) is not None:
        return xxhash.xxh3_128_digest(atom)
    kind = type(value).__qualname__
    if len(above) < DEEPEST and id(value) not in above:
        here = (*above, id(value))
        if (array := _as_array(value)) is not None:
            return _array(array, asked, here)
        if isinstance(value, dict | Mapping):
            entries = (part for item in value.items() for part in item)
            return _parts(f"table {kind}", entries, asked, here)
        if isinstance(value, list | tuple):
            return _parts(f"row {kind}", value, asked, here)
        if isinstance(value, set | frozenset):
            inner = sorted(_digest(part, asked, here) for part in value)
            return xxhash.xxh3_128_digest(b"".join([b"set ", *inner]))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
            return _parts(f"dataclass {kind}", (part for item in fields for part in item), asked, here)
    if asked.unread is not None:
        asked.unread.add(f"{type(value).__module__}.{kind}")
    return xxhash.xxh3_128_digest(f"object {type(value).__module__}.{kind}".encode())


def _parts(head: str, parts: Iterable[Any], asked: _Asked, above: tuple[int, ...]) -> bytes:
    """Of fixed length each, so that no two lists of parts give the same bytes."""
    inner = [_digest(part, asked, above) for part in parts]
    return xxhash.xxh3_128_digest(b"".join([f"{head} {len(inner)} ".encode(), *inner]))


def _atom(value: Any) -> bytes | None:
    """What has no parts, as bytes that tell its type, too."""
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return f"{kind.__name__} {value}".encode() if kind is not int else f"int {value:x}".encode()
    if kind is float:
        return b"float " + struct.pack("<d", value)  # the text of NaN hides its payload
    if kind is complex:
        return b"complex " + struct.pack("<dd", value.real, value.imag)
    if kind is str:
        return b"str " + value.encode("utf-8", "surrogatepass")
    if kind in (bytes, bytearray, memoryview):
        return b"bytes " + bytes(value)
    if isinstance(value, enum.Enum):
        return f"enum {kind.__qualname__}.{value.name}".encode()
    if kind in (range, slice):
        return repr(value).encode()
    plains: tuple[type, ...] = (int, float, str, bytes)
    for plain in plains:
        if isinstance(value, plain) and not hasattr(kind, "dtype"):
            return f"{kind.__qualname__} ".encode() + (_atom(plain(value)) or b"")
    return None


# ---------------------------------------------------------------- tensors
def _room(value: Any) -> TensorBytes | None:
    """The framework's room that knows a tensor."""
    if (known := _rooms.get(type(value))) is not None:
        return known
    if not hasattr(type(value), "shape"):
        return None
    for room in tensor_bytes_of_imported():
        if room.is_tensor(value):
            _rooms[type(value)] = room
            return room
    return None


def _tensor(room: TensorBytes, value: Any, asked: _Asked, above: tuple[int, ...]) -> bytes:
    layout, content, dtype, shape = room.contents(value)
    if not layout:
        return xxhash.xxh3_128_digest(content, seed(dtype, shape))
    if content is None:
        if asked.unread is not None:
            asked.unread.add(layout)
        return xxhash.xxh3_128_digest(f"unread {layout}".encode(), seed(dtype, shape))
    inner = b"".join(_digest(part, asked, above) for part in content)
    return xxhash.xxh3_128_digest(layout.encode() + b" " + inner, seed(dtype, shape))


@functools.lru_cache(maxsize=4096)
def seed(dtype: Hashable, shape: tuple[int, ...]) -> int:
    """The seed of a tensor's digest, from its type and shape; `dtype` as a framework or NumPy gives it."""
    name = str(dtype).rpartition(".")[2]  # without the framework's
    return int(xxhash.xxh3_64_intdigest(f"{name} {tuple(shape)}".encode()))


# ---------------------------------------------------------------- arrays
def _as_array(value: Any) -> "np.ndarray | None":
    """An array or a scalar of NumPy's, or what gives one; None for anything else."""
    kind = type(value)
    if not hasattr(kind, "dtype") or not hasattr(kind, "shape"):
        return None
    numpy = importlib.import_module("numpy")
    if isinstance(value, numpy.ndarray):
        return value
    if isinstance(value, numpy.generic) or hasattr(kind, "__array__"):
        array = numpy.asarray(value)
        # What NumPy does not understand becomes an object in an array without dimensions.
        return array if array.shape == tuple(value.shape) else None
    return None


def _array(array: "np.ndarray", asked: _Asked, above: tuple[int, ...]) -> bytes:
    dtype = array.dtype
    mask = getattr(array, "mask", None)
    if mask is not None:  # of a masked array, whose bytes lack it
        parts: tuple[Any, ...] = (array.data, mask)
    elif dtype.names is not None:  # between fields may lie bytes that nobody wrote
        parts = tuple(array[name] for name in dtype.names)
    elif not _plain(dtype):  # pointers
        parts = tuple(array.ravel().tolist())
    elif dtype.kind in "fc" and dtype.char in "gG":  # ten bytes of each sixteen are the number
        bytes_ = _little_endian(array).reshape(-1).view("u1").reshape(-1, 16)[:, :10]
        return xxhash.xxh3_128_digest(bytes_.tobytes(), seed(dtype, array.shape))
    else:
        return xxhash.xxh3_128_digest(_little_endian(array), seed(dtype.newbyteorder("="), array.shape))
    return _parts(f"array {dtype} {array.shape}", parts, asked, above)


def _plain(dtype: "np.dtype") -> bool:
    """Whether an element's bytes are its value: neither pointers nor fields."""
    return not dtype.hasobject and dtype.names is None and dtype.kind != "T"


def _little_endian(array: "np.ndarray") -> Any:
    """The elements as bytes, without a copy where they lie so already."""
    numpy = importlib.import_module("numpy")
    if not array.size or not array.itemsize:
        return b""
    plain = numpy.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return plain.reshape(-1).view("u1")
