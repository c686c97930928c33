"""The tensors of a step in torch, as `samebits record --values` writes them: as they are when recorded."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from samebits.errors import UsageError
from samebits.hashing.weights import Tensor, describe
from samebits.record.values import Wanted
from samebits.torch.tensor_bytes import contents

Tensors = dict[str, Tensor]


class Values(Wanted):
    """Writes the tensors of the steps that are asked for."""

    def write(self, optimizer: int, step: int, kept: Tensors, after: Mapping[str, Any]) -> None:
        """Write the tensors of a step.

        Args:
            optimizer: its number.
            step: its own count.
            kept: what was copied before.
            after: tensors as they are now, by name. What is no tensor is left out.
        """
        now = (each for name, value in after.items() for each in _described(name, value, copied=False))
        self._writer.save(optimizer, step, {**kept, **dict(now)})


def keep(kept: Tensors, name: str, tensors: Iterable[Any]) -> None:
    """Copy tensors as they are now, under a name and their number.

    Args:
        kept: is given them.
        name: such as "calls/0/arguments".
        tensors: what is no dense tensor is left out.
    """
    for number, tensor in enumerate(tensors):
        keep_one(kept, f"{name}/{number}", tensor)


def keep_one(kept: Tensors, name: str, tensor: Any) -> None:
    """Copy a tensor as it is now, under a name; see `keep`."""
    kept.update(_described(name, tensor, copied=True))


def copied_gradients(values: Iterable[torch.Tensor]) -> dict[int, torch.Tensor]:
    """Copies of the gradients of parameters, by the parameters' identity."""
    return {id(value): value.grad.detach().clone() for value in values if value.grad is not None}


def _described(name: str, value: Any, copied: bool) -> Iterator[tuple[str, Tensor]]:
    """A dense tensor of a type that safetensors can store; nothing for anything else."""
    if not isinstance(value, torch.Tensor):
        return
    layout, content, _, shape = contents(value)
    if layout or content is None:
        return
    bytes_ = np.asarray(content).reshape(-1).view(np.uint8).data
    held = bytes(bytes_) if copied else bytes_
    try:
        yield describe(name, str(value.dtype).removeprefix("torch."), tuple(shape), lambda: held)
    except UsageError:
        return
