"""Lines of the user's code, as a record names them."""

import functools
from pathlib import Path
from types import FrameType

from samebits.process.command_line import shortened
from samebits.record.threads import place_of


def line_of(frame: FrameType | None) -> str:
    """Where the user's code is, for a frame inside: "train.py:12"; empty where there is none of it.

    Of a thread that executes none, the line that has begun its work.
    """
    place = place_of(frame)
    return "" if place is None else shown(*place)


def shown(file: str, line: int) -> str:
    """A line of a file, with the path shortened as in manifests: "train.py:12"."""
    return f"{_shown(file)}:{line}"


@functools.cache
def _shown(file: str) -> str:
    return shortened(file, (Path.cwd(), ""))
