"""Begins to execute operations twice in this process, below `samebits twice`, when torch is imported."""

import atexit
import importlib
import os
import sys

from samebits.process.after_import import after_import
from samebits.record.guarded import guarded
from samebits.twice.told import Process
from samebits.twice.window import parse

FOLDER, WINDOW = "SAMEBITS_TWICE", "SAMEBITS_TWICE_WINDOW"
OTHERS = ("tensorflow", "jax")  # frameworks whose operations are not covered


def begin(folder: str) -> None:
    """Execute operations twice from now on, in this process and in those that it forks.

    Args:
        folder: where each process tells what it compared.
    """
    process = Process(folder)
    os.register_at_fork(after_in_child=process.forked)
    _at_end(process)
    process.write()  # this process was reached, whatever it computes
    after_import("torch", lambda: _attach(process))


@guarded
def _attach(process: Process) -> None:
    importlib.import_module("samebits.torch.twice").attach(process, parse(os.environ.get(WINDOW, "1/")))


def _at_end(process: Process) -> None:
    """Processes of multiprocessing end by `os._exit`, which runs no exit handlers."""
    leave = os._exit

    def end() -> None:
        for name in OTHERS:
            if name in sys.modules:
                process.not_covered("other frameworks", name)
        process.write()

    def _exit(status: int) -> None:
        end()
        leave(status)

    os._exit = _exit  # type: ignore[assignment]
    atexit.register(end)
