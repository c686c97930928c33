"""The frames of the user's own code that are being run, and what their variables are called."""

import sys
from types import CodeType, FrameType
from typing import Any

from samebits.process.code_owner import is_users_file
from samebits.unsaved.digests import PLAIN


def users_frames() -> list[FrameType]:
    """The frames, the innermost first."""
    frames, frame = [], sys._getframe(1)
    while frame is not None:
        if is_users_file(frame.f_code.co_filename):
            frames.append(frame)
        frame = frame.f_back  # type: ignore[assignment]
    return frames


def innermost(frames: list[FrameType]) -> CodeType | None:
    """The code of the innermost frame."""
    return frames[0].f_code if frames else None


def variables(frame: FrameType) -> list[tuple[str, Any]]:
    """The variables of a frame and their values, as they are now.

    A frame gives the same table each time. It is filled anew, and so changes, whenever somebody asks for it,
    such as another thread or a debugger; that of a module is its globals, to which any thread may add.
    """
    return list(frame.f_locals.items())


def local_names(frames: list[FrameType]) -> dict[int, str]:
    """The names of objects in the user's frames, the innermost one's first, by identity."""
    names: dict[int, str] = {}
    there = [(name, value) for frame in frames for name, value in variables(frame)]
    for name, value in sorted(there, key=lambda variable: variable[0] == "self"):  # any other name says more
        if type(value) not in PLAIN:
            names.setdefault(id(value), name)
    return names
