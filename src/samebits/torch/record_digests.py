"""The digests of tensors as a record holds them, and their shapes and types."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import xxhash
from torch import nn

from samebits.hashing.digest import digest, rows, seed
from samebits.record.format import MISSING
from samebits.record.training import DEEPEST
from samebits.torch.device_digest import KIND, device_digests, device_rows, is_for
from samebits.torch.tensor_bytes import sizes

PLAIN = (torch.Tensor, nn.Parameter)


def shape(value: Any) -> list[int]:
    """A tensor's shape, -1 for a size that is not fixed; empty for what is none, or has none."""
    return list(sizes(value)) if isinstance(value, torch.Tensor) else []


def dtype(value: Any) -> str:
    """A tensor's type of numbers, or the type of what is no tensor."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype).removeprefix("torch.")
    return type(value).__name__


def described(values: Sequence[Any]) -> dict[str, list[Any]]:
    """The shapes and types of values, and the kinds of their digests, as a `names` line has them."""
    table: dict[str, list[Any]] = {
        "shapes": [shape(value) for value in values],
        "dtypes": [dtype(value) for value in values],
    }
    if any(kinds := [KIND if is_for(value) else "" for value in values]):
        table["digests"] = kinds
    return table


def digests(values: Iterable[Any]) -> str:
    """The digests of values in one string; MISSING for None and for a tensor without values."""
    return read(values)[0]


def with_values(tensors: Mapping[int, torch.Tensor | None]) -> set[int]:
    """The keys of the tensors that are there and not zero everywhere; of odd kinds, of all that are there."""
    if not (there := {key: tensor for key, tensor in tensors.items() if tensor is not None}):
        return set()
    plain: dict[torch.device, list[int]] = {}
    for key, tensor in there.items():
        if type(tensor) is torch.Tensor and tensor.layout is torch.strided:
            plain.setdefault(tensor.device, []).append(key)
    zero: set[int] = set()
    for keys in plain.values():
        with contextlib.suppress(RuntimeError):  # a device without values, such as "meta"
            some = torch.stack([there[key].any() for key in keys]).tolist()
            zero.update(key for key, has_some in zip(keys, some, strict=True) if not has_some)
    return there.keys() - zero


def read(values: Iterable[Any]) -> tuple[str, list[Any]]:
    """The digests of values in one string, and the shape and type of each, in some form that can be compared.

    This runs for each tensor of each step, so a tensor that lies as its bytes in the CPU's memory is asked
    for its NumPy array only: each question to a tensor takes a third of what its digest does.
    """
    parts: list[str] = []
    outlines: list[Any] = []
    elsewhere: dict[int, torch.Tensor] = {}  # by place
    for value in values:
        if is_for(value):
            elsewhere[len(parts)] = value
            parts.append("")
            outlines.append((value.dtype, tuple(value.shape), KIND))
            continue
        if type(value) in PLAIN:
            try:
                array = value.numpy(force=True)
                outline = (array.dtype, array.shape)
                parts.append(xxhash.xxh3_128_hexdigest(array, seed(*outline)))
                outlines.append(outline)
                continue
            except (RuntimeError, TypeError, ValueError, BufferError):
                pass  # what is not dense, NumPy lacks, or does not lie row by row
        unread: set[str] = set()
        text = MISSING if value is None else digest(value, unread)
        parts.append(MISSING if unread and isinstance(value, torch.Tensor) else text)
        outlines.append((dtype(value), shape(value)))
    if elsewhere:
        for at, text in zip(elsewhere, device_digests([*elsewhere.values()]), strict=True):
            parts[at] = text
    return "".join(parts), outlines


def rows_of(tensor: torch.Tensor) -> str | None:
    """The digest of each row of a tensor; None where it has none."""
    return device_rows(tensor) if is_for(tensor) else rows(tensor)


def digest_of(value: Any, call: dict[str, Any]) -> str:
    """The digest of arguments or outputs; where tensors have it from their device, `call` tells so."""
    tensors = [tensor for tensor in tensors_of(value) if is_for(tensor)]
    if not tensors:
        return digest(value)
    call["digest"] = KIND
    known = zip(map(id, tensors), map(bytes.fromhex, device_digests(tensors)), strict=True)
    return digest(value, None, dict(known))


def tensors_of(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """The tensors within a value, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth < DEEPEST and isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_of(part, depth + 1)
    elif depth < DEEPEST and isinstance(value, list | tuple):
        for part in value:
            yield from tensors_of(part, depth + 1)
    elif depth < DEEPEST and dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors_of(getattr(value, field.name, None), depth + 1)
