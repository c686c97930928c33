"""A copy of a working folder, in which a training can write without touching what is there."""

import os
import shutil
from pathlib import Path

from samebits._files import cannot_write
from samebits.errors import UsageError

LARGE = 64 << 20  # bytes; a larger file is data more often than output, and is linked
MANY = 20_000  # files in a folder, which is linked then
LINKED = (".git", ".hg", ".svn", "node_modules")
ENVIRONMENT = ("pyvenv.cfg", "conda-meta")  # what a folder with Python's packages holds
LEFT_OUT = ("__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache")
OURS = (".resume-", "resume-", ".smoke-", "smoke-", ".verify-", "verify-", "record-")  # in runs/


def copy(source: Path, target: Path) -> None:
    """Copy a folder, except for what is large: that is linked.

    Linked are files above LARGE, folders of more than MANY files, repositories and environments. A link is
    copied as what it leads to, so a folder behind it is linked, too.

    Args:
        source: the folder.
        target: the copy, which does not exist. It may lie in the folder, in its runs/.

    Raises:
        UsageError: the disk is full, or a file cannot be read.
    """
    try:
        target.mkdir(parents=True)
        _copy(source, target, source / "runs")
    except shutil.Error as error:
        raise UsageError(f"{source} cannot be copied: {error}") from None
    except OSError as error:
        if error.filename is not None and not Path(os.fsdecode(error.filename)).is_relative_to(target):
            raise UsageError(f"{error.filename} cannot be copied: {error.strerror}") from None
        raise cannot_write(target, error) from None


def _copy(source: Path, target: Path, runs: Path) -> None:
    for entry in os.scandir(source):
        here = target / entry.name
        if entry.name in LEFT_OUT or (source == runs and entry.name.startswith(OURS)):
            continue
        if entry.is_dir() and not _is_linked(entry):
            here.mkdir()
            _copy(Path(entry.path), here, runs)
        elif entry.is_dir() or (entry.is_file() and entry.stat().st_size > LARGE):
            here.symlink_to(os.path.realpath(entry.path))
        elif entry.is_file():
            shutil.copy2(entry.path, here)
        elif entry.is_symlink():  # it leads nowhere
            here.symlink_to(os.readlink(entry.path))


def _is_linked(entry: "os.DirEntry[str]") -> bool:
    """Whether a folder is linked and not copied."""
    if entry.is_symlink() or entry.name in LINKED:
        return True
    if any(os.path.exists(os.path.join(entry.path, name)) for name in ENVIRONMENT):
        return True
    with os.scandir(entry.path) as entries:
        return sum(1 for _ in entries) > MANY
