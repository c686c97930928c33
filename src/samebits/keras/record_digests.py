"""The digests of values as a record holds them, their shapes and types."""

from collections.abc import Iterable, Mapping, Sequence
from operator import is_
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samebits.hashing.digest import digest, rows
from samebits.keras.record_emit import UNREAD
from samebits.keras.record_names import held
from samebits.record.format import MISSING
from samebits.record.training import MOST_ROWS, gradients, number


class Digest(str):
    """A digest of a value that is not at hand any more.

    Attributes:
        copies: of the tensors in it, in order; none where they are not asked for.
    """

    copies: Sequence[np.ndarray] = ()


def now(value: Any, keep: bool) -> Any:
    """A value's digest, where it has one already; in a graph the value itself. See `taken`."""
    return value if value is None or not tf.executing_eagerly() else taken(value, keep)


def taken(value: Any, keep: bool) -> Digest:
    """A value's digest.

    Args:
        value: tensors, and lists and tables of them.
        keep: the digest takes copies of the tensors along.
    """
    made = Digest(digest(held(value)))
    if keep:
        made.copies = [np.array(tensor) for tensor in tensors_in(held(value))]
    return made


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
    before, used = values["after_backward"], at_optimizer(values)
    text = digests(before)
    same = len(before) == len(used) and all(map(is_, before, used))  # a digest takes as long as a look
    return gradients(text, text if same else digests(used))


def at_optimizer(values: dict[str, Any]) -> Any:
    """The gradients that an optimiser used, or was given; None where nobody saw them."""
    return values.get("given") if values.get("used") is None else values["used"]


def finished(call: dict[str, Any], keep: bool) -> dict[str, Any]:
    """A call's entry with digests in place of values; `keep`: these take copies along."""
    if "shapes" in call:
        entry = dict(call)
    else:
        arguments = call["arguments"]
        tensors = tensors_in(arguments)
        first = next((tensor for tensor in tensors if len(tensor.shape)), None)
        few = first is not None and first.shape[0] is not None and first.shape[0] <= MOST_ROWS
        entry = {
            **call,
            "arguments": taken(arguments, keep),
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


def tensors_in(value: Any) -> list[Any]:
    """The tensors and arrays in lists and tables, also those that a digest has copied, in order.

    Of a sparse or ragged tensor: the tensors that it consists of.
    """
    try:
        flat = tf.nest.flatten(value, expand_composites=True)
    except TypeError:  # tables whose keys have no order
        flat = keras.tree.flatten(value)
    tensors: list[Any] = []
    for each in flat:
        if isinstance(each, Digest):
            tensors += each.copies
        elif isinstance(each, np.ndarray | np.generic | tf.Tensor):
            tensors.append(each)
    return tensors


def loss_of(value: Any, keep: bool) -> list[Any]:
    """The digest of a loss and its value, as a step has them; the same where it has them already.

    Args:
        value: the loss.
        keep: the digest takes a copy along.
    """
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        return value
    array = np.asarray(value) if isinstance(value, np.ndarray | np.generic | tf.Tensor) else None
    return [taken(value, keep), number_of(array) if array is not None and array.size == 1 else None]


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
