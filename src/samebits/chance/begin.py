"""Begins to watch this process: each library's part as soon as it is imported."""

import functools
import os
import sys
from collections.abc import Callable

from samebits.chance import (
    before_seed,
    completion,
    entropy,
    files,
    framework_generators,
    lines,
    made,
    memory,
    numpy_generators,
    order,
    python_generators,
    random_names,
    seeds,
    sets,
    torch_beginning,
)
from samebits.chance.records import RECORDS, began
from samebits.process.after_import import after_import, is_imported

PARTS: dict[str, tuple[Callable[[], None], ...]] = {  # by the module whose import brings it
    "random": (python_generators.watch,),
    "uuid": (entropy.watch_uuid,),
    "queue": (completion.watch_queues,),
    "concurrent.futures._base": (completion.watch_futures,),
    "multiprocessing.queues": (completion.watch_process_queues,),
    "multiprocessing.pool": (completion.watch_pools,),
    "asyncio.tasks": (completion.watch_asyncio,),
    "joblib.parallel": (completion.watch_joblib,),
    "numpy.random": (numpy_generators.watch, seeds.watch_numpy),
    "torch": (framework_generators.watch_torch, seeds.watch_torch, memory.watch),
    "torch._dynamo.eval_frame": (torch_beginning.watch_compiler,),
    "tensorflow": (
        framework_generators.watch_tensorflow,
        framework_generators.watch_tensorflow_global,
        seeds.watch_tensorflow,
        files.watch_tensorflow,
    ),
    "datasets.table": (files.watch_datasets,),
}
# What comes before a seed; not in the child processes of a run, where nobody draws from these on purpose.
EARLY: dict[str, tuple[Callable[[], None], ...]] = {
    "random": (python_generators.watch_global,),
    "numpy.random": (numpy_generators.watch_global,),
    "torch": (torch_beginning.watch,),
}
BY_LINE = {"numpy.random": (lines.draws.watch,)}  # in place of these, where a process is traced
FOLDER = "SAMEBITS_CHANCE"  # where the children of a run write
_begun: set[str] = set()


def begin(folder: str | None = None) -> None:
    """Watch from now on. May be called again, with another folder to write to.

    Args:
        folder: where this process and its children write what they used; None: nowhere yet.
    """
    first = not _begun
    if first:
        _begun.add("")
        os.register_at_fork(after_in_child=_forked)
        _flush_at_exit()
        order.watch_listings()
        random_names.watch()
        files.watch()
        sets.watch()
        entropy.watch()
        if _traced():
            lines.watch()
        elif not _is_child():
            before_seed.note_what_ran(sys._getframe(1))
    for name in PARTS:
        if first:
            after_import(name, functools.partial(_watch, name))
        elif is_imported(name):  # its import had begun before this did
            _watch(name)
    for told in (folder, os.environ.get(FOLDER)):
        if told is not None and (told == folder or os.path.isdir(told)):  # a run's is gone when it has ended
            write_to(told)


def write_to(folder: str) -> None:
    """Tell this folder from now on; who told it first says when the run began."""
    RECORDS.write_to(folder)
    files.began = min(files.began, began(folder))


def _traced() -> bool:
    return "SAMEBITS_WATCH" in os.environ


def _is_child() -> bool:
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def finish() -> None:
    """Look at what was made, and write every count."""
    made.settle()
    files.settle()
    random_names.settle()
    RECORDS.flush()


def _watch(name: str) -> None:
    if name not in _begun:
        _begun.add(name)
        early = () if _is_child() and not _traced() else EARLY.get(name, ())
        for part in PARTS[name] + (BY_LINE.get(name, early) if _traced() else early):
            part()


def _forked() -> None:
    RECORDS.forked()
    made.forked()
    files.forked()


def _flush_at_exit() -> None:
    """Processes of multiprocessing end by `os._exit`, which runs no exit handlers."""
    import atexit

    leave = os._exit

    def _exit(status: int) -> None:
        finish()
        leave(status)

    os._exit = _exit  # type: ignore[assignment]
    atexit.register(finish)
