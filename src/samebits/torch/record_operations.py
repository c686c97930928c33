"""Calls of operations within a step, as lines of a record: what goes into each, and what comes out.

Inputs are read before the call, since operations write in place. What a call only overwrites is no input. An
operation that gives memory which nobody wrote (`empty`) has no line, and neither have views. A result of
which somebody wrote a part only has no digest, neither as an output nor as an input of its backward.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
import xxhash

from samebits.record.format import MISSING, OPERATION
from samebits.record.occurrences import Occurrences
from samebits.record.tables import Write
from samebits.record.values import of_operation
from samebits.torch.device_digest import KIND, is_for
from samebits.torch.operations import COMPILED, Given, Named, Operation, Origin, is_entered
from samebits.torch.record_digests import digests, dtype, shape
from samebits.torch.record_values import Tensors, keep

WORDS = (bool, int, float, complex, str, torch.dtype, torch.layout, torch.memory_format, torch.device)
ALONE = ["output 0"]
LONGEST = 200  # characters of the arguments that are no tensors
INSIDE_GRAPHS = "the operations inside of graphs that torch.compile has made: each graph is one operation"
OWN = "own"  # the name of a generator that is none of the global ones

Look = Callable[..., Any]


class Count(Occurrences):
    """How often each operation was called since the last step.

    Attributes:
        held: bytes of the outputs that were copied since then.
    """

    held = 0

    def begin_step(self) -> None:
        """What was counted belongs to an earlier step."""
        super().begin_step()
        self.held = 0


class Counts(threading.local):
    """Those of this thread."""

    def __init__(self) -> None:
        self.count = Count()


class Operations:
    """The calls of operations in this process that are recorded: a `samebits.torch.operations.Listener`.

    Args:
        write: writes a line.
        look: calls what looks, so that the program does not notice.
        after: the steps that each optimiser has made, by its number as text.
        about: what the line of the innermost module call that runs begins with; None outside of all.
        kept: where copies of the outputs are put; None where nobody asks for them.
        most: bytes of these copies in one step.
    """

    def __init__(
        self,
        write: Write,
        look: Look,
        after: Callable[[], dict[str, int]],
        about: Callable[[], Mapping[str, Any] | None],
        kept: Callable[[], Tensors | None],
        most: int,
    ) -> None:
        self._write, self._look, self._after, self._about = write, look, after, about
        self._kept, self._most = kept, most
        self._counts, self._of_autograd = Counts(), Count()
        self._told = False

    def __call__(self, operation: Operation, given: Given, named: Named, origin: Origin) -> Any:
        """Execute an operation, and write its line."""
        if operation.unwritten:
            return operation.call(*given, **named)
        line = self._look(self._before, operation, given, named, origin)
        result = operation.call(*given, **named)
        if line is not None:
            self._look(self._write_line, line, operation, given, named, result)
        return result

    def _before(self, operation: Operation, given: Given, named: Named, origin: Origin) -> dict[str, Any]:
        if operation.name == COMPILED and not self._told:
            self._told = True
            self._write({"event": "unseen", "what": INSIDE_GRAPHS})
        about, after = self._about(), self._after()
        evaluates = about is not None and about.get("evaluation", False)
        count, thread = self._count(), ""
        if is_entered() and (this := threading.current_thread()) is not threading.main_thread():
            thread = this.name
        who = (str(evaluates), origin.direction, origin.module, origin.model, operation.name)
        line: dict[str, Any] = {
            "event": OPERATION,
            "after": after,
            **({"evaluation": True} if evaluates else {}),
            **({"thread": thread} if thread else {}),
            "direction": origin.direction,
            "module": origin.module,
            "class": origin.kind,
            "model": origin.model,
            "name": operation.name,
            "occurrence": count.count(after, *who),
            "line": origin.line,
        }
        given_tensors: list[Any] = []
        unread = operation.overwritten | operation.partly_read
        words: list[str] = []
        for at, value in enumerate(given):
            _split(value, given_tensors, words, at in unread)
        for key, value in named.items():
            of_key: list[str] = []
            _split(value, given_tensors, of_key, key in unread)
            words += [f"{key}={' '.join(of_key)}"] if of_key else []
        line["inputs"] = _digests(given_tensors, line)
        if words:
            line["settings"] = _short(", ".join(words))
        if (generator := operation.generator(given, named)) is not None:
            line["generators"] = {_name(generator): [_state(generator)]}
        return line

    def _count(self) -> Count:
        """This thread's; threads of autograd's own compute what another one waits for."""
        return self._counts.count if is_entered() else self._of_autograd

    def _write_line(
        self, line: dict[str, Any], operation: Operation, given: Given, named: Named, result: Any
    ) -> None:
        names, outputs = outputs_of(operation, given, named, result)
        # What processes exchange may be there later only.
        line["outputs"] = MISSING * len(outputs) if operation.collective else _digests(outputs, line)
        line["shapes"], line["dtypes"] = list(map(shape, outputs)), list(map(dtype, outputs))
        if names != ALONE:
            line["of"] = names
        if (generator := operation.generator(given, named)) is not None:
            (states,) = line["generators"].values()
            states.append(_state(generator))
            if states[0] == states[1]:
                del line["generators"]
        self._write(line)
        if not line.get("evaluation") and not line.get("thread"):
            self._keep(line, outputs)

    def _keep(self, line: dict[str, Any], outputs: list[Any]) -> None:
        if (kept := self._kept()) is None:
            return
        count = self._count()
        dense = (each for each in outputs if each is not None and each.layout is torch.strided)
        size = sum(each.numel() * each.itemsize for each in dense)
        if count.held + size > self._most:
            return
        count.held += size
        keep(kept, of_operation(line), outputs)


def outputs_of(operation: Operation, given: Given, named: Named, result: Any) -> tuple[list[str], list[Any]]:
    """What a call has returned and written: names, and tensors; None for one not computed, or only in part.

    Args:
        operation: was called.
        given: its arguments.
        named: those with names.
        result: what it returned.
    """
    written: list[tuple[str, Any]] = []
    for name, value in operation.written(given, named):
        _add(name, value, written)
    own = {id(tensor): name for name, tensor in written}
    returned: list[tuple[str, Any]] = []
    if isinstance(result, tuple | list):
        for number, part in enumerate(result):
            if number in operation.partly_written:
                own.pop(id(part), None)
                part = None
            _add(operation.output(number), part, returned)
    else:
        _add(operation.output(0), result, returned)
    outputs = [(own.pop(id(tensor), name), tensor) for name, tensor in returned]
    outputs += [(name, tensor) for name, tensor in written if id(tensor) in own]
    return [name for name, _ in outputs], [tensor for _, tensor in outputs]


def _add(name: str, value: Any, to: list[tuple[str, Any]]) -> None:
    if isinstance(value, torch.Tensor) or value is None:
        to.append((name, value))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            _add(f"{name}[{number}]", part, to)


def _split(value: Any, tensors: list[Any], words: list[str], unread: bool) -> None:
    """Tensors, None for one that is not read, and the words for what is none; of an object, its class."""
    if isinstance(value, torch.Tensor):
        tensors.append(None if unread else value)
    elif value is None or isinstance(value, WORDS):
        words.append(repr(value))
    elif isinstance(value, list | tuple):
        words.append(f"{len(value)}")
        for part in value:
            _split(part, tensors, words, unread)
    elif not isinstance(value, torch.Generator):
        words.append(type(value).__qualname__)


def _short(text: str) -> str:
    """The text, or its beginning and its digest, so that other texts stay others."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… {xxhash.xxh3_64_hexdigest(text.encode())}"


def _digests(tensors: list[Any], line: dict[str, Any]) -> str:
    if any(map(is_for, tensors)):
        line["digest"] = KIND
    return digests(tensors)


def _name(generator: torch.Generator) -> str:
    """The name of a generator, as those of the global ones in other events."""
    if generator is torch.default_generator:
        return "torch"
    if generator.device.type == "cuda" and generator in torch.cuda.default_generators:
        return str(generator.device)
    return OWN


def _state(generator: torch.Generator) -> str:
    return xxhash.xxh3_128_hexdigest(generator.get_state().numpy().tobytes())
