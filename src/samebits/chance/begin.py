"""Begins to watch this process: each library's part as soon as it is imported."""

import importlib.abc
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from samebits.chance import (
    files,
    framework_generators,
    lines,
    made,
    memory,
    numpy_generators,
    order,
    python_generators,
    seeds,
    sets,
    torch_beginning,
)
from samebits.chance.records import RECORDS

PARTS: dict[str, tuple[Callable[[], None], ...]] = {  # by the module whose import brings it
    "random": (python_generators.watch,),
    "concurrent.futures._base": (order.watch_futures,),
    "multiprocessing.pool": (order.watch_pools,),
    "asyncio.tasks": (order.watch_asyncio,),
    "numpy.random": (numpy_generators.watch, seeds.watch_numpy),
    "torch": (framework_generators.watch_torch, seeds.watch_torch, memory.watch),
    "torch._dynamo.eval_frame": (torch_beginning.watch_compiler,),
    "tensorflow": (framework_generators.watch_tensorflow, seeds.watch_tensorflow, files.watch_tensorflow),
}
EARLY: dict[str, tuple[Callable[[], None], ...]] = {  # only where a process is watched from its beginning
    "random": (python_generators.watch_global,),
    "numpy.random": (lines.draws.watch,),
    "torch": (torch_beginning.watch,),
}
_begun: set[str] = set()


def begin(folder: str | None = None) -> None:
    """Watch from now on. May be called again, with another folder to write to.

    Args:
        folder: where this process and its children write what they used; None: nowhere yet.
    """
    if not _begun:
        _begun.add("")
        sys.meta_path.insert(0, _Finder())
        os.register_at_fork(after_in_child=_forked)
        _flush_at_exit()
        order.watch_listings()
        files.watch()
        sets.watch()
        if "SAMEBITS_WATCH" in os.environ:
            lines.watch()
    for name in PARTS:
        if name in sys.modules and not _is_being_imported(name):
            _watch(name)
    if folder is not None:
        RECORDS.write_to(folder)


def finish() -> None:
    """Look at what was made, and write every count."""
    made.settle()
    RECORDS.flush()


def _watch(name: str) -> None:
    if name not in _begun:
        _begun.add(name)
        early = EARLY.get(name, ()) if "SAMEBITS_WATCH" in os.environ else ()
        for part in PARTS[name] + early:
            part()


def _is_being_imported(name: str) -> bool:
    return getattr(getattr(sys.modules[name], "__spec__", None), "_initializing", False)


def _forked() -> None:
    RECORDS.forked()
    made.forked()


def _flush_at_exit() -> None:
    """Processes of multiprocessing end by `os._exit`, which runs no exit handlers."""
    import atexit

    leave = os._exit

    def _exit(status: int) -> None:
        finish()
        leave(status)

    os._exit = _exit  # type: ignore[assignment]
    atexit.register(finish)


class _Finder(importlib.abc.MetaPathFinder):
    """Has a library's part begin when its import ends."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in PARTS or name in _begun:
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next((spec for finder in others if (spec := finder.find_spec(name, path, target))), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _watch(name)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign] # of this one loader object
        return spec
