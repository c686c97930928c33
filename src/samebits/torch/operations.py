"""Watches each operation of torch in this process, without a change of bits: who called it, and where.

A `TorchDispatchMode` would see the same calls, but torch computes otherwise while such a mode is entered:
torch.compile compiles nothing, and formulas that ask whether a tensor is a subclass (the gradient of
`cumprod`) take another way. So operations are seen at the dispatch key `Fake`, which torch defines and does
not use. It stands below autograd and above the device's kernels, as a mode does. Its switch is the thread's
own; autograd's threads take it over. What an operation calls to do its work is a part of it and not seen.

Views and other operations that write nothing and return no new tensor are not seen, and those that torch
always decomposes are seen as their parts. A graph that torch.compile has made is one call: `COMPILED`.
"""

import contextlib
import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple, Protocol

import torch

from samebits.chance.places import CHANCE
from samebits.errors import UsageError
from samebits.process.after_import import after_import
from samebits.record.guarded import guarded
from samebits.record.places import shown
from samebits.record.threads import place_of
from samebits.record.threads import watch as watch_threads
from samebits.torch import partly_written

MOST = 100_000  # autograd nodes of a thread whose call is remembered by their numbers
ORIGIN = "samebits origin"  # in the metadata of a node
NOT_COMPUTED = ("prim", "prims", "profiler", "static_runtime", "_test", "rngprims", "debugprims")
COLLECTIVES = ("c10d", "_c10d_functional", "_c10d_functional_autograd", "symm_mem", "_dtensor")
UNWRITTEN = (  # give memory that nobody wrote
    "empty",
    "new_empty",
    "_empty_",
    "empty_",
    "resize",
    "_resize",
    "_cudnn_init_dropout_state",
)
MASKED = ("grad_input", "grad_weight", "grad_bias")  # of what has three outputs and an `output_mask`
COMPILED = "torch.compile"
HIDDEN = {  # what these write into, though their schemas do not say so
    "aten::native_batch_norm": ("running_mean", "running_var"),
    "aten::cudnn_batch_norm": ("running_mean", "running_var"),
    "aten::miopen_batch_norm": ("running_mean", "running_var"),
}

OVERWRITE = (  # in place, and what was there does not count
    *("copy", "fill", "zero", "uniform", "normal", "exponential", "random", "bernoulli", "log_normal"),
    *("cauchy", "geometric", "eye", "_foreach_copy", "_foreach_zero"),
)
GENERATOR = "Optional[Generator]"  # as schemas name the type

Given = tuple[Any, ...]
Named = dict[str, Any]


class Origin(NamedTuple):
    """Where a call comes from.

    Attributes:
        direction: "forward", "backward", or "" for the code of an optimiser or of the user.
        module: the path of the innermost module in the outermost one; "" of this one itself, or of none.
        kind: the class of that module; "" where there is none.
        model: the class of the outermost module; "" where there is none.
        line: of the user's code, such as "model.py:41"; of backward, the line of the forward call.
    """

    direction: str
    module: str
    kind: str
    model: str
    line: str


def _nowhere() -> tuple[str, str, str]:
    return "", "", ""


class Operation:
    """An operation of torch, such as aten::convolution_backward; one object for each.

    Attributes:
        name: as its schema says, the overload included: "aten::add.Tensor".
        call: executes it, and is not seen.
        draws: whether it draws from a generator.
        collective: whether processes exchange something: what it writes may be there later only.
        unwritten: whether it gives memory that nobody wrote.
        overwritten: the arguments that it writes into where it does not matter what was there: both their
            places and their names.
        partly_written: the numbers of the outputs of which some elements are written by nobody.
        partly_read: the arguments of which those elements are not read: both their places and their names.
    """

    def __init__(self, name: str, call: Callable[..., Any], schema: Any = None, tags: Any = ()) -> None:
        self.name, self.call = name, call
        space, _, rest = name.partition("::")
        self.collective, self.unwritten = space in COLLECTIVES, rest.startswith(UNWRITTEN)
        arguments = schema.arguments if schema is not None else ()
        hidden = HIDDEN.get(name, ())
        self._written = [
            (at, each.name) for at, each in enumerate(arguments) if _is_written(each) or each.name in hidden
        ]
        self.overwritten = frozenset(
            each for pair in self._written if _overwrites(rest) and pair[1] not in hidden for each in pair
        )
        base = name.partition(".")[0]
        self.partly_written = frozenset(partly_written.OUTPUTS.get(base, ()))
        partly_read = partly_written.ARGUMENTS.get(base, ())
        self.partly_read = frozenset(
            each for at, of in enumerate(arguments) if of.name in partly_read for each in (at, of.name)
        )
        self._generator = next((each.name for each in arguments if str(each.type) == GENERATOR), "")
        self.draws = bool(self._generator) or torch.Tag.nondeterministic_seeded in tags
        returned = [each.name for each in schema.returns] if schema is not None else []
        if any(each.name == "output_mask" for each in arguments) and len(returned) == len(MASKED):
            returned = list(MASKED)
        self._outputs = returned

    def written(self, given: Given, named: Named) -> list[tuple[str, Any]]:
        """The arguments that a call writes into, by their names: tensors, or lists of them."""
        return [
            (name, given[at] if at < len(given) else named.get(name))
            for at, name in self._written
            if at < len(given) or name in named
        ]

    def output(self, number: int) -> str:
        """The name of an output: as the schema says, such as "grad_weight"; else "output 0"."""
        name = self._outputs[number] if number < len(self._outputs) else ""
        return name or f"output {number}"

    def generator(self, given: Given, named: Named) -> torch.Generator | None:
        """The generator that a call draws from; None where it draws from none."""
        if not self.draws:
            return None
        if isinstance(asked := named.get(self._generator), torch.Generator):
            return asked
        for value in (*given, *named.values()):
            if isinstance(value, torch.Generator):
                return value
            if isinstance(value, torch.Tensor) and value.device.type == "cuda":
                return torch.cuda.default_generators[value.device.index or 0]
        device = torch.device(named.get("device") or "cpu")
        if device.type == "cuda":
            number = torch.cuda.current_device() if device.index is None else device.index
            return torch.cuda.default_generators[number]
        return torch.default_generator


class Listener(Protocol):
    """Is told each operation, and executes it."""

    def __call__(self, operation: Operation, given: Given, named: Named, origin: Origin) -> Any:
        """Return what `operation.call(*given, **named)` returns.

        Args:
            operation: is called.
            given: its arguments; those that have their default value may be left out.
            named: those with names.
            origin: where the call comes from.
        """


class _Calls:
    """The calls of a thread, for what backward executes later.

    Attributes:
        origins: where each comes from, by the number that autograd gave to its node.
        next: the number that autograd will give to the next node.
        results: what the last one returned. Autograd gives it its node only then.
    """

    def __init__(self) -> None:
        self.origins: dict[int, Origin] = {}
        self.next = 0
        self.results: list[weakref.ref[torch.Tensor]] = []


class _Here(threading.local):
    """What is known of this thread.

    Attributes:
        entered: whether it is the program's, and not one of torch's own (gloo has such) that took its
            switches over.
        calls: those that it has made.
    """

    def __init__(self) -> None:
        self.entered = False
        self.calls = _Calls()


_here = _Here()
_all: list[_Calls] = []  # of each thread of the program that runs, since backward may run in another one
_listener: Listener | None = None
_wanted: Callable[[], bool] = bool
_module: Callable[[], tuple[str, str, str]] = _nowhere
_libraries: dict[str, torch.library.Library] = {}
_seen: set[str] = set()
_late: list[str] = []  # the first operation of a module

try:
    KEY: Any = torch._C._dispatch_key_parse("Fake")
except RuntimeError:  # of a version of torch that has it no more
    KEY = None
_include: Any = torch._C._dispatch_tls_set_dispatch_key_included
_exclude: Any = torch._C._dispatch_tls_set_dispatch_key_excluded
_excluded: Any = torch._C._dispatch_tls_is_dispatch_key_excluded
_modes: Any = torch._C._len_torch_dispatch_stack
_node: Any = torch._C._current_autograd_node
_sequence: Any = torch.autograd._get_sequence_nr


def watch(
    listener: Listener,
    wanted: Callable[[], bool] = lambda: True,
    module: Callable[[], tuple[str, str, str]] | None = None,
) -> None:
    """Tell each operation of this process from now on, in this thread and in those that begin later.

    Args:
        listener: is told, and executes it.
        wanted: whether to tell at all now.
        module: where this thread is: the path of the innermost module, its class, that of the outermost one.

    Raises:
        UsageError: this version of torch has no such key.
    """
    if KEY is None:
        raise UsageError(f"operations cannot be seen in torch {torch.__version__}: it has no key `Fake`")
    global _listener, _wanted, _module
    first = not _libraries
    _listener, _wanted, _module = listener, wanted, module or _module
    if first:
        _register_all()
        watch_threads()
        _enter_each_thread()
        after_import("torch._inductor.output_code", _watch_compiled)
        after_import("torch._dynamo.callback", _leave_while_compiling)
    enter()


def enter() -> None:
    """This thread is watched, too; those that `threading` begins are, without being asked."""
    if not _here.entered:
        _here.entered = True
        _all.append(_here.calls)
    _include(KEY, True)


def is_entered() -> bool:
    """Whether this thread is the program's; one of autograd's own, such as runs backward on a GPU, is not."""
    return _here.entered


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """What this thread does within is not told."""
    before = set_unwatched(True)
    try:
        yield
    finally:
        set_unwatched(before)


def set_unwatched(unwatched: bool) -> bool:
    """The same where a context would cost too much; returns what it was."""
    if KEY is None:
        return False
    before: bool = _excluded(KEY)
    _exclude(KEY, unwatched)
    return before


# ---------------------------------------------------------------- which operations
def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _overwrites(name: str) -> bool:
    """Whether what an operation writes into does not count for what it computes."""
    base, _, overload = name.partition(".")
    return base.removesuffix("_") in OVERWRITE or overload.endswith("out")


def _computes(schema: Any) -> bool:
    """Whether an operation returns a new tensor, or writes into one."""
    if any(_is_written(each) for each in (*schema.arguments, *schema.returns)):
        return True
    return any("Tensor" in str(each.type) and each.alias_info is None for each in schema.returns)


def _is_seen(schema: Any) -> bool:
    name = _name(schema)
    if name.partition("::")[0] in NOT_COMPUTED or not torch._C._dispatch_has_kernel(name):
        return False
    if not _computes(schema):
        return False
    has: Any = torch._C._dispatch_has_kernel_for_dispatch_key
    composed = has(name, "CompositeImplicitAutograd")
    return not composed or has(name, "CPU") or has(name, "CUDA")


def _register_all() -> None:
    _library("_").fallback(torch.library.fallthrough_kernel, "Fake")  # for all others
    register_new()
    define: Any = torch.library.Library.define

    @functools.wraps(define)
    def defined(self: Any, *given: Any, **named: Any) -> Any:
        name = define(self, *given, **named)
        _register_defined(name if "::" in name else f"{self.ns}::{name}")
        return name

    torch.library.Library.define = defined  # type: ignore[method-assign]
    load: Any = type(torch.ops).load_library

    @functools.wraps(load)
    def loaded(self: Any, *given: Any, **named: Any) -> Any:
        result = load(self, *given, **named)
        register_new()
        return result

    type(torch.ops).load_library = loaded  # type: ignore[method-assign]


@guarded
def _register_defined(name: str) -> None:
    """What was defined just now has no kernel yet."""
    for schema in torch._C._jit_get_schemas_for_operator(name):
        if _computes(schema):
            _register(schema)


def register_new() -> None:
    """See the operations that extensions have brought since, too."""
    for schema in torch._C._jit_get_all_schemas():
        if _is_seen(schema):
            _register(schema)


def _register(schema: Any) -> None:
    name = _name(schema)
    if name not in _seen:
        _seen.add(name)
        space, _, rest = name.partition("::")
        _library(space).impl(rest, _kernel(name), "Fake")


def _name(schema: Any) -> str:
    return f"{schema.name}.{schema.overload_name}" if schema.overload_name else str(schema.name)


def _library(space: str) -> torch.library.Library:
    if space not in _libraries:
        _libraries[space] = torch.library.Library(space, "IMPL")
    return _libraries[space]


def _found(name: str) -> Operation:
    space, _, rest = name.partition("::")
    base, _, overload = rest.partition(".")
    call = getattr(getattr(getattr(torch.ops, space), base), overload or "default")
    return Operation(name, call, call._schema, call.tags)


def _kernel(name: str) -> Callable[..., Any]:
    operation: Operation | None = None

    def kernel(*given: Any, **named: Any) -> Any:
        nonlocal operation
        _exclude(KEY, True)
        try:
            if operation is None:
                operation = _found(name)
            if _modes() or _listener is None or not _wanted():  # as while torch.compile compiles
                return operation.call(*given, **named)
            node = _node()
            if node is None and (not _here.entered or _is_own(sys._getframe(1).f_code.co_filename)):
                return operation.call(*given, **named)
            origin = _origin(node)
            if origin.direction == "forward" and not _late:
                _late.append(name)
                register_new()  # an extension that was imported after torch has told nobody
            result = _listener(operation, given, named, origin)
            _remember(result)
            return result
        finally:
            _exclude(KEY, False)

    return kernel


@guarded
def _remember(result: Any) -> None:
    """What the last call has returned, without views: to ask a view for its node may make another node."""
    tensors = result if isinstance(result, tuple | list) else (result,)
    own = (each for each in tensors if isinstance(each, torch.Tensor) and not each._is_view())
    _here.calls.results = list(map(weakref.ref, own))


@functools.cache
def _is_own(file: str) -> bool:
    """Whether code looks for chance; what passes the program's calls on is not meant."""
    return file.startswith(CHANCE) and not file.endswith("/torch_beginning.py")


# ---------------------------------------------------------------- where from
def _origin(node: Any) -> Origin:
    """Where the call comes from that is made in this thread.

    Autograd numbers its nodes, and makes the node of a forward call right before the call itself. So the node
    that was made last belongs to the call that is seen first after it. But it counts in each thread by
    itself. So what a node's call was is written into the node as soon as something leads to it.
    """
    calls = _here.calls
    _write_origins(calls)
    if node is not None:
        origin = _of_node(node)
    else:
        line = _line(sys._getframe(2))
        module, kind, model = _module()
        origin = Origin("forward" if model else "", module, kind, model, line)
    following = _sequence()
    if following != calls.next:  # in backward, too, where its own gradient is asked for
        origins = calls.origins
        for number in range(max(calls.next, following - 8), following):  # views have nodes, too
            origins[number] = origin
        calls.next = following
        if len(origins) > MOST:
            for number in list(origins)[: MOST // 2]:
                del origins[number]
    return origin


def _of_node(node: Any) -> Origin:
    known: Origin | None = node.metadata.get(ORIGIN)
    if known is None:  # such as of a view that no other call has used
        number = node._sequence_nr()
        known = next((each.origins[number] for each in (_here.calls, *_all) if number in each.origins), None)
    if known is None:  # adds gradients up, or has its forward call in code that is not watched
        return Origin("backward", "", "", "", _line(sys._getframe(3)))
    return known._replace(direction="backward")


@guarded
def _write_origins(own: _Calls) -> None:
    """Write into the nodes of what was returned last where they come from, in each thread.

    Args:
        own: this thread's calls. What another one's call has returned may have no node yet.
    """
    for calls in (own, *_all):
        results = calls.results
        if not results:
            continue
        tensors = [each for ref in results if (each := ref()) is not None and each.requires_grad]
        nodes = [each.grad_fn for each in tensors]
        _write_origin(calls, list(nodes))
        if calls is own or (nodes and None not in nodes):
            results.clear()


def _write_origin(calls: _Calls, nodes: list[Any]) -> None:
    """Write into nodes, and into those from which they were made in the same thread, where they come from."""
    while nodes:
        node = nodes.pop()
        if node is None or (origin := calls.origins.get(node._sequence_nr())) is None:
            continue
        if ORIGIN not in node.metadata:
            node.metadata[ORIGIN] = origin
            nodes += [further for further, _ in node.next_functions]


def _line(frame: FrameType | None) -> str:
    place = place_of(frame)
    return "" if place is None else _shown(*place)


_shown = functools.lru_cache(4096)(shown)


# ---------------------------------------------------------------- threads
def _enter_each_thread() -> None:
    bootstrap: Any = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    @functools.wraps(bootstrap)
    def begin(self: Any) -> None:
        enter()
        calls = _here.calls
        try:
            bootstrap(self)
        finally:
            _write_origins(calls)
            _all.remove(calls)

    threading.Thread._bootstrap_inner = begin  # type: ignore[attr-defined]


# ---------------------------------------------------------------- torch.compile
@guarded
def _watch_compiled() -> None:
    """A graph that Inductor has made is one call; its inputs are one argument, a list."""
    graphs: Any = sys.modules["torch._inductor.output_code"].CompiledFxGraph
    execute = graphs.__call__

    @functools.wraps(execute)
    def call(self: Any, inputs: Any) -> Any:
        if _excluded(KEY) or _listener is None or not _wanted():
            return execute(self, inputs)
        _exclude(KEY, True)
        try:
            node = _node()
            if _modes() or (node is None and not _here.entered):
                return execute(self, inputs)
            run = Operation(COMPILED, lambda given: execute(self, given))
            return _listener(run, (inputs,), {}, _origin(node))
        finally:
            _exclude(KEY, False)

    graphs.__call__ = call


@guarded
def _leave_while_compiling() -> None:
    handler: Any = sys.modules["torch._dynamo.callback"].CompilationCallbackHandler
    compiling = handler.install_callbacks

    @contextlib.contextmanager
    def install(self: Any, *given: Any, **named: Any) -> Iterator[Any]:
        with unwatched(), compiling(self, *given, **named) as result:
            yield result

    handler.install_callbacks = install
