"""What git knows of a folder of code."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from samebits._files import sha256_file

LARGE = 1 << 24  # bytes; of a larger file that differs, name and size stand for its content
# When more files than these differ (data that git does not have), their size stands for their content.
MANY = 1000
# Within a hook git sets these, and they would come before the folder that is asked about.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
# What runs leave behind is no code: where .gitignore does not name it, every run would differ from the last.
LEFT_BY_RUNS = re.compile(r"(runs|__pycache__|\.ipynb_checkpoints|\..+\.partial|.+\.interrupted-\d+)")


def git(folder: Path, *words: str) -> str | None:
    """What a git command prints, None where it fails or there is no git."""
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    try:
        command = ["git", "-C", str(folder), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="surrogateescape", env=environment
        )
    except OSError:
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def checkout(folder: Path) -> tuple[Path, str] | None:
    """The root of the checkout that holds a folder, and its commit; None without git or a first commit."""
    output = git(folder, "rev-parse", "--show-toplevel", "HEAD")
    root, _, commit = (output or "").rpartition("\n")
    return (Path(root), commit) if root else None


def changes(root: Path) -> list[str]:
    """The files that differ from the commit or that git does not have, without what runs leave behind."""
    output = git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all") or ""
    lines = [(line[:2], line[3:]) for line in output.split("\0") if line]
    return sorted(name for state, name in lines if state != "??" or not _left_by_a_run(root, name))


def _left_by_a_run(root: Path, name: str) -> bool:
    *folders, _ = Path(name).parts
    if any(LEFT_BY_RUNS.fullmatch(folder) for folder in folders):
        return True
    above = (root.joinpath(*folders[:number]) for number in range(1, len(folders) + 1))
    return any((folder / "manifest.json").is_file() for folder in above)


def hash_of(root: Path, names: Iterable[str]) -> str:
    """A hash of files: name, mode and content of each."""
    sha256, names = hashlib.sha256(), list(names)
    limit = LARGE if len(names) <= MANY else -1
    for name in names:
        sha256.update(f"{name}\0{_content(root / name, limit)}\0".encode(errors="surrogateescape"))
    return sha256.hexdigest()


def has_all(root: Path, paths: Iterable[Path]) -> bool:
    """Whether the checkout tracks every one of these files that lies in it."""
    names = {path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)}
    tracked = git(root, "ls-files", "-z", "--", *(f":(literal){name}" for name in names)) if names else ""
    return names <= set((tracked or "").split("\0"))


def _content(path: Path, limit: int) -> str:
    try:
        if path.is_symlink():
            return f"-> {os.readlink(path)}"
        status = path.stat()
        mode = "x" if status.st_mode & 0o100 else "-"
        large = not path.is_file() or status.st_size > limit  # a folder is a repository within this one
        return f"{mode} {status.st_size if large else sha256_file(path)}"
    except OSError:
        return "absent"
