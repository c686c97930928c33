"""Threads and processes that the script started and that run beside the training.

What they remember, nobody can see. Left out are data workers, and the threads and processes of libraries.
"""

import contextlib
import gc
import multiprocessing.process
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from samebits.process.code_owner import is_users_file, owner
from samebits.unsaved import source
from samebits.unsaved.digests import PLAIN
from samebits.unsaved.frames import users_frames, variables
from samebits.unsaved.report import affects_no_weight

FIX = "what it remembers cannot be seen or saved: stop it, or {} if it decides no weight"
POOLS = ("multiprocessing.", "concurrent.futures.")  # whose objects have the processes that they started
WIDE = 64  # things in a list in which a process is looked for
DEEP = 3
WORDS = 60  # characters of a command


def beside() -> list[dict[str, Any]]:
    """One table for each, as `report.row` makes them."""
    return [_row(name, kind, where) for name, kind, where in (*_threads(), *_processes())]


def _threads() -> Iterator[tuple[str, str, str]]:
    threads = {thread.ident: thread for thread in threading.enumerate()}
    for number, frame in sys._current_frames().items():
        if number in (threading.get_ident(), threading.main_thread().ident) or number not in threads:
            continue
        thread = threads[number]
        if (code := _users_code(thread) or _outermost(frame)) is not None:
            yield thread.name, "thread", source.place(code.co_filename, code.co_firstlineno)


def _outermost(frame: FrameType | None) -> CodeType | None:
    """The outermost code in a thread, but for Python's own; None where that is a library's."""
    codes = []
    while frame is not None:
        if owner(frame.f_code.co_filename) != "python":
            codes.append(frame.f_code)
        frame = frame.f_back
    return codes[-1] if codes and is_users_file(codes[-1].co_filename) else None


def _users_code(thread: threading.Thread) -> CodeType | None:
    """The user's own code that a thread was started with; None where it is somebody else's."""
    function = getattr(thread, "_target", None) or type(thread).run
    while hasattr(function, "func"):  # a partial
        function = function.func
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code if code is not None and is_users_file(code.co_filename) else None


def _processes() -> Iterator[tuple[str, str, str]]:
    """Those that the user's variables and objects have, and those that nobody has.

    A library has its own in an object of its own, such as a DataLoader its workers.
    """
    held = [value for frame in users_frames() for _, value in variables(frame)]
    held += [value for module in source.users_modules() for value in list(vars(module).values())]
    seen: set[int] = set()
    started = [child for value in held for child in _within(value, seen, DEEP)]
    started += getattr(subprocess, "_active", None) or ()  # still runs, and nobody has it
    started += _forgotten()
    named: set[int] = set()
    for child in started:
        if child.pid not in named and _is_alive(child.pid):
            named.add(child.pid)
            yield _called(child), "process", ""


def _forgotten() -> list[BaseProcess]:
    """Of `multiprocessing`, those that nobody has."""
    children = multiprocessing.process._children  # type: ignore[attr-defined]
    new = [child for child in children if child.pid not in _had]
    if not new:
        return []
    having = [some for some in gc.get_referrers(*new) if some is not children and some is not new]
    had = {id(part) for some in having if not isinstance(some, FrameType) for part in gc.get_referents(some)}
    _had.update(child.pid for child in new if id(child) in had)
    return [child for child in new if id(child) not in had]


_had: set[int | None] = (
    set()
)  # processes that some object has: asking takes long, where there are many objects


def _called(child: Any) -> str:
    if not isinstance(child, subprocess.Popen):
        return str(child.name)
    words = [child.args] if isinstance(child.args, str | bytes | os.PathLike) else list(child.args)
    text = " ".join(map(os.fsdecode, words))
    return text if len(text) <= WORDS else f"{text[:WORDS]}…"


def _within(value: Any, seen: set[int], depth: int) -> Iterator[Any]:
    """The processes that a value is, or has in it."""
    if isinstance(value, subprocess.Popen | BaseProcess):
        yield value
    elif type(value) in PLAIN or isinstance(value, type) or depth == 0 or id(value) in seen:
        return
    elif type(value) in (list, tuple, set, dict):
        for inner in list(value.values() if isinstance(value, dict) else value)[:WIDE]:
            yield from _within(inner, seen, depth - 1)
    elif source.is_users_class(type(value)) or type(value).__module__.startswith(POOLS):
        seen.add(id(value))
        for inner in list(getattr(value, "__dict__", {}).values()):
            yield from _within(inner, seen, depth - 1)


def _is_alive(pid: int | None) -> bool:
    """Whether a process runs: not one that has ended and that nobody has asked."""
    if pid is None:
        return False
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    if sys.platform == "linux":
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _row(name: str, kind: str, where: str) -> dict[str, Any]:
    fix = FIX.format(affects_no_weight(name))
    return {"name": name, "kind": kind, "where": where, "fix": fix, "shown": False, "within_epochs": False}
