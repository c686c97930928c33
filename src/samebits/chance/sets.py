"""Sets of objects that hash by their address: their order is another one in every process, whatever is set.

PYTHONHASHSEED orders strings only. A dictionary keeps the order in which it was filled, so it is ordered by
chance only where it was filled from such a set.

A class written in C has a slot for what gives an iterator. That of `set` and `frozenset` is replaced, so the
set itself is there to be looked at, however the program names it. A run does so in its first steps: what
trains for hours does it with Python as it is. What needs no iterator is not seen: `pop`, `dict.fromkeys`, and
from Python 3.13 on `list(…)` of a set; `samebits watch` reads the lines for these.
"""

import _thread
import ast
import atexit
import ctypes
import functools
import itertools
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from samebits.chance import calls
from samebits.chance.never_fails import never_fails
from samebits.chance.not_seen import not_seen
from samebits.chance.order import Used
from samebits.chance.places import outwards
from samebits.chance.records import RECORDS, Source
from samebits.process.code_owner import owner
from samebits_lint import names
from samebits_lint.module import attribute

FIX = "keep them in a list, or as the keys of a dictionary: both keep their order"
LOOKS = 100_000  # of one process: about 0.1 s; what comes later goes the way that it went without this
MEMBERS = 64  # of one set that are looked at
OUTWARDS = 4  # frames of a library between the user's call and the loop over what it was given
WEAK = "/_weakrefset.py"
# Of a class written in C: what lies before the slot for an iterator, each as long as a pointer (object.h).
BEFORE = 3 + 24  # the head of each object with a size, and the slots from tp_name to tp_weaklistoffset
Iterate = Callable[[Any], Any]
Look = Callable[[Any, Iterator[Any], FrameType], None]


class Slot:
    """What gives an iterator over a class written in C; replaced as long as this is on."""

    def __init__(self, kind: type, look: Look) -> None:
        prototype = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)
        size = ctypes.sizeof(ctypes.c_void_p)
        self._slot = ctypes.c_void_p.from_address(id(kind) + BEFORE * size)
        self._address = self._slot.value or 0
        self._own = prototype(_iterate(prototype(self._address), look))  # alive as long as the slot has it
        self._slot.value = ctypes.cast(self._own, ctypes.c_void_p).value

    def off(self) -> None:
        self._slot.value = self._address


def _iterate(original: Iterate, look: Look) -> Iterate:
    def iterate(members: Any) -> Any:
        try:
            if len(members) > 1 and (frame := sys._getframe().f_back) is not None:
                look(members, original(members), frame)
            return original(members)
        except BaseException as error:  # of a signal's handler: what called this is C and would lose it
            _thread.start_new_thread(raise_in, (threading.get_ident(), error, iterate.__code__))
            return original(members)

    return iterate


def raise_in(thread: int, error: BaseException, code: CodeType) -> None:
    """Raise an exception in a thread, as soon as it is not within a function any more that would lose it."""
    while any(frame.f_code is code for frame in outwards(sys._current_frames().get(thread))):
        time.sleep(0.001)
    kind = type(type(error).__name__, (type(error),), {"__new__": lambda cls, *given: error})
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


@functools.lru_cache(256)
def without_iterator(file: str) -> dict[int, list[ast.expr]]:
    """By line, the sets that a file takes from without an iterator, where that decides anything."""
    places: dict[int, list[ast.expr]] = {}
    if (module := calls.module(file)) is None:
        return places
    used = Used(module, of_set=True)
    for call in module.calls:
        name, given = attribute(call), call.args[:1]
        if name == "pop" and not call.args and isinstance(call.func, ast.Attribute):
            taken = [call.func.value] if used.taken(call) else []
        elif name == "fromkeys" or (name == "list" and sys.version_info >= (3, 13)):
            taken = given if given and used.matters(call, sequence=True) else []
        else:
            continue
        for expression in taken:
            places.setdefault(call.lineno, []).append(expression)
    return places


@never_fails
def look_at_line(frame: FrameType) -> None:
    """A line of the user's begins: count the sets of objects from which it takes without an iterator."""
    file = frame.f_code.co_filename
    for expression in without_iterator(file).get(frame.f_lineno, ()):
        members = calls.value_of(expression, frame)
        if type(members) in (set, frozenset) and len(members) > 1 and any(map(by_address, members)):
            _add(expression, file, frame.f_lineno)


slots: list[Slot] = []
_looks = itertools.count(1)


def watch() -> None:
    """Look at each set whose members are gone through, of the user's code."""
    if not slots:
        slots.extend(Slot(kind, _look) for kind in (set, frozenset))
        atexit.register(leave)


def leave(not_looked_at: str = "") -> None:
    """Sets are as they were.

    Args:
        not_looked_at: what the manifest says of it.
    """
    if slots and not_looked_at:
        not_seen(not_looked_at)
    while slots:
        slots.pop().off()


@never_fails
def _look(members: Any, each: Iterator[Any], frame: FrameType) -> None:
    if next(_looks) > LOOKS:
        leave(f"the order of sets, after the first {LOOKS:,} that the process went through")
    elif frame.f_code.co_filename[0] != "<" and any(map(by_address, itertools.islice(each, MEMBERS))):
        _count(members, frame)


@never_fails
def _count(members: Any, frame: FrameType) -> None:
    if (frame.f_code, frame.f_lasti) in _decides_nothing:
        return
    user = _user(frame)
    expression = None if user is None else _decides(user, members, user is frame)
    if user is frame and expression is None:
        _decides_nothing.add((frame.f_code, frame.f_lasti))
    if user is not None and expression is not None:
        _add(expression, user.f_code.co_filename, user.f_lineno)


def _add(expression: ast.expr, file: str, line: int) -> None:
    name = names.spelled(expression)
    what = f"the order of the set{' ' * bool(name)}{name or ''}, whose members hash by address"
    RECORDS.add(Source("set", what, file, line, "", FIX))


def _user(frame: FrameType) -> FrameType | None:
    """The frame of the user's code that goes through a set, or that gave it to the library that does."""
    for each in itertools.islice(outwards(frame), OUTWARDS):
        whose = owner(each.f_code.co_filename)
        if whose == "user":
            return each
        if whose != "library" and not each.f_code.co_filename.endswith(WEAK):
            return None
    return None


_answers: dict[Any, ast.expr | None] = {}
_decides_nothing: set[tuple[Any, int]] = set()  # the places of the user's code at which nothing depends on it


def _decides(frame: FrameType, members: Any, itself: bool) -> ast.expr | None:
    """The expression that gives a set at a place of the user's code, if anything there depends on its order.

    Args:
        frame: of the user's code, in a call or at the head of a loop.
        members: the set.
        itself: the frame goes through it; else it gave it to somebody.
    """
    key = (frame.f_code, frame.f_lasti, itself)
    if key not in _answers:
        _answers[key] = _expression(frame, members, itself)
    return _answers[key]


def _expression(frame: FrameType, members: Any, itself: bool) -> ast.expr | None:
    module = calls.module(frame.f_code.co_filename)
    if module is None:
        return None
    used = Used(module, of_set=True)
    values = [(expression, calls.value_of(expression, frame)) for expression in _candidates(frame)]
    likely = [
        expression
        for expression, value in values
        if value is members or (type(value) is weakref.WeakSet and vars(value)["data"] is members)
    ]
    if not likely and itself:  # else it may be another set, of the library's own
        computed = (expression for expression, value in values if value is calls.UNKNOWN)
        likely = [expression for expression in computed if not isinstance(expression, ast.Name)]
    return next((each for each in likely if used.matters(each, sequence=not itself)), None)


def _candidates(frame: FrameType) -> Iterator[ast.expr]:
    """The expressions that a frame may go through now, the likeliest first."""
    if (given := calls.given_by(frame, ())) is not None:
        yield given
    if (call := calls.call_at(frame)) is not None:
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            yield argument.value if isinstance(argument, ast.Starred) else argument


def by_address(member: Any) -> bool:
    """Whether an object's place in a set follows from an address: of itself, or of something in it."""
    kind = type(member)
    if kind is str or kind is int:
        return False
    if kind is tuple or kind is frozenset:
        return any(map(by_address, member))
    if kind is weakref.ref:
        return by_address(member())
    method = kind.__hash__
    if method is object.__hash__:
        return member is not None or sys.version_info < (3, 12)  # from then on, None is a constant
    return _by_identity(method)


@functools.lru_cache(1024)
def _by_identity(method: Any) -> bool:
    """Whether a method of Python's is `return id(self)`, or hands on to what hashes by address."""
    if getattr(method, "__module__", None) == "torch._tensor":
        return True
    code = getattr(method, "__code__", None)
    return code is not None and "id" in code.co_names and len(code.co_names) <= 2
