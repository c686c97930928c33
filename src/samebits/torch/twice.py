"""Executes each operation of torch a second time, on copies of its inputs, and compares the results' bits.

The program continues with the first result, and with what the first execution left of the generators. So it
computes what it would compute alone.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.optim import optimizer as optimizers

from samebits._instead import instead
from samebits._printable import printable
from samebits.framework import FRAMEWORKS
from samebits.torch import operations, twice_modules
from samebits.torch.operations import COMPILED, Given, Named, Operation, Origin
from samebits.torch.twice_compare import difference
from samebits.torch.twice_copies import Copies
from samebits.torch.twice_excluded import why_not
from samebits.twice.told import Place, Process
from samebits.twice.window import Window

FAILED = "what failed the second time"


class Twice:
    """Executes the operations of some steps twice.

    Args:
        process: is told what was compared.
        window: the steps.
    """

    def __init__(self, process: Process, window: Window) -> None:
        self._process, self._window = process, window
        self.begin()

    def begin(self) -> None:
        """This is a new process: its steps count from 1."""
        self._counting: int | None = None  # the optimiser whose steps count, by identity
        self._other: int | None = None  # which has made one since
        self._seen = 0  # the last step in which something was compared
        self.step, self.on = 1, self._window.holds(1)

    def stepped(self, optimizer: Any) -> None:
        """An optimiser has made a step.

        Of several that take turns, as in adversarial training, the steps of the first count; another one's as
        soon as it makes two of them in a row.
        """
        if self._counting not in (None, id(optimizer)) and self._other != id(optimizer):
            self._other = id(optimizer)
            return
        self._counting, self._other = id(optimizer), None
        self._process.steps, self.step = self.step, self.step + 1
        if self.on:
            self._process.write()
        self.on = self._window.holds(self.step)

    def execute(self, operation: Operation, given: Given, named: Named, origin: Origin) -> Any:
        """Execute an operation; twice where that can be.

        Args:
            operation: is called.
            given: its arguments.
            named: those with names.
            origin: where the call comes from.

        Returns:
            The first result.
        """
        if (reason := _why_not(operation, given, named)) is not None:
            if reason:
                self._process.not_covered(reason, _base(operation))
            return operation.call(*given, **named)
        writes = _written(operation, given, named)
        try:
            copies = Copies(given, named, {id(tensor) for _, tensor in writes})
            before = _states(operation, given, named)
        except RuntimeError as error:
            self._failed(operation, error)
            return operation.call(*given, **named)
        result = operation.call(*given, **named)
        after = [(generator, generator.get_state()) for generator, _ in before]
        try:
            for generator, state in before:
                generator.set_state(state)
            again = operation.call(*copies.given, **copies.named)
            self._compare(operation, origin, writes, copies, result, again)
        except Exception as error:  # the program is not to notice it
            self._failed(operation, error)
        finally:
            for generator, state in after:
                generator.set_state(state)
        return result

    def _failed(self, operation: Operation, error: Exception) -> None:
        memory = isinstance(error, torch.OutOfMemoryError)
        self._process.not_covered("too little memory for copies" if memory else FAILED, _base(operation))

    def _compare(
        self,
        operation: Operation,
        origin: Origin,
        writes: list[tuple[str, torch.Tensor]],
        copies: Copies,
        result: Any,
        again: Any,
    ) -> None:
        place = Place(_base(operation), origin.line, origin.module, origin.kind, origin.direction)
        pairs = [(name, tensor, copies.of(tensor)) for name, tensor in writes]
        known = {id(tensor) for _, tensor in writes}
        results = zip(_outputs(operation, result), _outputs(operation, again), strict=True)
        pairs += [(name, first, second) for (name, first), (_, second) in results if id(first) not in known]
        if torch.cuda.is_initialized() and any(first.device.type == "cpu" for _, first, _ in pairs):
            torch.cuda.synchronize()  # what was copied from the device may not be there yet
        self._process.compared(place, len(pairs))
        if self._seen != self.step:
            self._seen, self._process.checked = self.step, self._process.checked + 1
        for name, first, second in pairs:
            differs = difference(name, first, second)
            if differs is not None and self._process.differs(place, differs, self.step, _fix(place)):
                line = f"samebits: step {self.step:,}: {place.words} differs when executed twice: {differs}"
                print(printable(line), file=sys.stderr, flush=True)


def _why_not(operation: Operation, given: Given, named: Named) -> str | None:
    if torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
        return "CUDA graphs"
    return why_not(operation, given, named)


def _fix(place: Place) -> str:
    return instead(place.operation) or FRAMEWORKS["torch"].advice.repeat


def _base(operation: Operation) -> str:
    """Its name without the overload."""
    return operation.name.partition(".")[0] if operation.name != COMPILED else COMPILED


def _written(operation: Operation, given: Given, named: Named) -> list[tuple[str, torch.Tensor]]:
    """What an operation writes into, by the argument's name."""
    return list(_numbered(operation.written(given, named)))


def _outputs(operation: Operation, result: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """What an operation returns, by its schema's name or by number."""
    values = result if isinstance(result, tuple) else (result,)
    partly = operation.partly_written
    return _numbered((operation.output(at), value) for at, value in enumerate(values) if at not in partly)


def _numbered(values: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor by its name; those of a list by their numbers, too."""
    for name, value in values:
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, (list, tuple)):
            yield from _numbered((f"{name}[{at}]", each) for at, each in enumerate(value))


def _states(operation: Operation, given: Given, named: Named) -> list[tuple[torch.Generator, torch.Tensor]]:
    """The generator that an operation draws from, with its state."""
    generator = operation.generator(given, named)
    return [] if generator is None else [(generator, generator.get_state())]


def attach(process: Process, window: Window) -> None:
    """Execute torch's operations twice in this process from now on.

    Args:
        process: is told what was compared.
        window: the steps.
    """
    twice = Twice(process, window)
    os.register_at_fork(after_in_child=twice.begin)
    twice_modules.watch()
    operations.watch(twice.execute, lambda: twice.on, twice_modules.where)
    optimizers.register_optimizer_step_post_hook(lambda optimizer, given, named: twice.stepped(optimizer))
