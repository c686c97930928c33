"""What git says of the code that runs."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from samebits.files import sha256_file


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
    return {"commit": commit, "dirty": bool(changes), "diff": _diff(here) if changes else None}


def _diff(here: Path) -> str | None:
    """The SHA-256 of `git diff HEAD --binary`, and of the names and contents that git does not know."""
    root, changed = git(here, "rev-parse", "--show-toplevel"), git(here, "diff", "HEAD", "--binary")
    if root is None or changed is None:
        return None
    new = git(Path(root), "ls-files", "--others", "--exclude-standard", "-z") or ""
    digest = hashlib.sha256(changed.encode(errors="surrogateescape"))
    for name in sorted(filter(None, new.split("\0"))):
        content = sha256_file(Path(root, name)) if Path(root, name).is_file() else ""
        digest.update(f"\0{name}\0{content}".encode(errors="surrogateescape"))
    return digest.hexdigest()
