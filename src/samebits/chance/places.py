"""Who asked: the line of the user's code, and the library through which it was asked."""

import functools
import os
import random
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHANCE = os.path.join(OWN, "chance", "")
RANDOM = random.__file__
INSTALLED = ("site-packages", "dist-packages")


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
    if asked_by is None or (kind := kind_of(asked_by.f_code.co_filename)) in ("python", "samebits"):
        return None
    library = package_of(asked_by.f_code.co_filename) if kind == "library" else ""
    return Place(library, asked_by, users(asked_by))


def users(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the user's code; None where there is none, or it only imports what is inside."""
    for each in outwards(frame):
        if each.f_code.co_filename.startswith("<frozen importlib"):
            return None
        if kind_of(each.f_code.co_filename) == "user":
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
def kind_of(file: str) -> str:
    """Whose code a file is: "user", "library" (installed), "python" (its own modules) or "samebits"."""
    if file.startswith(OWN + os.sep):
        return "samebits"
    if any(part in INSTALLED for part in file.split(os.sep)):
        return "library"
    if file.startswith("<"):  # `python -c`, a prompt; Python's frozen modules and what libraries generate
        return "user" if file in ("<string>", "<stdin>") else "python"
    return "python" if file.startswith(_pythons()) else "user"


@functools.cache
def package_of(file: str) -> str:
    """The top-level name of an installed file's package."""
    parts = file.split(os.sep)
    first = max(number for number, part in enumerate(parts) if part in INSTALLED) + 1
    return os.path.splitext(parts[first])[0] if first < len(parts) else ""


@functools.cache
def _pythons() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["platstdlib"], paths["scripts"]}
    return tuple(f"{one}{os.sep}" for folder in folders for one in (folder, os.path.realpath(folder)))
