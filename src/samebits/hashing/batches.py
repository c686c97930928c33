"""The digest of a batch, whatever it is made of: types, shapes and values, in order."""

import hashlib
import importlib
import sys
from typing import Any

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
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        tensor = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        return memoryview(tensor)
    numpy = importlib.import_module("numpy")
    return numpy.ascontiguousarray(tensor).tobytes()
