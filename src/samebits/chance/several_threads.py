"""What several threads do at once, whose order is another one in every run: below `samebits watch`.

A line of the user's code counts that appends to what all threads share, or draws from a global
generator, and that threads with the same task have run, of which two were alive at once.
"""

import ast
import functools
import itertools
import threading
from types import FrameType

from samebits.chance import calls
from samebits.chance.never_fails import never_fails
from samebits.chance.order import Used
from samebits.chance.records import RECORDS, Source
from samebits_lint.drawing import draws_from
from samebits_lint.module import Module, attribute

APPENDS = "the order in which threads append"
DRAWS = "the order in which threads draw from a global generator"
FIXES = {
    APPENDS: "put each result at the place of its number, or take them from the threads in their order",
    DRAWS: "give each task a generator of its own, with a seed derived from its number",
}


@functools.lru_cache(256)
def lines(file: str) -> dict[int, str]:
    """The lines of a file that do either, in a function, where anything depends on it."""
    module = calls.module(file)
    places: dict[int, str] = {}
    for call in module.calls if module is not None else ():
        if module is None or isinstance(module.scope(call), ast.Module):
            continue
        if draws_from(module, call) is not None:
            places[call.lineno] = DRAWS
        elif _appends_to_shared(call, module) and Used(module).called_in_turn(call.func):
            places[call.lineno] = APPENDS
    return places


def _appends_to_shared(call: ast.Call, module: Module) -> bool:
    """Whether a call appends to a list that is not the function's own."""
    if attribute(call) not in ("append", "extend") or not isinstance(call.func, ast.Attribute):
        return False
    receiver = call.func.value
    own = isinstance(receiver, ast.Name) and receiver.id in module.bound_in(module.scope(receiver))
    return isinstance(receiver, ast.Name | ast.Attribute) and not own


def _task(thread: threading.Thread) -> tuple[type, object]:
    """What threads that do the same have in common."""
    return type(thread), getattr(thread, "_target", None)


_ran: dict[tuple[str, int], set[int]] = {}  # which threads ran a line
_at_once: set[tuple[str, int]] = set()  # the lines that one ran while another with the same task was alive
_numbers = itertools.count()
_own = threading.local()


def thread_number() -> int:
    """This thread's number: unlike its identifier, no later thread gets it again."""
    if not hasattr(_own, "number"):
        _own.number = next(_numbers)
    return int(_own.number)


@never_fails
def look_at_line(frame: FrameType) -> None:
    """A line of the user's begins, which is one of these."""
    own = threading.current_thread()
    if own is threading.main_thread():
        return
    file, line = frame.f_code.co_filename, frame.f_lineno
    _ran.setdefault((file, line), set()).add(thread_number())
    if sum(_task(thread) == _task(own) for thread in threading.enumerate()) > 1:
        _at_once.add((file, line))
    if len(_ran[file, line]) > 1 and (file, line) in _at_once:
        what = lines(file)[line]
        RECORDS.add(Source("completion", what, file, line, "", FIXES[what]))
