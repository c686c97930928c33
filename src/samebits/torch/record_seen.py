"""What belongs to a step in torch: what a thread has done since the last one."""

import threading
import weakref
from collections.abc import Callable
from operator import is_
from typing import Any

import torch
from torch import nn

from samebits.hashing.weights import Tensor
from samebits.record.evaluated import Evaluated
from samebits.torch.record_digests import digests
from samebits.torch.record_samples import Asked
from samebits.torch.record_values import copied_gradients


class Trained:
    """An optimiser.

    Attributes:
        number: in the order in which they were made.
        steps: that it has made.
    """

    def __init__(self, number: int) -> None:
        self.number, self.steps = number, 0
        self._names: tuple[list[weakref.ref[torch.Tensor]], list[str]] = ([], [])

    def names(self, values: list[torch.Tensor], find: Callable[[], list[str]]) -> list[str]:
        """The names of its parameters.

        Args:
            values: these.
            find: finds their names, where they are not the same tensors as in the step before.
        """
        before, names = self._names
        if len(before) != len(values) or not all(map(is_, (known() for known in before), values)):
            names = find()
            self._names = [weakref.ref(value) for value in values], names
        return names


class Running:
    """A step of an optimiser that has begun.

    Attributes:
        trained: the optimiser.
        values: its parameters.
        first: called once, before it changes them; None where that has been done.
        gradients: their digests when it used them; None as long as it has none.
        copies: of these gradients, where they are asked for.
    """

    def __init__(
        self, trained: Trained, values: list[torch.Tensor], first: Callable[[], None] | None
    ) -> None:
        self.trained, self.values, self.first = trained, values, first
        self.gradients: str | None = None
        self.copies: dict[int, torch.Tensor] | None = None

    def look(self) -> str:
        """The gradients are those that the optimiser uses."""
        if self.first is not None:
            self.first = self.first()
        if self.copies is not None:
            self.copies = copied_gradients(self.values)
        self.gradients = digests(value.grad for value in self.values)
        return self.gradients


class Pending(threading.local):
    """What this thread has done since the last step."""

    def __init__(self) -> None:
        self.inside = False  # of an outermost call
        self.looks_inside = False  # there are lines inside the step that is computed
        self.backwards = 0  # calls of backward that run in this thread
        # Python did not start this thread, so autograd may have: it has one for each GPU.
        self.autograds = threading.get_ident() not in threading._active  # type: ignore[attr-defined]
        self.evaluated: Evaluated | None = None
        self.running: list[Running] = []  # the innermost last
        self.clear()

    def clear(self) -> None:
        """A step has ended."""
        self.calls: list[dict[str, Any]] = []
        # The models. They stay until then: what a step says must not depend on when memory is freed.
        self.called: dict[int, nn.Module] = {}  # by their identity
        self.samples: list[Asked] = []  # of each batch that a data loader gave
        self.losses: list[list[Any]] = []
        self.known: dict[int, torch.Tensor] | None = None  # parameters, while a backward runs
        self.held: set[int] | None = None  # parameters with a gradient before the first backward
        self.before: dict[str, str] | None = None  # the generators
        self.gradients: dict[int, str] = {}  # after the last backward, by the parameters' identity
        self.copies: dict[int, torch.Tensor] = {}  # of these, in a step whose values are asked for
        self.kept: dict[str, Tensor] = {}  # the other tensors of such a step
