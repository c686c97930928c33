"""What git says of the code that runs."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from samebits.files import sha256_file

LARGE = 1 << 24  # bytes; of a larger file that differs, name and size stand for its content


def git(folder: Path, *words: str) -> str | None:
    """What a git command prints, None where it fails or there is no git."""
    try:
        command = ["git", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape")
    except OSError:
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def git_state() -> dict[str, Any] | None:
    """The commit, whether the tree differs from it, and the SHA-256 of how; None without git.

    In the image, whose code cannot have been changed since, the commit that it was built from.
    """
    if commit_of_image := os.environ.get("SAMEBITS_COMMIT"):
        clean = commit_of_image.removesuffix("-dirty")  # as tools/image.py marks it
        return {"commit": clean, "dirty": clean != commit_of_image, "diff": None}
    here = Path(__file__).parent
    commit, changes = git(here, "rev-parse", "HEAD"), git(here, "status", "--porcelain")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes), "diff": hash_of_changes(here) if changes else None}


def hash_of_changes(here: Path) -> str:
    """A hash of every file that differs from the commit or that git has not: name, mode and content."""
    root = Path(git(here, "rev-parse", "--show-toplevel") or here)
    changed = git(root, "diff", "-z", "--name-only", "--no-renames", "HEAD") or ""
    untracked = git(root, "ls-files", "-z", "--others", "--exclude-standard") or ""
    sha256 = hashlib.sha256()
    for name in sorted({*changed.split("\0"), *untracked.split("\0")} - {""}):
        sha256.update(f"{name}\0{_content(root / name)}\0".encode(errors="surrogateescape"))
    return sha256.hexdigest()


def _content(path: Path) -> str:
    try:
        if path.is_symlink():
            return f"-> {os.readlink(path)}"
        status = path.stat()
        mode = "x" if status.st_mode & 0o100 else "-"
        large = not path.is_file() or status.st_size > LARGE  # a folder is a repository within this one
        return f"{mode} {status.st_size if large else sha256_file(path)}"
    except OSError:
        return "absent"
