"""Records torch: where a training calls a module, backward or an optimiser, `record_training` is told.

`Module.__call__` is replaced, and no hook is set: a module's hooks turn `nn.TransformerEncoder`'s fast path
off, and change its bits. What looks runs outside of autograd, of the user's modes and of torch.compile, and
raises nothing.
"""

import functools
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import optimizer as optimizers
from torch.utils.data import dataloader

from samebits.errors import UsageError
from samebits.process.after_import import after_import
from samebits.record.format import OPERATION, STEP
from samebits.record.guarded import tell
from samebits.record.writer import Writer
from samebits.torch import operations
from samebits.torch.record_operations import Operations
from samebits.torch.record_training import Training
from samebits.torch.record_values import Values

TORCH = Path(torch.__file__).parent
GRAPH_MODULE = str(TORCH / "fx/graph_module.py")  # calls a graph for whoever has it, such as the user
COMPILERS = tuple(f"{TORCH / name}/" for name in ("_dynamo", "_functorch", "_inductor", "export", "fx"))

PART = 4  # of the limit of a record may be the tensors of the operations of one step
FOREIGN = (
    ("fastai.optimizer", "Optimizer"),
)  # optimisers of torch's modules that are none of torch's classes


def attach(process: Any) -> None:
    """Record torch in this process from now on.

    Args:
        process: a `samebits.record.begin.Process`.
    """
    training = Training(process.writer.write, Values(process.writer), _look)
    process.forks += [_forked, training.begin]
    process.ends.append(lambda: _look(training.end))
    process.writer.roles.insert(0, _data_worker)
    process.files.foreign.append("/torchinductor_")  # what torch.compile keeps is what it would make again
    _watch_modules(training, process.writer)
    _watch_backward(training, process.writer)
    _watch_optimizers(training, process.writer)
    _watch_foreign_optimizers(training, process.writer)
    _watch_loaders(training, process.writer)
    _watch_scaler(training, process.writer)
    if process.writer.level == OPERATION:
        _watch_operations(training, process.writer)


def _data_worker() -> str | None:
    """A data loader's worker, by its number."""
    worker: Any = sys.modules.get("torch.utils.data._utils.worker")
    info = worker.get_worker_info() if worker is not None else None
    return None if info is None else f"worker {info.id}"


_lock = threading.RLock()  # several threads may train; what they look at is one table


def _forked() -> None:
    """The thread that held it is not in this process."""
    global _lock
    _lock = threading.RLock()


def _look(at: Callable[..., Any], *given: Any) -> Any:
    """Call what looks, so that the program does not notice, and one thread after the other.

    Returns:
        What it returns; None where it raised, which is told.
    """
    if torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
        return None
    compiler = _COMPILER.set_eval_frame(None)
    watched = operations.set_unwatched(True)
    grad = torch.is_grad_enabled()
    torch._C._set_grad_enabled(False)  # `torch.no_grad()` takes 5 µs
    try:
        if torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack():
            from torch.utils._python_dispatch import _disable_current_modes

            with _lock, torch._C.DisableTorchFunction(), _disable_current_modes():
                return at(*given)
        with _lock:
            return at(*given)
    except Exception as error:
        tell(f"{at.__module__}.{at.__qualname__}", error)
        return None
    finally:
        torch._C._set_grad_enabled(grad)
        operations.set_unwatched(watched)
        _COMPILER.set_eval_frame(compiler)


_COMPILER: Any = torch._C._dynamo.eval_frame


def _unseen_by_compiler(function: Callable[..., Any]) -> None:
    """torch.compile executes this function as it is, and compiles what it calls as without it."""
    as_it_is = _COMPILER._FrameExecStrategy(_COMPILER._FrameAction.SKIP, _COMPILER._FrameAction.DEFAULT)
    _COMPILER.set_code_exec_strategy(function.__code__, as_it_is)


def _watch_modules(training: Training, writer: Writer) -> None:
    original: Any = nn.Module.__call__
    is_compiling, is_tracing = torch.compiler.is_compiling, torch._C._get_tracing_state

    @functools.wraps(original)
    def call(self: Any, /, *given: Any, **named: Any) -> Any:
        # The first comes first: where torch.compile traces this, it reads no further.
        if is_compiling() or is_tracing() or not writer.on:
            return original(self, *given, **named)
        pending = training.pending
        if pending.inside or training.backwards:
            if pending.looks_inside and not _is_compilers(self, sys._getframe(1)):
                return layer(self, given, named, sys._getframe(1), False)
            return original(self, *given, **named)
        if _is_compilers(self, sys._getframe(1)):
            return original(self, *given, **named)
        pending.inside = True
        pending.looks_inside = writer.level != STEP and writer.goes_inside(training.counts())
        try:
            grad = torch.is_grad_enabled()
            frame = sys._getframe(1)
            seen = _look(training.before_call, self, given, named, grad, frame)
            if pending.looks_inside:
                result = layer(self, given, named, frame, not grad)
            else:
                result = original(self, *given, **named)
            if seen is not None:
                _look(seen, result, frame)
            return result
        finally:
            pending.inside = False

    def layer(self: Any, given: Any, named: Any, frame: FrameType, evaluation: bool) -> Any:
        entered = _look(training.enter_layer, self, given, named, evaluation, frame)
        if entered is None:
            return original(self, *given, **named)
        try:
            result = original(self, *given, **named)
        except BaseException:
            _look(training.layers.broken, entered, frame)
            raise
        _look(training.leave_layer, entered, self, result, frame)
        return result

    for function in (call, layer):
        _unseen_by_compiler(function)
    nn.Module.__call__ = call  # type: ignore[method-assign]
    compiled: Any = sys.modules.get("torch._dynamo.variables.nn_module")
    if compiled is not None:  # it goes straight to `forward` where a call is the one that it knows
        compiled.unpatched_nn_module_call = call


def _is_compilers(model: Any, frame: FrameType | None) -> bool:
    """Whether a module is a graph that torch.compile or torch.export has made, and that these call."""
    graphs = sys.modules.get("torch.fx")
    if graphs is None or not isinstance(model, graphs.GraphModule):
        return False
    while frame is not None and frame.f_code.co_filename == GRAPH_MODULE:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(COMPILERS)


def _watch_operations(training: Training, writer: Writer) -> None:
    """Those of data workers belong to no step."""

    def wanted() -> bool:
        inside = writer.on if writer.window is None else writer.goes_inside(training.counts())
        return inside and _data_worker() is None

    def module() -> tuple[str, str, str]:
        about = training.layers.current()
        return ("", "", "") if about is None else (about["module"], about["class"], about["model"])

    recorded = Operations(
        writer.write,
        _look,
        training.after,
        lambda: training.layers.current(),
        training.kept,
        writer.limit // PART,
    )
    try:
        operations.watch(recorded, wanted, module)
    except UsageError as error:
        writer.write({"event": "unseen", "what": str(error)})


def _watch_backward(training: Training, writer: Writer) -> None:
    """What is called within, to compute again what a checkpoint left out, is no call of the user's."""
    original, grad = torch.autograd.backward, torch.autograd.grad

    @functools.wraps(original)
    def backward(tensors: Any, *given: Any, **named: Any) -> Any:
        if torch.compiler.is_compiling() or training.backwards or not writer.on:
            return original(tensors, *given, **named)
        _look(training.before_backward, tensors, sys._getframe(1))
        training.begin_backward()
        try:
            original(tensors, *given, **named)
        finally:
            training.end_backward()
        return _look(training.after_backward, sys._getframe(1))

    @functools.wraps(grad)
    def gradients(*given: Any, **named: Any) -> Any:
        if torch.compiler.is_compiling():
            return grad(*given, **named)
        training.begin_backward()
        try:
            return grad(*given, **named)
        finally:
            training.end_backward()
            if not training.pending.backwards:
                _look(training.layers.backward_ended)

    for function in (backward, gradients):
        _unseen_by_compiler(function)
    torch.autograd.backward, torch.autograd.grad = backward, gradients


def _watch_optimizers(training: Training, writer: Writer) -> None:
    original = optimizers.Optimizer.__init__

    @functools.wraps(original)
    def made(self: Any, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        _look(training.add, self)

    def before(optimizer: Any, given: Any, named: Any) -> Any:
        if torch.compiler.is_compiling() or not writer.on:
            return None
        closure = given[1] if len(given) > 1 else named.get("closure")
        running = _look(training.before_step, optimizer, sys._getframe(1), not callable(closure))
        if running is None or not callable(closure):
            return None

        def seen() -> Any:
            loss = closure()
            _look(running.look)
            return loss

        if len(given) > 1:
            return (given[0], seen, *given[2:]), named
        return given, {**named, "closure": seen}

    def after(optimizer: Any, given: Any, named: Any) -> None:
        if not torch.compiler.is_compiling() and writer.on:
            _look(training.after_step, optimizer, sys._getframe(1))

    for function in (made, before, after):
        _unseen_by_compiler(function)
    optimizers.Optimizer.__init__ = made  # type: ignore[method-assign]
    optimizers.register_optimizer_step_pre_hook(before)
    optimizers.register_optimizer_step_post_hook(after)


def _watch_foreign_optimizers(training: Training, writer: Writer) -> None:
    """Optimisers that inherit nothing from torch's, and have groups and a state as these have."""
    for module, name in FOREIGN:
        after_import(module, functools.partial(_watch_foreign, module, name, training, writer))


def _watch_foreign(module: str, name: str, training: Training, writer: Writer) -> None:
    kind = getattr(sys.modules[module], name, None)
    if not isinstance(kind, type) or not callable(getattr(kind, "step", None)):
        return
    original, taken = kind.__init__, kind.step  # type: ignore[misc, attr-defined]

    @functools.wraps(original)
    def made(self: Any, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        _look(training.add, self)

    @functools.wraps(taken)
    def step(self: Any, *given: Any, **named: Any) -> Any:
        if not writer.on:
            return taken(self, *given, **named)
        _look(training.before_step, self, sys._getframe(1), True)
        result = taken(self, *given, **named)
        _look(training.after_step, self, sys._getframe(1))
        return result

    kind.__init__, kind.step = made, step  # type: ignore[misc, attr-defined]


def _watch_loaders(training: Training, writer: Writer) -> None:
    """A data loader draws for each iterator, and for each batch: workers' seeds, orders, samples."""
    loader, iterator = dataloader.DataLoader, dataloader._BaseDataLoaderIter
    make, begin, give = loader.__iter__, iterator.__init__, iterator.__next__
    ask = iterator._next_index

    @functools.wraps(make)
    def made(self: Any) -> Any:
        if not writer.on:
            return make(self)
        known = _look(training.before_data, sys._getframe(1))
        result = make(self)
        _look(training.iterator_made, self, result, known, sys._getframe(1))
        return result

    @functools.wraps(begin)
    def begun(self: Any, loader: Any, *given: Any, **named: Any) -> None:  # not all come from `made`
        if not writer.on:
            begin(self, loader, *given, **named)
            return
        known = _look(training.before_data, sys._getframe(1))
        begin(self, loader, *given, **named)
        _look(training.iterator_made, loader, self, known, sys._getframe(1))

    @functools.wraps(give)
    def given(self: Any) -> Any:
        if not writer.on:
            return give(self)
        _look(training.before_data, sys._getframe(1))
        over = True
        try:
            batch = give(self)
            over = False
            return batch
        finally:
            _look(training.batch_given, self, over, sys._getframe(1))

    @functools.wraps(ask)
    def asked(self: Any) -> Any:
        indices = ask(self)
        if writer.on:
            _look(training.batch_asked, self, indices)
        return indices

    iterator._next_index = asked  # type: ignore[method-assign]
    for function in (made, begun, given, asked):
        _unseen_by_compiler(function)
    loader.__iter__, iterator.__init__, iterator.__next__ = made, begun, given  # type: ignore[method-assign]


def _watch_scaler(training: Training, writer: Writer) -> None:
    """Steps that a GradScaler leaves out, since the gradients are infinite."""
    original = GradScaler.step

    @functools.wraps(original)
    def step(self: Any, optimizer: Any, *given: Any, **named: Any) -> Any:
        before = _look(training.steps_of, optimizer)
        result = original(self, optimizer, *given, **named)
        # What only wraps an optimiser was never made as one, and takes no steps of its own.
        unchanged = before is not None and _look(training.steps_of, optimizer) == before
        if self.is_enabled() and writer.on and unchanged:
            _look(training.skipped, optimizer, sys._getframe(1))
        return result

    GradScaler.step = step  # type: ignore[method-assign]
