"""Memory of which torch shows nobody that it is handed out: `torch.Tensor(3)`, `numpy.empty(3)` and others.

`torch.Tensor` is a class of Python's, whose `__new__` can be watched. `torch.FloatTensor` cannot, and a
function in place of `numpy.empty` would be unknown to compilers such as numba. So where the user makes a
parameter, its argument is read: nobody can have written what the argument itself asks for. torch's dispatch
mode would be shown all of it, but torch computes some things in another way while there is one.
"""

import ast
import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from samebits.chance import calls, memory
from samebits.chance.never_fails import never_fails
from samebits.process.code_owner import owner
from samebits_lint.module import Module

COPIES = {
    *("float", "double", "half", "bfloat16", "to", "type", "cpu", "cuda", "clone", "contiguous", "copy"),
    *("astype", "reshape", "view", "squeeze", "unsqueeze", "t", "transpose", "permute", "requires_grad_"),
}  # methods whose result is as unwritten as what they have
OF_TORCH = ("from_numpy", "as_tensor", "tensor", "asarray")  # functions, likewise
OF_NUMPY = ("asarray", "ascontiguousarray", "array")
EMPTY = ("empty", "empty_like", "empty_strided")


def watch(fill: bool) -> Callable[[], None]:
    """Watch the constructors of `torch.Tensor` and `torch.nn.Parameter`; returns what ends it.

    Args:
        fill: what is found with the mark.
    """
    torch: Any = sys.modules["torch"]
    tensor, parameter = torch.Tensor, torch.nn.Parameter
    new, of_parameter = tensor.__new__, parameter.__dict__["__new__"]
    make = of_parameter.__func__
    on = [True]

    # torch._dynamo compares the parameters of both with those that it knows, so they are the very same:
    # `wraps` says so of a function in Python, and torch.Tensor's own has any.
    def made(*given: Any, **named: Any) -> Any:
        result = new(*given, **named)
        if on and has_sizes(given[1:]):
            memory.remember(result, sys._getframe(1), fill)
        return result

    @functools.wraps(make)
    def made_parameter(cls: Any, *given: Any, **named: Any) -> Any:
        data = given[0] if given else named.get("data")
        if on and isinstance(data, tensor):
            _look(data, sys._getframe(1), fill)
        return make(cls, *given, **named)

    tensor.__new__, parameter.__new__ = staticmethod(made), staticmethod(made_parameter)

    def end() -> None:
        on.clear()
        if tensor.__new__ is made:
            del tensor.__new__  # it is its base's
        if parameter.__new__ is made_parameter:
            parameter.__new__ = of_parameter

    return end


def has_sizes(given: tuple[Any, ...]) -> bool:
    """Whether a constructor of torch was given sizes, and no values."""
    size: Any = sys.modules["torch"].Size
    return bool(given) and (type(given[0]) is size or all(type(each) is int for each in given))


@never_fails
def _look(data: Any, frame: FrameType, fill: bool) -> None:
    """Remember what a parameter is made of, if the argument asks for memory and writes nothing into it."""
    file = frame.f_code.co_filename
    if owner(file) != "user" or memory.as_it_was(data):  # remembered where it was asked for
        return
    module, call = calls.module(file), calls.call_at(frame)
    if module is not None and call is not None and call.args and _is_unwritten(call.args[0], module, frame):
        memory.remember(data, frame, fill)


def _is_unwritten(node: ast.expr, module: Module, frame: FrameType) -> bool:
    if isinstance(node, ast.Name):
        scope = module.scope(node)
        values = module.assigned(scope).get(node.id, [])
        uses = [
            use
            for use in ast.walk(scope)
            if isinstance(use, ast.Name) and use.id == node.id and isinstance(use.ctx, ast.Load)
        ]
        return len(values) == len(uses) == 1 and _is_unwritten(values[0], module, frame)
    if not isinstance(node, ast.Call):
        return False
    torch: Any = sys.modules["torch"]
    numpy = sys.modules.get("numpy")
    function = calls.value_of(node.func, frame)
    if type(function).__name__ == "tensortype" or function is torch.Tensor:
        return _asks_for_sizes(node, frame)
    if _is_one_of(function, torch, EMPTY) or _is_one_of(function, numpy, EMPTY):
        return True
    if _is_one_of(function, torch, OF_TORCH) or _is_one_of(function, numpy, OF_NUMPY):
        return bool(node.args) and _is_unwritten(node.args[0], module, frame)
    if _is_one_of(function, numpy, ("ndarray",)):  # whose third argument is a buffer
        return len(node.args) < 3 and all(named.arg in ("shape", "dtype") for named in node.keywords)
    method = node.func
    return (
        isinstance(method, ast.Attribute)
        and method.attr in COPIES
        and _is_unwritten(method.value, module, frame)
    )


def _is_one_of(function: Any, package: Any, names: tuple[str, ...]) -> bool:
    return package is not None and any(function is vars(package).get(name) for name in names)


def _asks_for_sizes(call: ast.Call, frame: FrameType) -> bool:
    """Whether an old constructor is called with sizes: one argument may be values."""
    if len(call.args) != 1:
        return len(call.args) > 1
    return _is_size(call.args[0], frame)


def _is_size(node: ast.expr, frame: FrameType) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_size(node.left, frame) and _is_size(node.right, frame)
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", getattr(node.func, "attr", "")) in ("len", "size", "int", "Size")
    if isinstance(node, ast.Starred) or (isinstance(node, ast.Attribute) and node.attr == "shape"):
        return True
    return has_sizes((calls.value_of(node, frame),))
