"""Looks at each line of the user's code, below `samebits watch` only: for NumPy's draws, and for some sets.

Python's own trace function; a debugger that sets another one takes its place.
"""

import atexit
import ctypes
import functools
import sys
import threading
from types import FrameType
from typing import Any

from samebits.chance import calls, numpy_generators, sets, several_threads, sorted_by_address
from samebits.chance.methods import set_method
from samebits.chance.never_fails import never_fails
from samebits.chance.places import outwards
from samebits.chance.records import RECORDS, Source
from samebits.process.code_owner import owner

WORDS = 624  # of 32 bits: the state of NumPy's global Mersenne twister, with its position behind them


class Draws:
    """Whether NumPy's global generator drew since the last look, and from which line, until it has a seed."""

    def __init__(self) -> None:
        self.position: Any = None  # where it stands, as memory; None where it need not be looked at
        self.before = 0
        self.line: tuple[Any, int] | None = None  # the code that runs, and its line

    def watch(self) -> None:
        """NumPy is imported: its generator has no seed."""
        package: Any = sys.modules["numpy.random"]
        state = package.mtrand._rand._bit_generator
        if type(state).__name__ != "MT19937":
            return
        self.position = ctypes.c_int.from_address(state.ctypes.state_address + WORDS * 4)
        self.before = self.position.value
        # NumPy imports this when it is first named: the line that names it runs already.
        user = next(
            (each for each in outwards(sys._getframe()) if owner(each.f_code.co_filename) == "user"), None
        )
        self.line = None if user is None else (user.f_code, user.f_lineno)
        original, method = package.set_state, package.RandomState.set_state

        @functools.wraps(original)
        def set_state(state: Any) -> None:
            self.position = None
            original(state)

        @functools.wraps(method)
        def set_state_of(generator: Any, state: Any) -> None:
            if generator is package.mtrand._rand:
                self.position = None
            method(generator, state)

        package.set_state = package.mtrand.set_state = set_state
        set_method(package.RandomState, "set_state", set_state_of)

    def look(self, frame: FrameType) -> None:
        """Called between two lines."""
        if self.position.value != self.before:
            if numpy_generators.has_seed():
                self.position = None
                return
            self.before = self.position.value
            if self.line is not None:
                _drawn(*self.line)
        self.line = (frame.f_code, frame.f_lineno)


draws = Draws()


def watch() -> None:
    """Begin with the next function that is called."""
    if sys.gettrace() is None:
        atexit.register(sys.settrace, None)  # later, what is called here may be gone
        threading.settrace(_called)
        sys.settrace(_called)


def _called(frame: FrameType, event: str, argument: Any) -> Any:
    if owner(frame.f_code.co_filename) != "user":
        return None
    return _line


def _line(frame: FrameType, event: str, argument: Any) -> Any:
    try:
        if draws.position is not None:
            draws.look(frame)
            if event == "return" and (outer := frame.f_back) is not None:
                draws.line = (outer.f_code, outer.f_lineno)
        if event == "line":
            file, line = frame.f_code.co_filename, frame.f_lineno
            if line in sets.without_iterator(file):
                sets.look_at_line(frame)
            if line in sorted_by_address.sorts(file):
                sorted_by_address.look_at_line(frame)
            if line in several_threads.lines(file):
                several_threads.look_at_line(frame)
    except Exception as error:
        print(f"samebits: samebits.chance.lines failed: {type(error).__name__}: {error}", file=sys.stderr)
    return _line


@never_fails
def _drawn(code: Any, line: int) -> None:
    if owner(code.co_filename) != "user" or line in calls.imports(code.co_filename):
        return
    source, fix = numpy_generators.GLOBAL, numpy_generators.GLOBAL_FIX
    RECORDS.add(Source("global generator", source, code.co_filename, line, "", fix))
