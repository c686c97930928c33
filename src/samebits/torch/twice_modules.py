"""In which module a thread is.

No hook is set: a module's hooks turn `nn.TransformerEncoder`'s fast path off.
"""

import functools
import sys
import threading
import weakref
from typing import Any

import torch
from torch import nn

from samebits.torch.record import _unseen_by_compiler as unseen_by_compiler
from samebits.torch.record_names import class_of
from samebits.torch.weights import inner, unwrapped_name


class _Here(threading.local):
    """The modules whose calls run in this thread, the innermost last."""

    def __init__(self) -> None:
        self.stack: list[nn.Module] = []


_here = _Here()
_paths: weakref.WeakKeyDictionary[nn.Module, weakref.WeakKeyDictionary[nn.Module, str]] = (
    weakref.WeakKeyDictionary()
)


def watch() -> None:
    """Know from now on which module is called."""
    original: Any = nn.Module.__call__
    is_compiling, is_tracing = torch.compiler.is_compiling, torch._C._get_tracing_state

    @functools.wraps(original)
    def call(self: Any, /, *given: Any, **named: Any) -> Any:
        # The first comes first: where torch.compile traces this, it reads no further.
        if is_compiling() or is_tracing():
            return original(self, *given, **named)
        stack = _here.stack
        stack.append(self)
        try:
            return original(self, *given, **named)
        finally:
            stack.pop()

    unseen_by_compiler(call)
    nn.Module.__call__ = call  # type: ignore[method-assign]
    compiled: Any = sys.modules.get("torch._dynamo.variables.nn_module")
    if compiled is not None:  # it goes straight to `forward` where a call is the one that it knows
        compiled.unpatched_nn_module_call = call


def where() -> tuple[str, str, str]:
    """The path of this thread's innermost module in the outermost one, its class, and the outermost one's."""
    stack = [module for module in _here.stack if inner(module) is None]  # without wrappers, such as DDP
    if not stack:
        return "", "", ""
    outermost, innermost = stack[0], stack[-1]
    paths = _paths.setdefault(outermost, weakref.WeakKeyDictionary())
    if innermost not in paths:
        paths.update({module: unwrapped_name(outermost, name) for name, module in outermost.named_modules()})
        paths.setdefault(innermost, "")  # made where it is called
    return paths[innermost], class_of(innermost), class_of(outermost)
