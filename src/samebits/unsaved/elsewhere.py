"""Threads of the user's that run beside the training: what they remember, nobody can see."""

import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from samebits.process.code_owner import is_users_file
from samebits.unsaved import source

FIX = "what it remembers cannot be seen or saved: stop it, or run.ignore({!r}) if it decides no weight"


def beside() -> list[dict[str, Any]]:
    """One table for each, as `report.row` makes them."""
    return [_row(*found) for found in _threads()]


def _threads() -> Iterator[tuple[str, str, str]]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for number, frame in sys._current_frames().items():
        beside_us = number not in (threading.get_ident(), threading.main_thread().ident) and number in names
        if beside_us and (users := _outermost(frame)) is not None:
            place = source.place(users.f_code.co_filename, users.f_code.co_firstlineno)
            yield names[number], "thread", place


def _outermost(frame: FrameType | None) -> FrameType | None:
    """The outermost frame of the user's own code."""
    users = None
    while frame is not None:
        if is_users_file(frame.f_code.co_filename):
            users = frame
        frame = frame.f_back
    return users


def _row(name: str, kind: str, where: str) -> dict[str, Any]:
    fix = FIX.format(name)
    return {"name": name, "kind": kind, "where": where, "fix": fix, "shown": False, "within_epochs": False}
