"""Backward through what a call has computed: gradients that come into its part of the graph, or leave it.

No module and no tensor has a hook: nodes of autograd's graph have, so hooks are gone with the graph. An edge
leaves a call's part if it leads to a node made before the call, or to a leaf. What runs along it is the
gradient of this use alone, before autograd adds up those of all uses. So a module may work in place and share
weights. (`register_module_full_backward_hook` raises on `ReLU(inplace=True)`.)
"""

import itertools
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

from samebits.record.values import of_layer
from samebits.torch.device_digest import is_for
from samebits.torch.record_digests import dtype, shape
from samebits.torch.record_values import Tensors, keep_one
from samebits.torch.weights import unwrapped_name

HOOKED = "samebits"  # in the metadata of a node
LEAF = (1 << 64) - 1  # the sequence number of what adds a gradient to a leaf
Edge = tuple[Any, int]  # a node of the graph, and which of its inputs
Read = Callable[[Sequence[torch.Tensor]], str]
Seen = tuple[str, list[int], str]  # of a gradient: its digest, shape and type


class Leaving(NamedTuple):
    """Of an edge along which a gradient leaves what a call has made: not the edge, so that no node is held.

    Attributes:
        name: whose gradient it is: of a parameter, "input", "input 1", or "a tensor from outside".
        own: whether it is one of a parameter of the module.
    """

    name: str
    own: bool


class Thread(Protocol):
    """Where a call was made."""

    passes: "Passes"

    def count(self, about: Mapping[str, Any]) -> int:
        """How often this was there since the last step, this time included."""


class Back:
    """The part of the graph that a call has made.

    Args:
        thread: that called.
        about: what its lines begin with.
        line: what they have from the call.
        number: of the call, in the order in which they began.
        of: whose gradients leave it, of each edge.

    Attributes:
        thread: in which the call was made, by its number.
        returned: how many tensors the call returned.
        kept: is given copies of the gradients that leave it; None where nobody asks for them.
    """

    def __init__(
        self, thread: Thread, about: dict[str, Any], line: dict[str, Any], number: int, of: list[Leaving]
    ) -> None:
        # What is a thread's own is another one where a device's thread runs backward.
        self.passes, self._count, self.thread = thread.passes, thread.count, threading.get_ident()
        self.about, self.line, self.number, self.of = about, line, number, of
        self.returned = 0
        self.kept: Tensors | None = None
        self._going: Going | None = None

    def going(self) -> "Going":
        """The backward that runs now."""
        if self._going is None or self._going.over:
            self._going = Going(self, self._count(self.about))
            self.passes.add(self._going)
        return self._going


class Going:
    """Backward through a call.

    Attributes:
        occurrence: how often that was, since the last step.
        inputs: the digests of the gradients of what it returned, by their numbers.
        outputs: what is known of the gradients that leave it, by the number of the edge.
        last: when the last of them came that flows into another call; where none does, when the last came.
        device: whether a device has computed a digest.
        over: whether this backward has ended.
        thread: in which it was called, by its number.
    """

    def __init__(self, back: Back, occurrence: int) -> None:
        self.back, self.occurrence, self.over, self.device = back, occurrence, False, False
        self.inputs: dict[int, str] = {}
        self.outputs: dict[int, Seen] = {}
        self.thread = back.passes.thread_of(back)
        self.last = 0
        self._flows = False

    def left(self, number: int, seen: Seen, now: int) -> None:
        """A gradient has left it along an edge."""
        self.outputs[number] = seen
        flows = not self.back.of[number].own
        if flows or not self._flows:
            self.last = now
        self._flows |= flows

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands among all of a backward: what is within a module has ended before that."""
        return self.last, -self.back.number


class Passes:
    """What backward has gone through and nobody has taken yet, in any thread of this process.

    A call and its backward may be in different threads, and several threads may compute a backward.

    Args:
        look: calls what looks, so that the program does not notice.
        read: gives the digests of tensors.
        running: the numbers of the threads in which a backward was called that has not ended.

    Attributes:
        clock: counts the looks.
    """

    def __init__(self, look: Callable[..., Any], read: Read, running: Collection[int]) -> None:
        self.look, self.read, self.clock = look, read, itertools.count(1)
        self._running = running
        self._going: list[Going] = []

    def add(self, going: Going) -> None:
        """Backward comes to a call's part of the graph."""
        self._going.append(going)

    def thread_of(self, back: Back) -> int:
        """In which thread the backward was called that runs here; autograd's own threads do not say it."""
        here = threading.get_ident()
        return here if here in self._running else back.thread

    def take(self) -> list[Going]:
        """Those whose backward has ended, in the order in which they ended."""
        going = [each for each in self._going if each.thread not in self._running]
        self._going = [each for each in self._going if each.thread in self._running]
        for each in going:
            each.over = True
        return sorted(going, key=lambda each: each.order)


class Hooked:
    """A node of the graph that is looked at: before it runs, and after it.

    The node holds it in C++, where Python's collector sees nothing. So neither this nor a `Back` may hold a
    node or a tensor of the graph: the graph would stay for ever.
    """

    def __init__(self) -> None:
        self._before: list[tuple[int, Back, int]] = []
        self._after: list[tuple[int, Back, int]] = []

    def enters(self, node: Any, index: int, back: Back, number: int) -> None:
        """The gradient of an output of this node is one that comes into a part.

        Args:
            node: whose this is.
            index: which of its outputs.
            back: the part.
            number: of the tensor that the call returned.
        """
        if not self._before:
            node.register_prehook(self._runs)
        self._before.append((index, back, number))

    def is_left(self, index: int) -> bool:
        """Whether the gradient of an input of this node leaves a part already, of a module within."""
        return any(known == index for known, _, _ in self._after)

    def leaves(self, node: Any, index: int, back: Back, number: int) -> None:
        """The gradient of an input of this node is one that leaves a part: see `enters`."""
        if not self._after:
            node.register_hook(self._ran)
        self._after.append((index, back, number))

    def _runs(self, gradients: Sequence[torch.Tensor | None]) -> None:
        self._before[0][1].passes.look(self._come, gradients)

    def _ran(self, inputs: Sequence[torch.Tensor | None], _: Any) -> None:
        self._after[0][1].passes.look(self._left, inputs)

    def _come(self, gradients: Sequence[torch.Tensor | None]) -> None:
        for index, back, number in self._before:
            if (gradient := gradients[index]) is not None:
                going = back.going()
                going.inputs[number] = back.passes.read([gradient])
                going.device |= is_for(gradient)

    def _left(self, gradients: Sequence[torch.Tensor | None]) -> None:
        now = next(self._after[0][1].passes.clock)
        for index, back, number in self._after:
            if index < len(gradients) and (gradient := gradients[index]) is not None:
                going = back.going()
                said = back.passes.read([gradient]), shape(gradient), dtype(gradient)
                going.left(number, said, now)
                going.device |= is_for(gradient)
                if back.kept is not None:
                    name = of_layer({**back.about, "occurrence": going.occurrence})
                    keep_one(back.kept, f"{name}/{number}", gradient)


def hooked(node: Any) -> Hooked:
    """What looks at a node."""
    known: Hooked | None = node.metadata.get(HOOKED)
    if known is None:
        known = node.metadata[HOOKED] = Hooked()
    return known


def is_inside(node: Any, start: int, given: Collection[Any]) -> bool:
    """Whether a node was made since a call began: see `edges`."""
    return node is not None and start <= node._sequence_nr() < LEAF and node not in given


def edges(
    roots: Sequence[Any], start: int, given: Collection[Any], parts: Mapping[Any, list[Edge]]
) -> list[Edge]:
    """The edges along which gradients leave what a call has made.

    Args:
        roots: the nodes of what it returned.
        start: the sequence number of the first node that it has made.
        given: the nodes of what it was called with. Each thread counts by itself, so the number of a node
            that another one has made says nothing.
        parts: the edges that leave what a call within it has made, by the nodes of what that returned.

    Returns:
        Nodes within, each with the number of the input, in an order that follows the graph.
    """
    leaving: list[Edge] = []
    seen: set[Any] = set()
    ahead = [*reversed(roots)]
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        within = []
        for each, index in parts.get(node) or [(node, index) for index in range(len(node.next_functions))]:
            further = each.next_functions[index][0]
            if further is None:
                continue
            # As `is_inside`; this runs for each node of each call.
            if start <= further._sequence_nr() < LEAF and further not in given:
                within.append(further)
            else:
                leaving.append((each, index))
        ahead += reversed(within)
    return leaving


def origins(given: Sequence[torch.Tensor]) -> dict[tuple[Any, int], int]:
    """Where the tensors come from that a call is given: their numbers by what `Names.of` knows them by.

    Args:
        given: before the call, which may work in place.
    """
    known: dict[tuple[Any, int], int] = {}
    for number, tensor in enumerate(given):
        if tensor.requires_grad:
            node = tensor.grad_fn
            known.setdefault((id(tensor), -1) if node is None else (node, tensor.output_nr), number)
    return known


class Names:
    """The names of a module's parameters, as seen from it; of each module they are asked for once."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[nn.Module, dict[int, tuple[weakref.ref[Any], str]]] = (
            weakref.WeakKeyDictionary()
        )

    def of(
        self, leaving: Sequence[Edge], given: Mapping[tuple[Any, int], int], several: bool, module: nn.Module
    ) -> Iterator[tuple[Edge, Leaving]]:
        """Edges, and whose gradients run there; not those of parameters that a module within has used.

        Args:
            leaving: of `edges`.
            given: of `origins`.
            several: whether the module was called with more than one tensor.
            module: which.
        """
        for edge in leaving:
            node, index = edge
            further, output = node.next_functions[index]
            leaf = further.variable if further._sequence_nr() == LEAF else None
            if leaf is not None and (name := self._name(module, leaf)):
                if not hooked(node).is_left(index):
                    yield edge, Leaving(name, True)
                continue
            at = given.get((further, output) if leaf is None else (id(leaf), -1))
            inputs = "input" if at is not None else "a tensor from outside"
            yield edge, Leaving(f"{inputs} {at}" if at is not None and several else inputs, False)

    def _name(self, module: nn.Module, leaf: torch.Tensor) -> str:
        names = self._known.get(module)
        known = None if names is None else names.get(id(leaf))
        if known is None or known[0]() is not leaf:
            names = {
                id(each): (weakref.ref(each), unwrapped_name(module, name))
                for name, each in module.named_parameters()
            }
            self._known[module] = names
            known = names.get(id(leaf))
        return "" if known is None else known[1]
