"""Seeds that are other ones in every run: a clock, a process's number, an address, the system's entropy.

Two things show it. The seed *is* a time since this process began, or a number that the system gave: no
constant is that by accident. Or the code says so: what is given as the seed calls `time.time()` or the like,
directly, through a variable that is assigned once, or through a parameter of a function that the user's code
calls.
"""

import ast
import functools
import itertools
import operator
import os
import re
import sys
import time
from types import FrameType
from typing import Any

from samebits.chance import calls, entropy
from samebits.chance.methods import set_method
from samebits.chance.never_fails import never_fails
from samebits.chance.places import users
from samebits.chance.records import RECORDS, Source
from samebits.chance.sets import by_address
from samebits.process.code_owner import owner
from samebits_lint import names
from samebits_lint.module import Module, attribute
from samebits_lint.rules.clocks import CLOCKS

FIX = "a number that your settings name"
CHANGING = CLOCKS | {
    *(f"time.{name}" for name in ("strftime", "ctime", "asctime", "localtime", "gmtime")),
    *("os.times", "tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.mktemp", "tempfile.NamedTemporaryFile"),
}
DEPTH = 8  # variables and calls between the clock and the seed
UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
SEED = re.compile(
    r"seed|entropy|random_state|RandomState|default_rng|Random$|PCG64|MT19937|Philox|SFC64", re.I
)
_began = time.time()
_seen: dict[Any, str | None] = {}


@never_fails
def seeded(value: Any, frame: FrameType, what: str) -> None:
    """Somebody gave a seed: count it where it is another one in every run.

    Args:
        value: the seed.
        frame: who gave it, or what lies between.
        what: the function or class that got it, such as "random.seed".
    """
    if owner(frame.f_code.co_filename) == "samebits":  # derived from the run's own, for each step and sample
        return
    user = users(frame)
    if user is None:
        return
    key = (user.f_code, user.f_lasti)
    if key not in _seen:
        _seen[key] = _by_code(user)
    if (origin := _seen[key] or _by_value(value, user)) is not None:
        file = user.f_code.co_filename
        RECORDS.add(Source("seed", f"a seed from {origin} for {what}", file, user.f_lineno, "", FIX))


def _by_value(value: Any, user: FrameType) -> str | None:
    """The clock that reads this value in this process's life, or what gave it; None: it may be a constant.

    `int(time.time() * 1000) % 2**32` and the like are looked for, too, where the remainder still tells.
    """
    if (source := entropy.source_of(value)) is not None:
        return source
    if value == os.getpid() and calls.mentions(user.f_code.co_filename, "getpid"):
        return "os.getpid()"
    if isinstance(value, bool) or not isinstance(value, int | float):
        try:
            value = operator.index(value)
        except TypeError:
            return None
    for unit, name in UNITS.items():
        first, last = int((_began - 1) * unit), int((time.time() + 1) * unit)
        if first <= value <= last:
            return f"the clock ({name})"
        for size in (2**32, 2**32 - 1, 2**31, 2**31 - 1):
            rare = (last - first) * 10**5 < size  # a constant is there once in 100,000 programs
            if rare and (value - first) % size <= last - first and 0 <= value < size <= last:
                return f"the clock ({name})"
    return None


def _by_code(frame: FrameType) -> str | None:
    """What the code at a frame's call gives as the seed, if that is another value in every run."""
    call, module = calls.call_at(frame), calls.module(frame.f_code.co_filename)
    given = None if call is None else _given(call)
    return None if given is None or module is None else _origin(given, module, frame, DEPTH)


def _given(call: ast.Call) -> ast.expr | None:
    """The seed that is written in a call; None where none of its names says so."""
    for keyword in call.keywords:
        if SEED.search(keyword.arg or ""):
            return keyword.value
    if not SEED.search(attribute(call)):
        return None
    return next(iter([*call.args, *(keyword.value for keyword in call.keywords)]), None)


def _origin(node: ast.expr, module: Module, frame: FrameType, depth: int) -> str | None:
    """What an expression comes from that is another value in every run, as a name; None otherwise."""
    if depth == 0:
        return None
    for inner in ast.walk(node):
        if isinstance(inner, ast.IfExp | ast.BoolOp | ast.Lambda):
            return None  # which of them counted is not known
        if isinstance(inner, ast.Call) and module.called(inner) in CHANGING:
            return f"{module.called(inner)}()"
        if isinstance(inner, ast.Call) and module.called(inner) == "hash" and len(inner.args) == 1:
            kind = _hashed(inner.args[0], frame)
            if kind is not None:
                return f"hash() of {kind}"
    if isinstance(node, ast.Call) and module.called(node) in ("int", "abs", "hash", "float") and node.args:
        return _origin(node.args[0], module, frame, depth - 1)
    if isinstance(node, ast.BinOp):
        left = _origin(node.left, module, frame, depth - 1)
        return left or _origin(node.right, module, frame, depth - 1)
    if isinstance(node, ast.Name):
        return _of_name(node, module, frame, depth)
    return None


def _hashed(node: ast.expr, frame: FrameType) -> str | None:
    """What is hashed, in words, where its hash is another one in every process; None elsewhere."""
    value = calls.value_of(node, frame)
    if value is not calls.UNKNOWN and by_address(value):
        return "an object, which is its address"
    text = isinstance(value, str | bytes) or isinstance(node, ast.JoinedStr)
    return "a text, while PYTHONHASHSEED is not set" if text and sys.flags.hash_randomization else None


def _of_name(node: ast.Name, module: Module, frame: FrameType, depth: int) -> str | None:
    scope = module.scope(node)
    if isinstance(scope, ast.FunctionDef) and node.id in names.bound_in(scope):
        if node.id in _parameters(scope) and len(_assigned(node.id, scope)) == 0:
            return _of_parameter(node.id, scope, module, frame, depth)
    else:
        scope = module.tree
    assigned = _assigned(node.id, scope)
    if len(assigned) != 1 or not isinstance(statement := module.parents[assigned[0]], ast.Assign):
        return None
    around = itertools.takewhile(lambda outer: outer is not scope, module.around(statement))
    if any(isinstance(outer, ast.If | ast.For | ast.While) for outer in around):
        return None  # whether it was reached is not known
    return _origin(statement.value, module, frame, depth - 1)


def _assigned(name: str, scope: ast.AST) -> list[ast.Name]:
    return [
        each
        for each in names.own(scope)
        if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Store)
    ]


def _parameters(function: ast.FunctionDef) -> list[str]:
    given = function.args
    return [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


def _of_parameter(
    name: str, function: ast.FunctionDef, module: Module, frame: FrameType, depth: int
) -> str | None:
    """What the user's code gave for a parameter where it called the function that runs."""
    outer = frame.f_back
    if frame.f_code.co_name != function.name or outer is None or owner(outer.f_code.co_filename) != "user":
        return None
    call, outside = calls.call_at(outer), calls.module(outer.f_code.co_filename)
    made = module.class_of(function)
    called = made.name if made is not None and function.name == "__init__" else function.name
    if call is None or outside is None or attribute(call) != called:
        return None
    given = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    parameters = _parameters(function)
    place = parameters.index(name) - (parameters[0] in ("self", "cls"))
    if given is None and place < len(call.args):
        given = call.args[place]
    return None if given is None else _origin(given, outside, outer, depth - 1)


# ---------------------------------------------------------------- who is given seeds


def watch_numpy() -> None:
    """NumPy asks one function of Python's to make words of seeds; not for `numpy.random.seed`."""
    bits: Any = sys.modules["numpy.random.bit_generator"]
    original = bits._coerce_to_uint32_array

    @functools.wraps(original)
    def coerce(value: Any) -> Any:
        if not isinstance(value, tuple) or value:  # an empty one is NumPy's own
            seeded(value, sys._getframe(1), "numpy.random")
        return original(value)

    bits._coerce_to_uint32_array = coerce
    package: Any = sys.modules["numpy.random"]
    _watch_function([package, package.mtrand], "seed", "numpy.random.seed")


def watch_torch() -> None:
    """All of torch's seeds reach this method of C's."""
    kind: Any = sys.modules["torch"].Generator
    original = kind.manual_seed

    @functools.wraps(original)
    def manual_seed(self: Any, seed: Any) -> Any:
        seeded(seed, sys._getframe(1), "torch")
        return original(self, seed)

    set_method(kind, "manual_seed", manual_seed)


def watch_tensorflow() -> None:
    """`tf.random.set_seed`."""
    package: Any = sys.modules["tensorflow"].random
    _watch_function([package, sys.modules[package.set_seed.__module__]], "set_seed", "tf.random.set_seed")


def _watch_function(homes: list[Any], name: str, what: str) -> None:
    """Replace a function under each of its names."""
    original = getattr(homes[0], name)

    @functools.wraps(original)
    def watched(*arguments: Any, **named: Any) -> Any:
        given = [value for value in (*arguments, *named.values()) if value is not None]
        if given:
            seeded(given[0], sys._getframe(1), what)
        return original(*arguments, **named)

    for home in homes:
        if getattr(home, name, None) is original:
            setattr(home, name, watched)
