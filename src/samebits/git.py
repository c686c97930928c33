"""What git says of the code that runs."""

import os
import subprocess
from pathlib import Path
from typing import Any


def git(folder: Path, *words: str) -> str | None:
    """What a git command prints, None where it fails or there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def git_state() -> dict[str, Any] | None:
    """The commit and whether the tree differs from it; None outside a checkout or without git.

    In the image, whose code cannot have been changed since, the commit that it was built from.
    """
    if commit_of_image := os.environ.get("SAMEBITS_COMMIT"):
        clean = commit_of_image.removesuffix("-dirty")  # as tools/image.py marks it
        return {"commit": clean, "dirty": clean != commit_of_image}
    here = Path(__file__).parent
    commit, changes = git(here, "rev-parse", "HEAD"), git(here, "status", "--porcelain")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}
