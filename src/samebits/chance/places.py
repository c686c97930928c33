"""Who asked: the line of the user's code, and the library through which it was asked."""

import functools
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from samebits.process.code_owner import INSTALLED, owner

CHANCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
RANDOM = random.__file__


@dataclass(frozen=True)
class Place:
    """Where something was asked for.

    Attributes:
        library: the installed package that asked; "" where the user's code did.
        frame: what runs where it was asked for.
        user: the innermost frame of the user's code; None where there is none, or it only imports.
    """

    library: str
    frame: FrameType
    user: FrameType | None

    @property
    def file(self) -> str:
        return (self.user or self.frame).f_code.co_filename

    @property
    def line(self) -> int:
        return (self.user or self.frame).f_lineno


def place(frame: FrameType | None) -> Place | None:
    """Who asked, seen from a frame inside of what was asked; None where that is Python or samebits itself.

    Python's own modules use generators without a seed for the names of temporary files and the like, which no
    result depends on.
    """
    asked_by = _outer(frame)
    if asked_by is None or (whose := owner(asked_by.f_code.co_filename)) in ("python", "samebits"):
        return None
    library = package_of(asked_by.f_code.co_filename) if whose == "library" else ""
    return Place(library, asked_by, users(asked_by))


def users(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the user's code; None where there is none, or it only imports what is inside."""
    for each in outwards(frame):
        if each.f_code.co_filename.startswith("<frozen importlib"):
            return None
        if owner(each.f_code.co_filename) == "user":
            return each
    return None


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame, its caller, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _outer(frame: FrameType | None) -> FrameType | None:
    """The first frame that is none of what only passes on: the module `random`, generated code, this room."""
    for each in outwards(frame):
        file = each.f_code.co_filename
        generated = file == "<string>" and each.f_globals.get("__name__") != "__main__"
        if not generated and file != RANDOM and not file.startswith(CHANCE):
            return each
    return None


@functools.cache
def package_of(file: str) -> str:
    """The top-level name of an installed file's package."""
    parts = file.split(os.sep)
    first = max(number for number, part in enumerate(parts) if part in INSTALLED) + 1
    return os.path.splitext(parts[first])[0] if first < len(parts) else ""
