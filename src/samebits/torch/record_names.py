"""The names under which a record knows tensors: those of the model that was called, whoever trains them."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
import xxhash
from torch import nn

from samebits.hashing.digest import digest, seed
from samebits.record.format import MISSING
from samebits.torch.device_digest import KIND, device_digests, is_for
from samebits.torch.weights import unwrapped_name

PLAIN = (torch.Tensor, nn.Parameter)

Write = Callable[[dict[str, Any]], None]


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

    def parameters(self) -> list[torch.Tensor]:
        """Every parameter that has a name, in the order of naming."""
        return [tensor for known, _ in self._names.values() if (tensor := known()) is not None]

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


def buffers(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """A model's buffers, each once, under their names without those of wrappers."""
    named = _walk(model) if type(model).named_buffers is nn.Module.named_buffers else model.named_buffers()
    return [(unwrapped_name(model, name), tensor) for name, tensor in named]


def _walk(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """What `named_buffers` gives, in a third of its time: it is asked twice in each step."""
    seen: set[int] = set()
    named: list[tuple[str, torch.Tensor]] = []

    def visit(module: nn.Module, before: str) -> None:
        seen.add(id(module))
        for name, tensor in module._buffers.items():
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                named.append((before + name, tensor))
        for name, child in module._modules.items():
            if child is not None and id(child) not in seen:
                visit(child, f"{before}{name}.")

    visit(model, "")
    return named


class Tables:
    """The `names` lines of a record, each written before the first string that follows it.

    Args:
        write: writes a line.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._number = 0
        self._last: dict[tuple[str, Any], tuple[Any, int]] = {}

    def number(
        self, kind: str, of: Any, owner: str, names: Sequence[str], values: Sequence[Any]
    ) -> tuple[int, str]:
        """The number of a table of names, which is written if it is another one than before, and the digests.

        Args:
            kind: "parameters", "buffers" or "state".
            of: whose they are.
            owner: the class of that.
            names: one for each value.
            values: tensors, or other parts of a state.
        """
        read, outlines = _read(values)
        known = self._last.get((kind, of))
        if known is not None and known[0] == (names, outlines):
            return known[1], read
        content = (list(names), outlines)
        number, self._number = self._number, self._number + 1
        self._last[kind, of] = (content, number)
        shapes, dtypes = [shape(value) for value in values], [dtype(value) for value in values]
        table = {"names": list(names), "shapes": shapes, "dtypes": dtypes}
        if any(kinds := [KIND if is_for(value) else "" for value in values]):
            table["digests"] = kinds
        self._write({"event": "names", "id": number, "kind": kind, "owner": owner, **table})
        return number, read


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
    return _read(values)[0]


def _read(values: Iterable[Any]) -> tuple[str, list[Any]]:
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
    for at, text in zip(elsewhere, device_digests([*elsewhere.values()]), strict=True):
        parts[at] = text
    return "".join(parts), outlines
