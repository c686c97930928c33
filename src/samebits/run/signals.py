"""SIGTERM and SIGINT (docker stop, a scheduler, Ctrl-C) end a run between two steps, not within one."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SAVED = 75  # EX_TEMPFAIL of sysexits.h: not done, nothing is lost, the same command resumes it
SIGNALS = (signal.SIGTERM, signal.SIGINT)

_terminated = 0  # the signal that a handler of `terminating` was called for


def terminating() -> Callable[[int, FrameType | None], None]:
    """A handler of signals for a whole program: it unwinds as by an exception, with status 128 + number.

    Python prints and drops an exception that a handler raises while a destructor runs, or a callback of an
    import. So what came is remembered, and `end_if_terminated` raises it again.

    A child gets the handler by fork, and dies of the signal as without one. An exception that comes right
    behind the fork would leave the code that ends the child, and the child would run as a second parent.
    """
    process = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        global _terminated
        if os.getpid() != process:
            _die(number)
            return
        _terminated = number
        raise SystemExit(128 + number)

    return terminate


def _die(number: int) -> None:
    """Do what a signal does to a process that has no handler."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def end_if_terminated() -> None:
    """Raise SystemExit if a handler of `terminating` was called, and the program continues in spite of it."""
    if _terminated:
        raise SystemExit(128 + _terminated)


class Interruption:
    """What has been asked for, and what may be done about it at once.

    Attributes:
        by: the signal that came, None as long as none has.
        busy: within a step, or waiting for its data: the state is not one to be saved.
        leave: what to do about a signal that comes while nothing of the state changes (in an evaluation,
            say). Returns where the state is not safe yet: then the next boundary between two steps acts.
    """

    def __init__(self, leave: Callable[[signal.Signals], None]) -> None:
        self.by: signal.Signals | None = None
        self.busy = False
        self.leave = leave

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """A block in which the signals come here. Only the main thread can have that."""
        end_if_terminated()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        process = os.getpid()
        former = {number: signal.getsignal(number) for number in SIGNALS}

        def handle(number: int, frame: FrameType | None) -> None:
            if os.getpid() != process:  # a data worker, which got this handler by fork
                if number == signal.SIGTERM:
                    _die(number)
                return
            if self.by is not None:  # asked twice: at once, with what was saved before
                raise SystemExit(128 + number)
            self.by = signal.Signals(number)
            if not self.busy:
                self.leave(self.by)

        for number in SIGNALS:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
