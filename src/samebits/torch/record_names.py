"""The names under which a record knows tensors: those of the model that was called, whoever trains them."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from samebits.hashing.digest import digest
from samebits.record.format import MISSING
from samebits.record.tables import Tables, Write
from samebits.torch.weights import unwrapped_name


class Models:
    """The modules that were called, and the names of their parameters and buffers.

    A parameter keeps the first name that it got. A name that is taken is given again with the model's class,
    and a number, in front.
    """

    def __init__(self) -> None:
        self._models: dict[int, weakref.ref[nn.Module]] = {}
        self._names: dict[int, tuple[weakref.ref[torch.Tensor], str]] = {}
        self._taken: dict[str, weakref.ref[torch.Tensor]] = {}

    def is_new(self, model: nn.Module) -> bool:
        """Whether it was never added."""
        known = self._models.get(id(model))
        return known is None or known() is not model

    def add(self, model: nn.Module) -> int:
        """Name a model's parameters; returns how many of them had no name.

        Args:
            model: may be added again, when it has more.
        """
        self._models[id(model)] = weakref.ref(model)
        new = [(name, tensor) for name, tensor in parameters(model) if self._name(tensor) is None]
        for name, tensor in new:
            self._take(name, tensor, type(model).__name__)
        return len(new)

    def all(self) -> list[nn.Module]:
        """The models that are there still, in the order in which they were added."""
        return [model for known in self._models.values() if (model := known()) is not None]

    def trained(self) -> list[torch.Tensor]:
        """Every parameter that has a name and wants a gradient, in the order of naming."""
        tensors = (known() for known, _ in self._names.values())
        return [tensor for tensor in tensors if tensor is not None and tensor.requires_grad]

    def names(self, tensors: Sequence[torch.Tensor], otherwise: Callable[[int], str]) -> list[str]:
        """The names of some parameters.

        Args:
            tensors: of an optimiser.
            otherwise: the name of the one at a place that no model has.
        """
        if any(self._name(tensor) is None for tensor in tensors):
            for model in self.all():  # it has got more since
                self.add(model)
        named = []
        for number, tensor in enumerate(tensors):
            name = self._name(tensor)
            named.append(self._take(otherwise(number), tensor, "optimizer") if name is None else name)
        return named

    def _name(self, tensor: torch.Tensor) -> str | None:
        known = self._names.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else None

    def _take(self, name: str, tensor: torch.Tensor, owner: str) -> str:
        wanted, number = name, 1
        while (holder := self._taken.get(name)) is not None and holder() is not None:
            name = f"{owner}{f'-{number}' if number > 1 else ''}.{wanted}"
            number += 1
        known = weakref.ref(tensor)
        self._names[id(tensor)], self._taken[name] = (known, name), known
        return name


def parameters(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """A model's parameters, each once, under their names without those of wrappers."""
    return ((unwrapped_name(model, name), tensor) for name, tensor in model.named_parameters())


def buffers(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """A model's buffers, each once, under their names without those of wrappers."""
    return ((unwrapped_name(model, name), tensor) for name, tensor in model.named_buffers())


def tables(write: Write) -> Tables:
    """The tables of names of a record."""
    return Tables(write, _outline, lambda value: (shape(value), dtype(value)))


def _outline(value: Any) -> tuple[Any, Any]:
    """A value's shape and type, as a table has them; fast, since this runs for each tensor of each step."""
    if type(value) in (torch.Tensor, nn.Parameter):
        return value.shape, value.dtype
    return shape(value), dtype(value)


def shape(value: Any) -> list[int]:
    """A tensor's shape; empty for what is none, or has none yet."""
    if not isinstance(value, torch.Tensor) or nn.parameter.is_lazy(value):
        return []
    return [size if isinstance(size, int) else -1 for size in value.shape]


def dtype(value: Any) -> str:
    """A tensor's type of numbers, or the type of what is no tensor."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype).removeprefix("torch.")
    return type(value).__name__


def digests(values: Iterable[Any]) -> str:
    """The digests of values in one string; MISSING for None and for a tensor without values."""
    parts = []
    for value in values:
        unread: set[str] = set()
        text = MISSING if value is None else digest(value, unread)
        parts.append(MISSING if unread and isinstance(value, torch.Tensor) else text)
    return "".join(parts)
