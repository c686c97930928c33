"""Whose code a file is: the user's, an installed library's, Python's own, or samebits'."""

import functools
import os
import sys
import sysconfig
from pathlib import Path
from typing import Literal

Owner = Literal["user", "library", "python", "samebits"]

SAMEBITS = Path(__file__).parents[1]
INSTALLED = ("site-packages", "dist-packages")


@functools.cache
def owner(file: str) -> Owner:
    """Whose a file is that code was compiled from.

    Args:
        file: as a code object or a module names it. What was typed in (`python -c`, a prompt) is the user's;
            what Python or a library generates in memory counts as Python's.
    """
    if file.startswith("<"):
        return "user" if file in ("<string>", "<stdin>") else "python"
    # As it was asked for. Only where that says nothing, where links lead: this asks about each folder.
    return _by_place(file) or _by_place(os.path.realpath(file)) or "user"


def _by_place(path: str) -> Owner | None:
    if path.startswith(_toolkit()):
        return "samebits"
    if any(part in INSTALLED for part in path.split(os.sep)):
        return "library"
    if path.startswith(_python()):
        return "python"
    return None


def is_users_file(file: str | None) -> bool:
    """Whether it is a file, by its full path, and the user's."""
    return file is not None and os.path.isabs(file) and owner(file) == "user"


@functools.cache
def _toolkit() -> tuple[str, ...]:
    return _with_links({str(SAMEBITS), str(SAMEBITS.with_name("samebits_lint"))})


@functools.cache
def _python() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["platstdlib"], paths["scripts"]}
    if sys.prefix != sys.base_prefix:  # of a virtual environment, all is
        folders.add(sys.prefix)
    return _with_links(folders)


def _with_links(folders: set[str]) -> tuple[str, ...]:
    both = folders | {os.path.realpath(folder) for folder in folders}
    return tuple(sorted(f"{folder}{os.sep}" for folder in both))
