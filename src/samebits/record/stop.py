"""Stops a recorded training right after a step, and tells after which steps checkpoints were there.

For `samebits resume-proof`. In the folder of the record, SAVED has a line for each step at whose end another
checkpoint was there than before, and STOPPED tells what the process was doing when it was stopped.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from samebits.record.files import unseen
from samebits.record.guarded import guarded
from samebits.record.saved import INDEX, saved, stamps

SAVED, STOPPED = "saved.txt", "stopped.txt"
FREELY = 2.0  # seconds that looking for checkpoints may take; from then on
RARELY = 50  # it takes at most such a part of the time


def as_variable(step: int, number: int, place: str, pattern: str) -> str:
    """What the variable SAMEBITS_RECORD_STOP says.

    Args:
        step: after which the training is stopped; 0: never.
        number: of the signal.
        place: where it is started: the folder that is looked at for checkpoints.
        pattern: names them, as `saved` takes it.
    """
    return json.dumps([step, int(number), place, pattern])


class Stop:
    """Looks at each step of the first optimiser of this process.

    Args:
        folder: of the record.
        said: what `as_variable` gave.
    """

    def __init__(self, folder: str, said: str) -> None:
        self._step, self._signal, self._place, self._pattern = json.loads(said)
        self._folder = folder
        self._before = stamps(self._place)
        self._last: tuple[str, float] = "", 0.0
        self._next = self._spent = 0.0

    @guarded
    def after(self, event: Mapping[str, Any]) -> None:
        """A step was written."""
        if not event["optimizer"]:
            with unseen():
                self._look(int(event["step"]))

    def _look(self, step: int) -> None:
        if step == self._step:
            self._stop()
        began = time.monotonic()
        if not self._step and began >= self._next:
            there = saved(self._place, self._before, writing(self._place), self._pattern)
            if there:
                self._see(step, there)
            took = time.monotonic() - began
            self._spent += took
            self._next = began + RARELY * took if self._spent > FREELY else 0.0

    def _see(self, step: int, there: list[str]) -> None:
        """Write down the last checkpoint, if it was written since the step before."""
        path = os.path.join(self._place, there[-1])
        status = os.stat(path if os.path.exists(path) else path + INDEX)
        if self._last != (written := (there[-1], status.st_mtime)):
            self._last = written
            self._tell(SAVED, {"step": step, "saved": there, "inode": status.st_ino})

    def _stop(self) -> None:
        self._tell(STOPPED, {"step": self._step, "writing": sorted(writing(self._place))})
        if self._signal == signal.SIGKILL:
            os.killpg(0, signal.SIGKILL)  # and whatever it has started, as where the power fails
        os.kill(os.getpid(), self._signal)

    def _tell(self, name: str, what: Mapping[str, Any]) -> None:
        with open(os.path.join(self._folder, name), "a") as file:
            file.write(json.dumps(what) + "\n")


def writing(place: str) -> set[str]:
    """The files below a folder that are open for writing, in processes of this session: paths in it."""
    begin, session = os.path.join(os.path.realpath(place), ""), os.getsid(0)
    opened: set[str] = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.getsid(int(process)) != session:
                continue
            for number in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    path = os.readlink(f"/proc/{process}/fd/{number}")
                    if path.startswith(begin) and _writes(process, number):
                        opened.add(path[len(begin) :])
    return opened


def _writes(process: str, number: str) -> bool:
    with open(f"/proc/{process}/fdinfo/{number}") as file:
        flags = next((line.split()[1] for line in file if line.startswith("flags:")), "0")
    return bool(int(flags, 8) & os.O_ACCMODE)
