"""Files that a program opens for reading, and folders that it lists, as Python announces them to audit hooks.

Not seen: what code in C or Rust opens by itself (HDF5, safetensors, Arrow, OpenCV).
"""

import contextlib
import os
import posix
import re
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import xxhash

from samebits.chance.places import CHANCE
from samebits.process.code_owner import owner
from samebits.process.command_line import shortened
from samebits.record.writer import Writer

SMALL = 1 << 20  # bytes; a larger file is not read for its digest
SYSTEM = ("/dev/", "/etc/", "/lib/", "/lib64/", "/proc/", "/run/", "/sys/", "/usr/")
MEMORY = "/dev/shm/"  # where data are put to be read fast
CODE = (".py", ".pyc", ".pth", ".so")  # the user's own modules stand in the settings
# What looks for modules and packages.
IMPORTS = re.compile(r"^<frozen importlib|/importlib/|/pkgutil\.py$|/(importlib_metadata|pkg_resources)/")
WRITES = os.O_WRONLY | os.O_RDWR


_own = threading.local()


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """A block in which this thread opens files for the record, and not for the program."""
    before = getattr(_own, "looks", False)
    _own.looks = True
    try:
        yield
    finally:
        _own.looks = before


class Files:
    """Writes a line for each file and each listing that is new in this process.

    Args:
        writer: of this process.

    Attributes:
        foreign: parts of the paths of files that are none of the user's, such as a compiler's cache.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.foreign: list[str] = []
        self._folder = os.path.join(writer.folder, "")
        self._read: set[str] = set()
        self._written: set[str] = set()
        self._listed: dict[str, str] = {}

    def watch(self) -> None:
        """Begin; an audit hook stays for as long as the process lives."""
        sys.addaudithook(self._announced)

    def forked(self) -> None:
        """This is a child now, which reads by itself."""
        self._read, self._listed = set(), {}

    def _announced(self, event: str, given: Any) -> None:
        if event not in ("open", "os.listdir", "os.scandir") or not self._writer.on:
            return
        if getattr(_own, "looks", False):
            return
        # A file that is gone, a path that is none: the program sees it itself.
        with unseen(), contextlib.suppress(Exception):
            if event == "open":
                self._opened(*given)
            elif _is_programs():
                self._lists(given[0])

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if not isinstance(path, str | bytes) or not path:
            return
        name = os.path.abspath(os.fsdecode(path))
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & WRITES):
            self._written.add(name)
        elif name not in self._read and _is_programs():
            self._read.add(name)
            self._reads(name)

    def _reads(self, name: str) -> None:
        if name.endswith(CODE) or self._is_foreign(name):
            return
        status = os.stat(name)
        if not stat.S_ISREG(status.st_mode):
            return
        digest = None
        if status.st_size <= SMALL:
            with open(name, "rb", buffering=0) as file:
                digest = xxhash.xxh3_128_hexdigest(file.read(SMALL + 1))
        event = {"event": "file", "path": _shown(name), "size": status.st_size, "digest": digest}
        self._writer.write(event | ({"written": True} if name in self._written else {}))

    def _lists(self, path: Any) -> None:
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path) if path is not None else ".")
        if self._is_foreign(os.path.join(name, "")):
            return
        names = [os.fsencode(each) for each in posix.listdir(name)]
        digest = xxhash.xxh3_128_hexdigest(b"\0".join(names))
        if self._listed.get(name) != digest:
            self._listed[name] = digest
            in_order = xxhash.xxh3_128_hexdigest(b"\0".join(sorted(names)))
            event = {"event": "listing", "path": _shown(name), "count": len(names)}
            self._writer.write(event | {"digest": digest, "set": in_order})

    def _is_foreign(self, name: str) -> bool:
        """Whether it is none of the user's files: the system's, Python's, a package's, or of the record."""
        system = name.startswith(SYSTEM) and not name.startswith(MEMORY)
        if system or name.startswith(self._folder) or any(part in name for part in self.foreign):
            return True
        return owner.__wrapped__(name) != "user"


def _is_programs() -> bool:
    """Whether who asks is the program or a library of its own, not Python's imports and not samebits."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if IMPORTS.search(file):
            return False
        passes_on = file == __file__ or file.startswith(CHANCE)
        if not passes_on and (asked_by := owner(file)) != "python":
            return asked_by != "samebits"
        frame = frame.f_back
    return True  # Python itself, for the program: its script


def _shown(name: str) -> str:
    return shortened(name, (Path.cwd(), ""))
