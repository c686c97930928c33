"""Calls of modules within a step, as lines of a record: what goes into each, and what comes out, both ways.

No module has a hook: a module's hooks turn `nn.TransformerEncoder`'s fast path off. What such a path computes
is one call, and so is what torch.compile has compiled. How backward is looked at: record_gradients.
"""

import itertools
import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
from torch import nn

from samebits.hashing.digest import digest
from samebits.record.format import DIGITS, LAYER, MISSING
from samebits.record.moves import CODE
from samebits.record.occurrences import Occurrences
from samebits.record.places import line_of
from samebits.record.tables import Write
from samebits.record.values import of_layer
from samebits.torch.device_digest import KIND, is_for
from samebits.torch.record_digests import dtype, shape, tensors_of
from samebits.torch.record_generators import Generators
from samebits.torch.record_gradients import Back, Edge, Names, Passes, edges, hooked, is_inside, origins
from samebits.torch.record_memo import Memo
from samebits.torch.record_names import class_of
from samebits.torch.record_values import Tensors, keep
from samebits.torch.weights import inner, unwrapped_name

SAID = ("line", "training", "settings")  # of a call that its backward says again


class Entered:
    """A call of a module that has begun.

    Attributes:
        about: what its lines begin with: all by which they are known but how often it was there.
        line: what else its line has.
        of: the outermost model.
        start: the sequence number of the first node of autograd's graph that it makes.
        number: of this call, in the order in which they began.
        compiled: nothing is recorded of what it consists of.
        generators: their states before it.
        parts: the edges that leave the graphs of the calls within, by the nodes of what these returned.
        origins: where the tensors come from that it is called with; there are `several` of them, or not.
    """

    def __init__(self, about: dict[str, Any], of: nn.Module, number: int, compiled: bool) -> None:
        self.about, self.of, self.number, self.compiled = about, of, number, compiled
        self.start = 0
        self.line: dict[str, Any] = {}
        self.generators: dict[str, str] = {}
        self.origins: dict[tuple[Any, int], int] = {}
        self.several = False
        self.parts: dict[Any, list[Edge]] = {}


class State(threading.local):
    """What this thread computes.

    Args:
        passes: what backward goes through, in any thread.

    Attributes:
        stack: the calls that run, the innermost last.
    """

    def __init__(self, passes: Passes) -> None:
        self.stack: list[Entered] = []
        self.passes = passes
        self._occurrences = Occurrences()

    def count(self, about: Mapping[str, Any]) -> int:
        """How often this was there since the last step, this time included.

        Args:
            about: what a line begins with.
        """
        who = (about.get(name) for name in ("evaluation", "direction", "module", "model", "name"))
        return self._occurrences.count(about["after"], *who)


class Layers:
    """The calls of modules in this process that are recorded.

    Args:
        write: writes a line.
        generators: the global ones.
        look: calls what looks, so that the program does not notice.
        backwards: the numbers of the threads in which a backward runs.

    Attributes:
        state: of the thread that asks.
    """

    def __init__(
        self, write: Write, generators: Generators, look: Callable[..., Any], backwards: Collection[int]
    ) -> None:
        self._write, self._generators = write, generators
        self._memo = Memo()
        self._passes = Passes(look, self._memo.digests, backwards)
        self.state = State(self._passes)
        self._numbers = itertools.count()
        self._paths: weakref.WeakKeyDictionary[nn.Module, weakref.WeakKeyDictionary[nn.Module, str]] = (
            weakref.WeakKeyDictionary()
        )  # of the modules in each outermost model
        self._last: weakref.WeakKeyDictionary[nn.Module, weakref.ref[nn.Module]] = (
            weakref.WeakKeyDictionary()
        )  # the outermost model in which each was called
        self._names = Names()
        self._told: set[str] = set()

    # ------------------------------------------------------------ forward
    def enter(
        self,
        module: nn.Module,
        given: tuple[Any, ...],
        named: Mapping[str, Any],
        frame: FrameType,
        about: Mapping[str, Any],
    ) -> Entered | None:
        """A call begins.

        Args:
            module: is called.
            given: the arguments.
            named: those with names.
            frame: who calls it.
            about: "after", and "evaluation" where it is one; of a call within another one that one's counts.

        Returns:
            What `leave` is to be given; None where no line is written: of a wrapper such as DDP, and of what
            a compiled module consists of.
        """
        stack = self.state.stack
        if stack and stack[-1].compiled:
            return None
        compiled = is_compiled(module)
        if not compiled and inner(module) is not None:
            return None
        of, path = self._place(module)
        if stack:
            about, during = stack[-1].about, f"the forward pass of {words(stack[-1].about)}"
        else:
            during = CODE
            self._memo.clear()
        who: dict[str, Any] = {"event": LAYER, "after": about["after"]}
        if about.get("evaluation"):
            who["evaluation"] = True
        if (thread := threading.current_thread()) is not threading.main_thread():
            who["thread"] = thread.name
        who |= {"direction": "forward", "module": path, "class": class_of(module), "model": class_of(of)}
        entered = Entered(who, of, next(self._numbers), compiled)
        entered.generators = self._generators.look(during, frame)
        tensors = list(tensors_of((given, named)))
        line = entered.line
        line |= {"line": line_of(frame), "training": module.training, "settings": _settings(module)}
        plain = not named and len(given) == len(tensors)
        line["inputs"] = self._digests((given, dict(named)), tensors, plain, line)
        own = [each for each in (*module._parameters.values(), *module._buffers.values()) if each is not None]
        if own:
            line["weights"] = self._digests(None, own, True, line)
        if compiled:
            line["compiled"] = True
            self._tell(f"the layers inside of {who['class']}, which torch.compile has compiled")
        entered.origins, entered.several = origins(tensors), len(tensors) > 1
        entered.start = torch.autograd._get_sequence_nr()
        stack.append(entered)
        return entered

    def leave(
        self, entered: Entered, module: nn.Module, result: Any, frame: FrameType, kept: Tensors | None
    ) -> None:
        """A call has returned.

        Args:
            entered: what `enter` gave.
            module: that was called.
            result: what it returned.
            frame: who called it.
            kept: is given copies of the tensors; None where nobody asks for them.
        """
        returned = list(tensors_of(result))
        plain = len(returned) == 1 and returned[0] is result
        entered.line["outputs"] = self._digests(result, returned, plain, entered.line)
        occurrence = self._end(entered, frame, returned)
        if entered.about.get("evaluation") or entered.about.get("thread"):
            kept = None
        if kept is not None:
            keep(kept, of_layer({**entered.about, "occurrence": occurrence}), returned)
        self._watch_backward(entered, module, returned, kept)

    def broken(self, entered: Entered, frame: FrameType) -> None:
        """A call was ended by an exception: see `leave`."""
        entered.line["outputs"] = ""
        self._end(entered, frame, [])

    def _end(self, entered: Entered, frame: FrameType, returned: Sequence[torch.Tensor]) -> int:
        state, line = self.state, entered.line
        while state.stack.pop() is not entered:
            pass  # one within that could not be looked at
        line |= {"shapes": [shape(each) for each in returned], "dtypes": [dtype(each) for each in returned]}
        now = self._generators.look(f"the forward pass of {words(entered.about)}", frame)
        moved = {
            name: [before, now[name]]
            for name, before in entered.generators.items()
            if now.get(name, before) != before
        }
        if moved:
            line["generators"] = moved
        occurrence = state.count(entered.about)
        self._write({**entered.about, "occurrence": occurrence, **line})
        return occurrence

    def current(self) -> Mapping[str, Any] | None:
        """What the line of the innermost call begins with that runs in this thread; None outside of all."""
        stack = self.state.stack
        return stack[-1].about if stack else None

    def _place(self, module: nn.Module) -> tuple[nn.Module, str]:
        """The outermost model of a module that is called now, and its path there."""
        stack, last = self.state.stack, self._last.get(module)
        # What a checkpoint left out is called again by backward, and by nobody else.
        of = stack[-1].of if stack else (last and last()) or module
        paths = self._paths.get(of)
        if paths is None or module not in paths:
            named = {each: unwrapped_name(of, name) for name, each in of.named_modules()}
            if paths is None:
                paths = self._paths[of] = weakref.WeakKeyDictionary()
            paths.update(named)
            if module not in paths:  # of no model, such as a loss that is made where it is called
                above = stack[-1].about["module"] if stack else ""
                paths[module] = ".".join(filter(None, (above, f"({class_of(module)})")))
        self._last[module] = weakref.ref(of)
        return of, paths[module]

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._write({"event": "unseen", "what": what})

    def _digests(self, value: Any, tensors: Sequence[torch.Tensor], plain: bool, line: dict[str, Any]) -> str:
        """The digests of tensors, and one of everything in which they stand.

        Args:
            value: where they stand.
            tensors: in order.
            plain: there is nothing else in it.
            line: is told where a device has computed a digest.
        """
        text = self._memo.digests(tensors)
        if any(map(is_for, tensors)):
            line["digest"] = KIND
        if plain:
            return text
        parts = [text[at : at + DIGITS] for at in range(0, len(text), DIGITS)]
        both = zip(tensors, parts, strict=True)
        known = {id(tensor): bytes.fromhex(part) for tensor, part in both if part != MISSING}
        return text + digest(value, None, known)

    # ------------------------------------------------------------ backward
    def _watch_backward(
        self, entered: Entered, module: nn.Module, returned: Sequence[torch.Tensor], kept: Tensors | None
    ) -> None:
        start, given = entered.start, {node for node, _ in entered.origins}
        own = [each.requires_grad and not _is_functorchs(each) for each in returned]
        with_graph = [(at, each) for at, each in enumerate(returned) if own[at]]
        made = [(at, each, node) for at, each in with_graph if is_inside(node := each.grad_fn, start, given)]
        nodes = [node for _, _, node in made]
        out = edges(nodes, start, given, entered.parts)
        if stack := self.state.stack:
            stack[-1].parts.update(dict.fromkeys(nodes, out))
        if not out:  # it passes on what it was given
            return
        leaving = list(self._names.of(out, entered.origins, entered.several, module))
        about, said = {**entered.about, "direction": "backward"}, {name: entered.line[name] for name in SAID}
        of = [whose for _, whose in leaving]
        back = Back(self.state, about, said, entered.number, of)
        back.returned, back.kept = len(returned), kept
        for number, tensor, node in made:
            hooked(node).enters(node, tensor.output_nr, back, number)
        for number, ((node, index), _) in enumerate(leaving):
            hooked(node).leaves(node, index, back, number)

    def backward_ended(self) -> None:
        """A call of backward has ended: write what it has gone through."""
        self._memo.clear()
        for going in self._passes.take():
            back = going.back
            outputs = [going.outputs.get(number, (MISSING, [], "")) for number in range(len(back.of))]
            self._write({
                **back.about,
                "occurrence": going.occurrence,
                **back.line,
                "inputs": "".join(going.inputs.get(number, MISSING) for number in range(back.returned)),
                "outputs": "".join(text for text, _, _ in outputs),
                "shapes": [shape for _, shape, _ in outputs],
                "dtypes": [dtype for _, _, dtype in outputs],
                **({"digest": KIND} if going.device else {}),
                "of": [each.name for each in back.of],
            })  # fmt: skip


def words(about: Mapping[str, Any]) -> str:
    """A module, for people: "`features.3` (Conv2d)"."""
    return f"`{about['module']}` ({about['class']})" if about["module"] else str(about["class"])


def is_compiled(module: nn.Module) -> bool:
    """Whether a call of a module runs what torch.compile has made of it."""
    return inner(module) == "_orig_mod" or getattr(module, "_compiled_call_impl", None) is not None


def _settings(module: nn.Module) -> str:
    """What one of torch's own modules prints of itself; others may compute there whatever they like."""
    kind = type(module)
    return module.extra_repr() if kind.extra_repr.__module__.startswith("torch.nn.modules.") else ""


def _is_functorchs(tensor: torch.Tensor) -> bool:
    """Whether a tensor stands for several, as within `torch.func.vmap`, and has a graph of its own kind."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)
