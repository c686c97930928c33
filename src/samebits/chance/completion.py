"""Results in the order in which they are ready, where something depends on it: another one in every run."""

import ast
import functools
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from samebits.chance import calls, several_threads
from samebits.chance.order import Used, note

PASS_ON: tuple[str, ...] = (
    *("concurrent/futures/_base.py", "tqdm/std.py", "tqdm/asyncio.py", "rich/progress.py"),
    *("/queue.py", "multiprocessing/queues.py"),
)
SORT = "put each result with its number, and sort them by it"
FIXES = {
    "concurrent.futures.as_completed": "go through the futures in the order in which they were submitted",
    "Pool.imap_unordered": "Pool.imap(…) gives the results in their order",
    "asyncio.as_completed": "asyncio.gather(…) gives the results in their order",
    "joblib's generator_unordered": 'return_as="generator" gives the results in their order',
    "a queue that several threads fill": SORT,
    "a queue that several processes fill": SORT,
    "Pool.apply_async(callback=…)": "keep what it returns in a list, and call get() of each in turn",
    "Future.add_done_callback": "go through the futures in the order in which they were submitted",
}


def _completed(source: str, frame: FrameType | None, name: str) -> None:
    note("completion", source, FIXES[source], frame, (name,), PASS_ON)


def watch_futures() -> None:
    """`as_completed` asks one function of its module for what waits: only that one is replaced."""
    base: Any = sys.modules["concurrent.futures._base"]
    original, add = base._create_and_install_waiters, base.Future.add_done_callback

    @functools.wraps(original)
    def create(futures: Any, return_when: Any) -> Any:
        frame = sys._getframe(1)
        if return_when is base._AS_COMPLETED:
            _completed("concurrent.futures.as_completed", frame.f_back, "as_completed")
        return original(futures, return_when)

    @functools.wraps(add)
    def add_done_callback(self: Any, fn: Any) -> Any:
        _called_back("Future.add_done_callback", sys._getframe(1))
        return add(self, fn)

    base._create_and_install_waiters, base.Future.add_done_callback = create, add_done_callback


def watch_pools() -> None:
    """The pools of `multiprocessing`, which torch's and others are made of."""
    pool: Any = sys.modules["multiprocessing.pool"].Pool
    original = pool.imap_unordered

    @functools.wraps(original)
    def imap_unordered(self: Any, *arguments: Any, **named: Any) -> Any:
        _completed("Pool.imap_unordered", sys._getframe(1), "imap_unordered")
        return original(self, *arguments, **named)

    pool.imap_unordered = imap_unordered
    asynchronous = pool.apply_async

    @functools.wraps(asynchronous)
    def apply_async(self: Any, *arguments: Any, **named: Any) -> Any:
        if named.get("callback") is not None or len(arguments) > 3:
            _called_back("Pool.apply_async(callback=…)", sys._getframe(1))
        return asynchronous(self, *arguments, **named)

    pool.apply_async = apply_async


def watch_asyncio() -> None:
    """`asyncio.as_completed`, under both of its names."""
    tasks: Any = sys.modules["asyncio.tasks"]
    original = tasks.as_completed

    @functools.wraps(original)
    def as_completed(*arguments: Any, **named: Any) -> Any:
        _completed("asyncio.as_completed", sys._getframe(1), "as_completed")
        return original(*arguments, **named)

    tasks.as_completed = as_completed
    if (package := sys.modules.get("asyncio")) is not None:
        package.as_completed = as_completed  # type: ignore[attr-defined]


def watch_joblib() -> None:
    """`Parallel(return_as="generator_unordered")`."""
    kind: Any = sys.modules["joblib.parallel"].Parallel
    original = kind.__call__

    @functools.wraps(original)
    def call(self: Any, iterable: Any) -> Any:
        if getattr(self, "return_as", "") == "generator_unordered":
            note("completion", *_of("joblib's generator_unordered"), sys._getframe(1), (), PASS_ON)
        return original(self, iterable)

    kind.__call__ = call


def _of(source: str) -> tuple[str, str]:
    return source, FIXES[source]


# ---------------------------------------------------------------- queues


def watch_queues() -> None:
    """The queues of threads: what one thread alone has put into one comes out in its order."""
    kind: Any = sys.modules["queue"].Queue
    fillers: weakref.WeakKeyDictionary[Any, set[int]] = weakref.WeakKeyDictionary()
    put, get = kind.put, kind.get

    @functools.wraps(put)
    def watched_put(self: Any, *given: Any, **named: Any) -> Any:
        fillers.setdefault(self, set()).add(several_threads.thread_number())
        return put(self, *given, **named)

    @functools.wraps(get)
    def watched_get(self: Any, *given: Any, **named: Any) -> Any:
        result = get(self, *given, **named)
        if len(fillers.get(self, ())) > 1 and type(self).__name__ != "PriorityQueue":
            _taken("a queue that several threads fill", sys._getframe(1))
        return result

    kind.put, kind.get = watched_put, watched_get


def watch_process_queues() -> None:
    """The queues of processes: who fills them is not known here, so it counts how many there are."""
    queues: Any = sys.modules["multiprocessing.queues"]
    for kind in (queues.Queue, queues.SimpleQueue):
        kind.get = _watched_get(kind.get)


def _watched_get(original: Callable[..., Any]) -> Callable[..., Any]:
    process: Any = sys.modules["multiprocessing.process"]

    @functools.wraps(original)
    def get(self: Any, *given: Any, **named: Any) -> Any:
        several = len(process._children) > 1
        result = original(self, *given, **named)
        if several:
            _taken("a queue that several processes fill", sys._getframe(1))
        return result

    return get


def _taken(source: str, frame: FrameType) -> None:
    note("completion", *_of(source), frame, ("get", "get_nowait"), PASS_ON, _takes)


def _takes(frame: FrameType, names: Any) -> bool:
    """Whether anything depends on what a frame takes from a queue now."""
    module = calls.module(frame.f_code.co_filename)
    call = calls.given_by(frame, names)
    if module is None or not isinstance(call, ast.Call):
        return False
    return Used(module).taken(call)


# ---------------------------------------------------------------- callbacks


def _called_back(source: str, frame: FrameType) -> None:
    note("completion", *_of(source), frame, (), PASS_ON, _calls_back)


def _calls_back(frame: FrameType, names: Any) -> bool:
    """Whether anything depends on the order in which what a frame gives as a callback is called."""
    module, call = calls.module(frame.f_code.co_filename), calls.call_at(frame)
    if module is None or call is None:
        return False
    given = [keyword.value for keyword in call.keywords if keyword.arg in ("callback", "fn")]
    return any(Used(module).called_in_turn(callback) for callback in given or call.args[-1:])
