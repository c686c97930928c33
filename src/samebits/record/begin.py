"""Begins to record this process, below `samebits record`: each framework's part as soon as it is imported."""

import atexit
import contextlib
import importlib
import os
import sys
from collections.abc import Callable

from samebits.chance import begin as chance
from samebits.chance import random_names
from samebits.chance.records import RECORDS, as_json
from samebits.framework import recorders, unrecorded
from samebits.process.after_import import after_import
from samebits.record import threads
from samebits.record.files import Files, unseen
from samebits.record.format import LEVELS, STEP
from samebits.record.guarded import guarded
from samebits.record.values import NONE, parse_steps
from samebits.record.writer import Writer

FOLDER, LIMIT, VALUES = "SAMEBITS_RECORD", "SAMEBITS_RECORD_LIMIT", "SAMEBITS_RECORD_VALUES"
LEVEL, WINDOW = "SAMEBITS_RECORD_LEVEL", "SAMEBITS_RECORD_STEPS"
STOP = "SAMEBITS_RECORD_STOP"  # what it says, `record.stop` tells
DEFAULT_LIMIT = 2 * 1024**3  # bytes


def begin(folder: str) -> None:
    """Record this process, and those that it forks, from now on.

    Args:
        folder: the record's.
    """
    limit, level = os.environ.get(LIMIT, ""), os.environ.get(LEVEL, "")
    level = level if level in LEVELS else STEP
    writer = Writer(os.path.abspath(folder), level, int(limit) if limit.isdigit() else DEFAULT_LIMIT)
    writer.values, writer.window = _steps(VALUES) or NONE, _steps(WINDOW)
    if said := os.environ.get(STOP):
        from samebits.record.stop import Stop

        writer.after_step = Stop(writer.folder, said).after
    Process(writer).begin()


def _steps(variable: str) -> range | None:
    with contextlib.suppress(ValueError):
        return parse_steps(steps) if (steps := os.environ.get(variable, "")) else None
    return None


class Process:
    """What is recorded of this process.

    Attributes:
        writer: its file.
        files: what it reads.
        forks: called in a child that was forked.
        ends: called before the end is written.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer, self.files = writer, Files(writer)
        self.forks: list[Callable[[], None]] = []
        self.ends: list[Callable[[], None]] = []
        self._ended = False

    def begin(self) -> None:
        """Watch files, chance and threads, and wait for the frameworks."""
        self.forks += [self.writer.forked, self.files.forked]
        os.register_at_fork(after_in_child=self._forked)
        self._at_end()
        chance.begin()
        self.files.watch()
        threads.watch()
        for name, part in recorders().items():
            after_import(name, lambda part=part: self._attach(part))  # type: ignore[misc]

    @guarded
    def _attach(self, part: str) -> None:
        with unseen():
            importlib.import_module(part).attach(self)

    def _forked(self) -> None:
        self._ended = False
        for each in self.forks:
            each()

    def _at_end(self) -> None:
        """Processes of multiprocessing end by `os._exit`, which runs no exit handlers."""
        leave = os._exit

        def _exit(status: int) -> None:
            self._end()
            leave(status)

        os._exit = _exit  # type: ignore[assignment]
        atexit.register(self._end)

    @guarded
    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        with unseen():
            for each in self.ends:
                each()
            if not self.writer.steps:
                for what in unrecorded():
                    self.writer.write({"event": "unseen", "what": what})
            chance.finish()
            # Each file that is read has an event of its own.
            sources = {
                source: number
                for source, number in random_names.judged(RECORDS.counts).items()
                if source.kind not in ("data", "declared")
            }
            if sources:
                self.writer.write({"event": "chance", "sources": as_json(sources)})
            last = getattr(sys, "last_type", None)
            self.writer.close(last.__name__ if last is not None else None)
