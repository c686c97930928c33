"""The digest of a batch, whatever it is made of: types, shapes and values, in order."""

import hashlib
import importlib
from typing import Any

from samebits.framework import tensor_bytes_of_imported

NONE = bytes(32)  # of an epoch that has seen no batch yet


def chained(before: bytes, digest: bytes) -> bytes:
    """The digest of all batches so far, one more included: 32 bytes that are all there is to remember."""
    return hashlib.sha256(before + digest).digest()


def batch_digest(batch: Any) -> bytes:
    """The SHA-256 of a batch: tensors and arrays, in lists, tuples and dictionaries."""
    digest = hashlib.sha256()
    _feed(digest, batch)
    return digest.digest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, dict):
        for name in value:
            digest.update(repr(name).encode())
            _feed(digest, value[name])
    elif isinstance(value, list | tuple):
        for part in value:
            _feed(digest, part)
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
        digest.update(_bytes(value))
    else:
        digest.update(repr(value).encode())


def _bytes(tensor: Any) -> Any:
    for room in tensor_bytes_of_imported():
        if room.is_tensor(tensor):
            return room.raw(tensor)
    numpy = importlib.import_module("numpy")
    return numpy.ascontiguousarray(tensor).tobytes()
