"""Writes a record: whole lines, at once, into a file that belongs to this process alone."""

import contextlib
import errno
import itertools
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from samebits import __version__
from samebits._printable import printable
from samebits.hashing import digest
from samebits.process import command_line
from samebits.record.format import FORMAT, STEP
from samebits.record.secrets import masked
from samebits.record.values import NONE, file_name

if TYPE_CHECKING:
    from samebits.hashing.weights import Tensor

RANKS = {"RANK": "rank", "LOCAL_RANK": "local_rank", "WORLD_SIZE": "world_size"}  # as torchrun sets them
# The code of a child has what it is told behind this: folders of this machine.
OF_MULTIPROCESSING = re.compile(r"^(from multiprocessing\.\w+ import \w+;).*", re.DOTALL)
LOOK = 64  # so often, at least, a process looks at the size of the whole record before it reaches the limit


class Writer:
    """The file of this process in a record.

    The file is opened anew for each line: a program may close every file that it does not know, and a child
    that is forked writes into a file of its own.

    Args:
        folder: the record's.
        level: one of `format.LEVELS`.
        limit: bytes of all files together; no more is written then.

    Attributes:
        roles: asked which part this process has in the training; the first that knows it says so.
        steps: that were written.
        on: whether more is written.
        window: the steps that have lines inside, at a level that has them; None: all.
        values: the steps whose tensors are written, too.
        after_step: called with each step that was written.
    """

    def __init__(self, folder: str, level: str, limit: int) -> None:
        self.folder, self.level, self.limit = folder, level, limit
        self.roles: list[Callable[[], str | None]] = [_of_multiprocessing]
        self.on, self.values = True, NONE
        self.window: range | None = None
        self.after_step: Callable[[Mapping[str, Any]], None] | None = None
        self.forked()
        try:
            self._path = self._new_file()
        except OSError as error:
            self._say(error)

    def goes_inside(self, counts: Iterable[int]) -> bool:
        """Whether what is computed now gets lines inside its step.

        Args:
            counts: how many steps each optimiser has made; none where no optimiser was made.
        """
        if self.level == STEP or not self.on:
            return False
        return self.window is None or any(count + 1 in self.window for count in (list(counts) or [0]))

    def forked(self) -> None:
        """This is a child now. It has a file as soon as it has something to tell."""
        self._lock = threading.RLock()
        self.steps, self._begun, self._path = 0, False, ""
        self._unlooked = 0  # bytes since this process looked at the size of the whole

    def _new_file(self) -> str:
        for number in itertools.count(1):
            name = f"{os.getpid()}{f'-{number}' if number > 1 else ''}.jsonl"
            path = os.path.join(self.folder, name)
            # The program may have replaced itself by another one, and a number comes again.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
                return path
        raise AssertionError

    def write(self, event: Mapping[str, Any]) -> None:
        """Write one line, and before the first one the line about this process."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self._write(self._about())
            self._write(event)
            self.steps += event["event"] == "step"
            if self.after_step is not None and event["event"] == "step":
                self.after_step(event)

    def close(self, exception: str | None) -> None:
        """The process ends.

        Args:
            exception: the class of what ended it.
        """
        self.write({"event": "end", "steps": self.steps, "exception": exception})

    def _about(self) -> dict[str, Any]:
        role = next((role for known in self.roles if (role := known())), "main")
        said = {name: os.environ.get(variable, "") for variable, name in RANKS.items()}
        ranks = {name: int(text) for name, text in said.items() if text.isdigit()}
        window = {} if self.window is None else {"steps": [self.window.start, self.window.stop - 1]}
        return {
            "event": "record",
            "format": FORMAT,
            "digest": digest.VERSION,
            "level": self.level,
            "samebits": __version__,
            "python": sys.version.split()[0],
            "command": masked([OF_MULTIPROCESSING.sub(r"\1", word) for word in command_line.recorded()]),
            "folder": command_line.working_folder(),
            "pid": os.getpid(),
            "parent": os.getppid(),
            "role": role,
            **window,
            **ranks,
        }

    def _write(self, event: Mapping[str, Any]) -> None:
        if not self.on:
            return
        line = _line(event)
        self._unlooked += len(line)
        if self._unlooked > self.limit // LOOK:
            self._unlooked = 0
            if self._size() + len(line) > self.limit:
                self._at_limit()
                return
        self._append(line)

    def save(self, optimizer: int, step: int, tensors: "Mapping[str, Tensor]") -> None:
        """Write the tensors of a step into a file of their own, whole or not at all.

        Args:
            optimizer: its number.
            step: its own count.
            tensors: by the names that `record.values` describes.
        """
        from samebits.hashing.weights import chunks

        with self._lock:
            if not self.on:
                return
            size = self._size() + sum(tensor.size for tensor in tensors.values())
            if size > self.limit:
                self._at_limit()
                return
            process = os.path.basename(self._path).removesuffix(".jsonl")
            path = os.path.join(self.folder, file_name(process, optimizer, step))
            beside = f"{path}.part"
            try:
                with open(beside, "wb", buffering=0) as file:
                    for chunk in chunks(tensors):
                        _write_all(file.fileno(), chunk)
                os.replace(beside, path)
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.unlink(beside)
                self._say(error)

    def _at_limit(self) -> None:
        why = f"the record has reached its limit of {self.limit:,} bytes"
        self._append(_line({"event": "stopped", "why": why}))
        self._stop(f"{why} (--limit)")

    def _append(self, line: bytes) -> None:
        try:
            self._path = self._path or self._new_file()
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                if (written := os.write(file, line)) < len(line):  # the disk is full
                    os.ftruncate(file, os.fstat(file).st_size - written)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(file)
        except OSError as error:
            self._say(error)

    def _size(self) -> int:
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            return sum(entry.stat().st_size for entry in entries)
        return 0

    def _say(self, error: OSError) -> None:
        self._stop(f"{self.folder} cannot be written: {error.strerror}")

    def _stop(self, why: str) -> None:
        self.on = False
        line = f"samebits: {why}: the recording of process {os.getpid()} ends here, the program continues"
        print(printable(line), file=sys.stderr, flush=True)


def _write_all(file: int, content: bytes | memoryview) -> None:
    view = memoryview(content).cast("B")
    while view:
        view = view[os.write(file, view) :]


def _line(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def _of_multiprocessing() -> str | None:
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None:
        return None
    name: str = process.current_process().name
    return name
