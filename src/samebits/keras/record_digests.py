"""The digests of values as a record holds them, their shapes and types."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from samebits.hashing.digest import digest, rows
from samebits.keras.record_names import held
from samebits.keras.record_values import UNREAD
from samebits.record.format import MISSING
from samebits.record.training import MOST_ROWS, gradients, number


class Digest(str):
    """A digest of a value that is not at hand any more."""


def now(value: Any) -> Any:
    """A value's digest, where it has one already; in a graph the value itself."""
    if value is None or not tf.executing_eagerly():
        return value
    return Digest(digest(held(value)))


def now_value(value: Any) -> Any:
    """A value as a number, where it has one already; in a graph the value itself."""
    return value if not tf.executing_eagerly() else number_of(value)


def digest_of(value: Any) -> str:
    """The digest of a value, which may be one already."""
    return value if type(value) is Digest else digest(value)


def digests(values: Iterable[Any]) -> str:
    """The digests of values in one string; MISSING for None, and for what nobody can read."""
    return "".join(MISSING if value is None or value is UNREAD else digest_of(value) for value in values)


def gradients_of(values: dict[str, Any]) -> Mapping[str, str]:
    """What a step says of gradients."""
    used = digests(values["given"] if values["used"] is None else values["used"])
    return gradients(digests(values["after_backward"]), used)


def finished(call: dict[str, Any]) -> dict[str, Any]:
    """A call's entry with digests in place of values."""
    if "shapes" in call:
        entry = dict(call)
    else:
        arguments = call["arguments"]
        tensors = list(_tensors(arguments))
        first = next((tensor for tensor in tensors if len(tensor.shape)), None)
        few = first is not None and first.shape[0] is not None and first.shape[0] <= MOST_ROWS
        entry = {
            **call,
            "arguments": digest(arguments),
            "shapes": [list(tensor.shape) for tensor in tensors],
            "rows": rows(first) if few else None,
        }
    outputs = entry.pop("outputs", None)
    if isinstance(outputs, list) and outputs and not lacks(outputs):
        parts = [digest_of(each) for each in outputs]
        entry["outputs"] = parts[0] if len(parts) == 1 else digest(parts)
    return entry


def lacks(value: Any) -> bool:
    """Whether something is left out of a value; `tf.nest` would refuse tables whose keys have no order."""
    if isinstance(value, Mapping):
        return any(map(lacks, value.values()))
    return any(map(lacks, value)) if isinstance(value, list | tuple) else value is UNREAD


def _tensors(value: Any) -> list[Any]:
    flat = tf.nest.flatten(value, expand_composites=True)
    return [each for each in flat if isinstance(each, np.ndarray | np.generic | tf.Tensor)]


def loss_of(value: Any) -> list[Any]:
    """The digest of a loss and its value, as a step has them; the same where it has them already."""
    if isinstance(value, list) and len(value) == 2 and type(value[0]) is str:
        return value
    array = np.asarray(value) if isinstance(value, np.ndarray | np.generic | tf.Tensor) else None
    return [digest(value), number_of(array) if array is not None and array.size == 1 else None]


def number_of(value: Any) -> Any:
    """A number as JSON has it, of one that may be an array with one element."""
    try:
        return number(np.asarray(value).item())
    except ValueError:
        return None


def outlines(values: Iterable[Any]) -> list[Any]:
    """The shape and type of each value, in a form that can be compared."""
    return [None if value is None else (value.shape, value.dtype) for value in values]


def described(values: Iterable[Any]) -> dict[str, list[Any]]:
    """The shapes and types of values, as a `names` line has them."""
    known = [([], "none") if value is None else (list(value.shape), str(value.dtype)) for value in values]
    return {"shapes": [shape for shape, _ in known], "dtypes": [dtype for _, dtype in known]}
