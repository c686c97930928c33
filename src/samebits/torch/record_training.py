"""What a training in torch computes, step by step, as lines of a record.

A step is one call of an optimiser's `step`. What was called and what backward was called on since the last
step of this thread belong to it.
"""

import functools
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch import nn

from samebits.hashing.digest import digest
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER, DIGITS, MISSING
from samebits.record.moves import CODE
from samebits.record.names import Models
from samebits.record.places import line_of
from samebits.record.tables import Tables, Write
from samebits.record.training import (
    MOST_CALLS,
    MOST_LAYERS,
    MOST_LOSSES,
    MOST_ROWS,
    gradients,
    number,
    settings,
)
from samebits.torch.record_digests import (
    described,
    digest_of,
    digests,
    read,
    rows_of,
    shape,
    tensors_of,
    with_values,
)
from samebits.torch.record_epochs import Epochs
from samebits.torch.record_generators import Generators
from samebits.torch.record_layers import Entered, Layers
from samebits.torch.record_names import buffers, class_of, other_modes, parameters
from samebits.torch.record_samples import Samples
from samebits.torch.record_seen import Evaluated, Pending, Running, Trained
from samebits.torch.record_values import Tensors, Values, copied_gradients, keep


class Training:
    """The models and optimisers of this process.

    Args:
        write: writes a line of the record.
        values: writes the tensors themselves, where they are asked for.
        look: calls what looks, so that the program does not notice.

    Attributes:
        layers: the calls of modules within steps.
        pending: of the thread that asks.
        generators: the global ones.
        epochs: of the data loaders.
    """

    def __init__(self, write: Write, values: Values, look: Callable[..., Any]) -> None:
        self._write, self._values, self._look_at = write, values, look
        self.begin()

    def begin(self) -> None:
        """Nothing was seen yet: in this process, or in its file."""
        self.pending = Pending()
        self._backwards: list[int] = []  # the thread of each call that runs now
        self.generators, self.epochs, self._samples = Generators(), Epochs(), Samples()
        self.layers = Layers(self._write, self.generators, self._look_at, self._backwards)
        self._models, self._tables = Models(parameters, class_of), Tables(self._write)
        self._settings = False
        self._optimizers: weakref.WeakKeyDictionary[Any, Trained] = weakref.WeakKeyDictionary()
        self._made = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()  # optimisers whose parameters were seen

    def add(self, optimizer: Any) -> Trained:
        """An optimiser is made."""
        if optimizer not in self._optimizers:
            self._optimizers[optimizer] = Trained(self._made)
            self._made += 1
        return self._optimizers[optimizer]

    def steps_of(self, optimizer: Any) -> int | None:
        """How many steps an optimiser has made; None where it was not made in this process."""
        known = self._optimizers.get(optimizer) if isinstance(optimizer, torch.optim.Optimizer) else None
        return None if known is None else known.steps

    def counts(self) -> list[int]:
        """How many steps each optimiser has made."""
        return [each.steps for each in self._optimizers.values()]

    # ------------------------------------------------------------ layers
    def enter_layer(
        self,
        module: nn.Module,
        given: tuple[Any, ...],
        named: Mapping[str, Any],
        evaluation: bool,
        frame: FrameType,
    ) -> Entered | None:
        """A module is called, inside of a model or as one: see `Layers.enter`."""
        about = {"after": self.after(), "evaluation": evaluation}
        return self.layers.enter(module, given, named, frame, about)

    def leave_layer(self, entered: Entered, module: nn.Module, result: Any, frame: FrameType) -> None:
        """It has returned: see `Layers.leave`."""
        self.layers.leave(entered, module, result, frame, self.kept())

    def kept(self) -> Tensors | None:
        """Where copies are put of what this thread computes now; None where nobody asks for them."""
        return self.pending.kept if self._keeps() else None

    def after(self) -> dict[str, int]:
        """How many steps each optimiser has made that has made any, by its number as text."""
        return {str(each.number): each.steps for each in self._optimizers.values() if each.steps}

    def _keeps(self) -> bool:
        """Whether the tensors of the step that is being computed are asked for."""
        return self._values.wanted(self.counts())

    # ------------------------------------------------------------ calls of modules
    def before_call(
        self, model: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any], grad: bool, frame: FrameType
    ) -> Callable[[Any, FrameType], None] | None:
        """An outermost call begins.

        Args:
            model: is called.
            given: the arguments.
            named: those with names.
            grad: whether it is called with gradients.
            frame: who calls it.

        Returns:
            What is to be called with its result and the caller; None where it is no more listed.
        """
        before = self.generators.look(CODE, frame)
        if self._models.is_new(model):
            self._first_seen(model, frame)
        arguments: Any = given
        if named:
            arguments = (given, dict(named))
        elif len(given) == 1:
            arguments = given[0]
        if not grad:
            return self._evaluate(model, arguments, frame)
        self._end_evaluation()
        pending = self.pending
        if pending.before is None:
            pending.before = before
        tensors = list(tensors_of(arguments))
        first = next((tensor for tensor in tensors if tensor.dim()), None)
        rows = shape(first)[:1]  # a nested tensor has none
        few_rows = first is not None and not first.requires_grad and rows and rows[0] <= MOST_ROWS
        if len(pending.calls) == MOST_CALLS:  # a program that never trains, without `torch.no_grad()`
            return None
        pending.called[id(model)] = model
        call = {
            "module": class_of(model),
            "training": model.training,
            "arguments": "",
            "shapes": [shape(tensor) for tensor in tensors],
            "rows": rows_of(first) if first is not None and few_rows else None,
        }
        call["arguments"] = digest_of(arguments, call)
        if types := _autocast():
            call["autocast"] = types
        if layers := other_modes(model):
            call["other_mode"] = layers[:MOST_LAYERS]
        kept, place = pending.kept if self._keeps() else None, f"calls/{len(pending.calls)}"
        pending.calls.append(call)
        if kept is not None:
            keep(kept, f"{place}/arguments", tensors)

        def returned(result: Any, frame: FrameType) -> None:
            self.generators.look(f"the forward pass of {call['module']}", frame)
            call["outputs"] = digest_of(result, call)
            if kept is not None:
                keep(kept, f"{place}/outputs", tensors_of(result))

        return returned

    def _evaluate(self, model: nn.Module, arguments: Any, frame: FrameType) -> Callable[..., None]:
        if (evaluated := self.pending.evaluated) is None:
            evaluated = self.pending.evaluated = Evaluated(line_of(frame), self.after())
        self.epochs.evaluate()
        self.pending.samples = []  # these were for the evaluation
        evaluated.count += 1
        evaluated.mode(model.training, other_modes(model))
        if class_of(model) not in evaluated.models:
            evaluated.models.append(class_of(model))
        evaluated.arguments.update(digest_of(arguments, evaluated.kind).encode())

        def returned(result: Any, frame: FrameType) -> None:
            evaluated.generators = self.generators.look(f"evaluation by {class_of(model)}", frame)
            evaluated.moves += self.generators.take()
            evaluated.outputs.update(digest_of(result, evaluated.kind).encode())

        return returned

    def _end_evaluation(self) -> None:
        if (evaluated := self.pending.evaluated) is None:
            return
        self.pending.evaluated = None
        self._write(evaluated.event())

    def _first_seen(self, model: nn.Module, frame: FrameType) -> None:
        new = self._models.add(model)
        own = list(parameters(model))
        held = buffers(model)
        if not new and (own or not held):
            return  # a loss, an activation, or a part of a model that was seen
        values = [parameter for _, parameter in own]
        names = self._models.names(values, "parameter-{}".format)
        self._initial(class_of(model), id(model), names, values, held, frame)

    def _initial(
        self,
        owner: str,
        of: int,
        names: list[str],
        values: list[torch.Tensor],
        held: list[tuple[str, torch.Tensor]],
        frame: FrameType,
    ) -> None:
        self._write_settings([*values, *(buffer for _, buffer in held)])
        tables = self._read(of, {"parameters": (owner, names, values), "buffers": (owner, *_split(held))})
        self._write({
            "event": "initial",
            "model": owner,
            "line": line_of(frame),
            **tables,
            "generators": self.generators.look(CODE, frame),
            "moves": self.generators.take(),
        })  # fmt: skip

    def _read(self, of: Any, tables: Mapping[str, tuple[str, list[str], Sequence[Any]]]) -> dict[str, Any]:
        """The number of each table of names, and the digests of its values: read together, which copies once.

        Args:
            of: whose they are.
            tables: by kind, the class of that, the names and the values.

        Returns:
            "names" and each kind, as a line has them.
        """
        text, outlines = read([value for _, _, values in tables.values() for value in values])
        line: dict[str, Any] = {"names": {}}
        at = 0
        for kind, (owner, names, values) in tables.items():
            end = at + len(values)
            describe = functools.partial(described, values)
            number = self._tables.number(kind, of, owner, names, outlines[at:end], describe)
            line["names"][kind], line[kind] = number, text[DIGITS * at : DIGITS * end]
            at = end
        return line

    def _write_settings(self, tensors: list[torch.Tensor]) -> None:
        if self._settings:
            return
        self._settings = True
        device = "cuda" if any(tensor.is_cuda for tensor in tensors) else "cpu"
        ranks = {}
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            ranks = {"rank": torch.distributed.get_rank(), "world_size": torch.distributed.get_world_size()}
        self._write(settings("torch", device, **ranks))

    # ------------------------------------------------------------ backward
    @property
    def backwards(self) -> bool:
        """Whether this thread computes a backward, or belongs to autograd while another one does."""
        pending = self.pending
        return bool(pending.backwards or (self._backwards and pending.autograds))

    def begin_backward(self) -> None:
        """A call of backward begins in this thread."""
        self.pending.backwards += 1
        self._backwards.append(threading.get_ident())

    def end_backward(self) -> None:
        """It has ended."""
        self._backwards.remove(threading.get_ident())
        self.pending.backwards -= 1

    def before_backward(self, tensors: Any, frame: FrameType) -> None:
        """Backward is called on one tensor or several."""
        before = self.generators.look(CODE, frame)
        self._end_evaluation()
        pending = self.pending
        if pending.before is None:
            pending.before = before
        pending.known = None  # of a backward that was ended by an exception
        if pending.held is None:
            pending.known = self._known()
            pending.held = with_values({of: each.grad for of, each in pending.known.items()})
        if len(pending.losses) < MOST_LOSSES:
            roots = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
            value = roots[0].item() if len(roots) == 1 and roots[0].numel() == 1 else None
            loss = roots[0] if len(roots) == 1 else roots
            if self._keeps():
                keep(pending.kept, f"losses/{len(pending.losses)}", roots)
            pending.losses.append([digest(loss), _number(value)])

    def after_backward(self, frame: FrameType) -> None:
        """All gradients of this backward are there."""
        self.generators.look("backward", frame)
        self.layers.backward_ended()
        known, self.pending.known = self.pending.known or self._known(), None
        there = {of: grad for of, parameter in known.items() if (grad := parameter.grad) is not None}
        text = digests(there.values())
        self.pending.gradients = {of: text[DIGITS * at : DIGITS * (at + 1)] for at, of in enumerate(there)}
        if self._keeps():
            self.pending.copies = copied_gradients(known.values())

    def _known(self) -> dict[int, torch.Tensor]:
        """The parameters of models and optimisers, by their identity."""
        known = {id(parameter): parameter for parameter in self._models.parameters()}
        for each in self._optimizers:
            known.update((id(parameter), parameter) for parameter in _parameters(each))
        return known

    # ------------------------------------------------------------ steps
    def before_step(self, optimizer: Any, frame: FrameType, computed: bool) -> Running:
        """An optimiser's step begins.

        Args:
            optimizer: whose.
            frame: who called it.
            computed: the gradients are there already; else a closure computes them within the step.
        """
        before = self.generators.look(CODE, frame)
        self._end_evaluation()
        pending = self.pending
        if pending.before is None:
            pending.before = before
        values = _parameters(optimizer)
        first = None if optimizer in self._seen else lambda: self._see(optimizer, values, frame)
        running = Running(self.add(optimizer), values, first)
        running.copies = {} if self._keeps() else None
        pending.running.append(running)
        if computed:
            running.look()
        return running

    def _see(self, optimizer: Any, values: list[torch.Tensor], frame: FrameType) -> None:
        """The parameters that no module has that was called, before the first step changes them."""
        self._seen.add(optimizer)
        names = self._names(optimizer, values)
        own = f"optimizer.{self.add(optimizer).number}."
        new = [(name, value) for name, value in zip(names, values, strict=True) if name.startswith(own)]
        if new:
            owner = type(optimizer).__name__
            self._initial(
                owner, id(optimizer), [name for name, _ in new], [value for _, value in new], [], frame
            )

    def _names(self, optimizer: Any, values: list[torch.Tensor]) -> list[str]:
        trained = self.add(optimizer)

        def find() -> list[str]:
            places = [
                f"optimizer.{trained.number}.{at}.{number}"
                for at, group in enumerate(optimizer.param_groups)
                for number, _ in enumerate(group["params"])
            ]
            return self._models.names(values, places.__getitem__)

        return trained.names(values, find)

    def after_step(self, optimizer: Any, frame: FrameType) -> None:
        """An optimiser's step has ended."""
        inside = getattr(optimizer, "found_inf", None)  # of a GradScaler that leaves it to the optimiser
        self._step(optimizer, inside is not None and bool(inside), frame)

    def skipped(self, optimizer: Any, frame: FrameType) -> None:
        """A GradScaler has not called an optimiser's step."""
        self.before_step(optimizer, frame, True)
        self._step(optimizer, True, frame)

    def _step(self, optimizer: Any, skipped: bool, frame: FrameType) -> None:
        try:
            self._write_step(optimizer, skipped, frame)
        finally:  # what cannot be recorded is no part of the next step
            self.pending.clear()

    def _write_step(self, optimizer: Any, skipped: bool, frame: FrameType) -> None:
        pending, trained, owner = self.pending, self.add(optimizer), type(optimizer).__name__
        after = self.generators.look(f"the step of {owner}", frame)
        while (running := pending.running.pop()).trained is not trained:
            pass  # an earlier one that was ended by an exception
        trained.steps += 1
        values, names = running.values, self._names(optimizer, running.values)
        held = list(
            {
                id(buffer): (name, buffer)
                for each in pending.called.values()
                for name, buffer in buffers(each)
            }.values()
        )
        called = ", ".join(dict.fromkeys(map(class_of, pending.called.values())))
        state = _state(optimizer, names, values)
        tables = self._read(
            trained,
            {
                "parameters": (owner, names, values),
                "buffers": (called, *_split(held)),
                "state": (owner, *state),
            },
        )
        used = running.gradients if running.gradients is not None else running.look()
        after_backward = "".join(pending.gradients.get(id(value), MISSING) for value in values)
        seen = gradients(after_backward, used)
        held_before = sum(id(value) in (pending.held or ()) for value in values)
        self._write({
            "event": "step",
            "optimizer": trained.number,
            "class": owner,
            "step": trained.steps,
            "skipped": skipped,
            "line": line_of(frame),
            "calls": pending.calls,
            **({"samples": pending.samples} if pending.samples else {}),
            "losses": pending.losses,
            "lrs": [_number(group.get("lr")) for group in optimizer.param_groups],
            "names": tables["names"],
            "gradients": seen,
            **({"held": held_before} if held_before else {}),
            "parameters": tables["parameters"],
            "buffers": tables["buffers"],
            "state": tables["state"],
            "epoch": self.epochs.step(),
            "generators": {"before": pending.before, "after": after},
            "moves": self.generators.take(),
        })  # fmt: skip
        if self._values.holds(trained.steps):  # the names alone would cost each step some time
            copies = {AFTER_BACKWARD: pending.copies, AT_OPTIMIZER: running.copies or {}}
            self._values.write(trained.number, trained.steps, pending.kept, {
                **{
                    f"gradients/{when}/{name}": copies[when].get(id(value))
                    for when in seen
                    for name, value in zip(names, values, strict=True)
                },
                **{f"parameters/{name}": value for name, value in zip(names, values, strict=True)},
                **{f"buffers/{name}": buffer for name, buffer in held},
                **{f"state/{name}": value for name, value in zip(*state, strict=True)},
            })  # fmt: skip

    # ------------------------------------------------------------ data
    def before_data(self, frame: FrameType) -> int:
        """A data loader's iterator is made, or asked for a batch; returns how many were made before."""
        self.generators.look(CODE, frame)
        return self.epochs.begun

    def iterator_made(self, loader: Any, iterator: Any, known: int | None, frame: FrameType) -> None:
        """A data loader has made an iterator, or has begun again with the one that it has."""
        kind = type(loader).__name__
        name = "data loader" if kind.startswith("_") else kind  # what fastai passes in place of its own
        self.generators.look(f"iter() of a {name}", frame)
        if known == self.epochs.begun:
            self.epochs.begin(loader, iterator)

    def batch_given(self, iterator: Any, over: bool, frame: FrameType) -> None:
        """An iterator of a data loader has given a batch, or came to its end."""
        self.generators.look("the next batch of a data loader", frame)
        self.epochs.batch(iterator, over)
        asked = self._samples.give(iterator)  # also where it raised an exception
        if asked and not over and len(self.pending.samples) < MOST_CALLS:
            self.pending.samples.append(asked)

    def batch_asked(self, iterator: Any, indices: Any) -> None:
        """A sampler has given the indices of a batch."""
        self._samples.ask(iterator, indices)

    def end(self) -> None:
        """The process ends."""
        self._end_evaluation()


def _parameters(optimizer: Any) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _state(optimizer: Any, names: list[str], values: list[torch.Tensor]) -> tuple[list[str], list[Any]]:
    """The parts of an optimiser's state, by the name of their parameter: "conv.weight.momentum_buffer"."""
    parts, contents = [], []
    for name, parameter in zip(names, values, strict=True):
        for key, value in (optimizer.state.get(parameter) or {}).items():
            parts.append(f"{name}.{key}")
            contents.append(value)
    return parts, contents


def _autocast() -> str:
    """The types into which autocast converts, by kind of device; "" where it is off."""
    kinds = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    types = (str(torch.get_autocast_dtype(kind)).removeprefix("torch.") for kind in kinds)
    return ", ".join(f"autocast to {type_} on {kind}" for kind, type_ in zip(kinds, types, strict=True))


def _split(named: list[tuple[str, torch.Tensor]]) -> tuple[list[str], list[torch.Tensor]]:
    return [name for name, _ in named], [tensor for _, tensor in named]


def _number(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.item() if value.numel() == 1 else None
    return number(value)
