"""The line of the user's code that has begun what a thread executes, where the thread has no other one.

`pool.submit(model, batch)` calls a model from Python's own code: no line of the user's is on the stack.
"""

import functools
import sys
import threading
from typing import Any

from samebits.chance.places import users
from samebits.process.after_import import after_import
from samebits.record.guarded import guarded

Place = tuple[str, int]  # a file, and the number of a line
LINE = "_samebits_begun"  # of a thread, or of a task of a pool


class _Here(threading.local):
    """What has begun the work of this thread."""

    place: Place | None = None


_here = _Here()
_watched: list[bool] = []


def place_of(frame: Any) -> Place | None:
    """The file and the line of the user's code for a frame inside, or where its thread's work was begun."""
    user = users(frame)
    return _here.place if user is None else (user.f_code.co_filename, user.f_lineno)


def watch() -> None:
    """Know from now on who begins a thread, or gives a task to a `ThreadPoolExecutor`."""
    if not _watched:
        _watched.append(True)
        _keep_begin(threading.Thread, "start", "_bootstrap_inner")
        after_import("concurrent.futures.thread", _watch_tasks)


@guarded
def _watch_tasks() -> None:
    _keep_begin(sys.modules["concurrent.futures.thread"]._WorkItem, "__init__", "run")


def _keep_begin(kind: Any, begins: str, runs: str) -> None:
    """What one method of a class is called from is known while another method runs in its thread."""
    begin, run = getattr(kind, begins), getattr(kind, runs)

    @functools.wraps(begin)
    def begun(self: Any, *given: Any, **named: Any) -> Any:
        setattr(self, LINE, place_of(sys._getframe(1)))
        return begin(self, *given, **named)

    @functools.wraps(run)
    def running(self: Any, *given: Any, **named: Any) -> Any:
        before, _here.place = _here.place, getattr(self, LINE, None)
        try:
            return run(self, *given, **named)
        finally:
            _here.place = before

    setattr(kind, begins, begun)
    setattr(kind, runs, running)
