"""Weights as canonical safetensors: equal weights are equal bytes, and their hash is `sha256sum FILE`.

The header is written here, and not by the safetensors library, so that a hash needs no copy of the weights:
one stream of chunks, made tensor by tensor, is hashed or saved. The bytes are those that the library
writes for the same tensors. There is no metadata: the library stores more than one key in random order.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits._files import CHUNK, write_whole
from samebits._json_files import parse
from samebits.errors import UsageError

# The format's name of each type, its bytes per element, in the order in which the library stores them:
# the wider the earlier, so that every tensor is aligned.
ITEM_BYTES = {
    "U64": 8, "I64": 8, "F64": 8, "C64": 8,
    "F32": 4, "U32": 4, "I32": 4,
    "BF16": 2, "F16": 2, "U16": 2, "I16": 2,
    "F8_E5M2FNUZ": 1, "F8_E4M3FNUZ": 1, "F8_E8M0": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1,
    "BOOL": 1,
}  # fmt: skip
_RANK = {dtype: rank for rank, dtype in enumerate(ITEM_BYTES)}

# What torch and NumPy (with ml_dtypes) call these types.
DTYPES = {
    "uint64": "U64", "int64": "I64", "float64": "F64", "complex64": "C64",
    "float32": "F32", "uint32": "U32", "int32": "I32",
    "bfloat16": "BF16", "float16": "F16", "uint16": "U16", "int16": "I16",
    "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "int8": "I8", "uint8": "U8",
    "bool": "BOOL",
}  # fmt: skip

LONGEST_HEADER = 100_000_000  # bytes; the safetensors library, too, reads no longer one

NAMES = {stored: name for name, stored in DTYPES.items()}

# The format has complex64 only. The others are stored as (…, 2) real numbers under the name and this suffix,
# which no other tensor's name may end in; `torch.view_as_complex` turns them back.
COMPLEX = {"complex128": "F64", "complex32": "F16"}


@dataclass(frozen=True)
class Tensor:
    """One tensor, described; its bytes are made only when they are asked for.

    Attributes:
        dtype: the format's name of the type, a key of `ITEM_BYTES`.
        shape: the dimensions, () for a scalar.
        read: returns the elements as contiguous little-endian bytes in row-major order.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], memoryview | bytes]

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


def describe(
    name: str, dtype: str, shape: tuple[int, ...], read: Callable[[], memoryview | bytes]
) -> tuple[str, Tensor]:
    """The name and description under which a tensor is stored.

    Args:
        name: the tensor's name in its model.
        dtype: as torch or NumPy call it, such as "bfloat16".
        shape: the dimensions.
        read: see `Tensor`.

    Raises:
        UsageError: the format has no such type.
    """
    if name.endswith(tuple(f":{kind}" for kind in COMPLEX)):
        raise UsageError(f"tensor {name!r} has a name that samebits keeps for complex numbers: rename it")
    if dtype in COMPLEX:
        return f"{name}:{dtype}", Tensor(COMPLEX[dtype], (*shape, 2), read)
    if dtype not in DTYPES:
        raise UsageError(
            f"tensor {name!r} is {dtype}, which safetensors cannot store: convert it before saving"
        )
    return name, Tensor(DTYPES[dtype], shape, read)


def describe_array(name: str, array: Any) -> tuple[str, Tensor]:
    """The same for a NumPy array (any memory order, any byte order), types of ml_dtypes included."""

    def read() -> memoryview:
        import numpy as np

        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        return plain.reshape(-1).view(np.uint8).data

    return describe(name, array.dtype.name, array.shape, read)


def chunks(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The file's bytes, in order, in pieces of at most 1 MiB; one tensor at a time is held.

    Raises:
        UsageError: a name cannot be stored.
        ValueError: `read` returned another number of bytes than the description says.
    """
    ordered = sorted(tensors.items(), key=lambda item: (_RANK[item[1].dtype], item[0]))
    yield _header(ordered)
    for name, tensor in ordered:
        content = memoryview(tensor.read()).cast("B")
        if content.nbytes != tensor.size:
            raise ValueError(f"tensor {name!r} has {content.nbytes} bytes where {tensor.size} were described")
        for start in range(0, content.nbytes, CHUNK):
            yield content[start : start + CHUNK]


def _header(ordered: list[tuple[str, Tensor]]) -> bytes:
    """Eight bytes that hold the length, then JSON without spaces, then spaces up to a multiple of eight."""
    entries, end = {}, 0
    for name, tensor in ordered:
        start, end = end, end + tensor.size
        entries[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end]}
    if "__metadata__" in entries:
        raise UsageError(
            "a tensor cannot be called '__metadata__', which safetensors keeps for itself: rename it"
        )
    try:
        text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"a tensor's name is not valid Unicode: {ascii(error.object)[:100]}") from None
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """What `sha256sum` would print for the file that `save_tensors` would write, without writing it."""
    sha256 = hashlib.sha256()
    for chunk in chunks(tensors):
        sha256.update(chunk)
    return sha256.hexdigest()


def save_tensors(tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> str:
    """Write a safetensors file, whole or not at all.

    Returns:
        Its SHA-256, as 64 hexadecimal digits.

    Raises:
        UsageError: the file cannot be written.
    """
    return write_whole(path, chunks(tensors))


def refuse_none(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of a model, if there is a number in them.

    Raises:
        UsageError: there is none, so their hash would be the same whatever was trained.
    """
    if not any(tensor.size for tensor in tensors.values()):
        raise UsageError(
            "the model has no weights, so their hash would show nothing: give the trained model, or its "
            "state dict"
        )
    return tensors


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in a file.

    Attributes:
        dtype: the format's name of the type.
        start: of its first byte in the file.
        size: bytes.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int

    def read(self) -> bytearray:
        """Its bytes, as `Tensor.read` gave them; the memory is the caller's own."""
        content = bytearray(self.size)
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.start)
            view = memoryview(content)
            while view and (count := file.readinto(view)):
                view = view[count:]
        if view:
            raise ValueError(f"{self.path} ends within a tensor")
        return content


def read_header(path: Path) -> dict[str, Stored]:
    """Where every tensor of a safetensors file lies.

    Whoever wrote the file: what is returned lies within it, side by side, and each tensor has the bytes that
    its type and shape need.

    Raises:
        OSError: it cannot be read.
        UsageError: it is no such file, or not a whole one.
    """
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(LONGEST_HEADER, size - 8):
                raise ValueError
            header = parse(file.read(length))
        header.pop("__metadata__", None)
        first = 8 + length
        tensors = {name: _stored(path, entry, first) for name, entry in header.items()}
        end = first
        for stored in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.size)):
            if stored.start != end:  # over another one, or after a gap
                raise ValueError
            end += stored.size
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path} is not a safetensors file") from None
    if end != size:
        raise UsageError(
            f"{path} is not a complete safetensors file: it has {size} bytes and must have {end}"
        )
    return tensors


def _stored(path: Path, entry: Any, first: int) -> Stored:
    """An entry of the header; `first` is where the first tensor begins."""
    start, stop = entry["data_offsets"]
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    if type(dtype) is not str or any(type(size) is not int or size < 0 for size in (start, stop, *shape)):
        raise ValueError
    # Of a type that is not in the table nothing is known: its bytes are compared as they are.
    if dtype in ITEM_BYTES and math.prod(shape) * ITEM_BYTES[dtype] != stop - start:
        raise ValueError
    return Stored(path, dtype, shape, first + start, stop - start)


def stored_array(name: str, stored: Stored) -> Any:
    """The NumPy array that `describe_array` described; its memory is the caller's own.

    Args:
        name: under which it is stored.
        stored: where.
    """
    import numpy as np

    dtype = NAMES[stored.dtype]
    if hasattr(np, dtype):
        array = np.frombuffer(stored.read(), np.dtype(getattr(np, dtype)).newbyteorder("<"))
    else:
        import ml_dtypes  # TensorFlow's and NumPy's name for bfloat16 and the eight-bit floats

        array = np.frombuffer(stored.read(), getattr(ml_dtypes, dtype))
    kind = name.rpartition(":")[2]
    if kind in COMPLEX:
        return array.view(kind).reshape(stored.shape[:-1])
    return array.reshape(stored.shape)
