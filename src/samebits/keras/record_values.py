"""The tensors of a step in Keras, as `samebits record --values` writes them: as they are when recorded.

What a graph gives out are arrays. What is computed at once is a digest by the time of the step; it takes
copies of its tensors along where they are asked for.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samebits.errors import UsageError
from samebits.hashing.digest import digest
from samebits.hashing.weights import Tensor, describe_array
from samebits.keras.record_names import held
from samebits.record.values import Wanted


class Digest(str):
    """A digest of a value that is not at hand any more.

    Attributes:
        copies: of the tensors in it, in order; none where they are not asked for.
    """

    copies: Sequence[np.ndarray] = ()


def digest_of(value: Any, keep: bool) -> Digest:
    """A value's digest.

    Args:
        value: tensors, and lists and tables of them.
        keep: copy them, too.
    """
    made = Digest(digest(held(value)))
    if keep:
        made.copies = [np.array(tensor) for tensor in tensors_in(held(value))]
    return made


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


class Values(Wanted):
    """Writes the tensors of the steps that are asked for."""

    def write(
        self,
        optimizer: int,
        step: int,
        numbered: Mapping[str, Any],
        named: Mapping[str, tuple[Sequence[str], Iterable[Any]]],
    ) -> None:
        """Write the tensors of a step. What is no dense tensor that safetensors can store is left out.

        Args:
            optimizer: its number.
            step: its own count.
            numbered: tensors, lists and tables of them, by their place: "calls/0/arguments", "losses/0".
            named: by their kind, such as "parameters", names and a value for each.
        """
        tensors = [
            (f"{place}/{number}", tensor)
            for place, value in numbered.items()
            for number, tensor in enumerate(tensors_in(value))
        ]
        for kind, (names, values) in named.items():
            for name, value in zip(names, values, strict=True):
                if len(parts := tensors_in(value)) == 1:
                    tensors.append((f"{kind}/{name}", parts[0]))
        self._writer.save(optimizer, step, dict(_described(tensors)))


def _described(tensors: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors:
        with contextlib.suppress(UsageError):  # texts, say
            yield describe_array(name, np.asarray(tensor))
