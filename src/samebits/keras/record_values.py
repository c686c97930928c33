"""The tensors of a step in Keras, as `samebits record --values` writes them: as they are when recorded."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from samebits.errors import UsageError
from samebits.hashing.weights import Tensor, describe_array
from samebits.keras.record_digests import tensors_in
from samebits.record.values import Wanted


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
