"""The version of a package that a project asks for, read from the lists beside its code."""

import functools
import re
from pathlib import Path

FILES = (
    *("requirements*.txt", "requirements/*.txt", "pyproject.toml", "setup.py", "setup.cfg"),
    *("environment.yml", "environment.yaml", "Pipfile"),
)
FOLDERS = 4  # a file's folder, and those around it


def pinned(path: Path, package: str) -> tuple[int, ...] | None:
    """The highest version that a project allows: of `==`, `~=` and `<`; None where no list says.

    Looks into the folder of a file and into those around it, up to the one that git or the system begins.
    """
    folder = path.absolute().parent
    for _ in range(FOLDERS):
        if version := _in_folder(folder, package):
            return version
        if (folder / ".git").exists() or folder.parent == folder:
            break
        folder = folder.parent
    return None


@functools.cache
def _in_folder(folder: Path, package: str) -> tuple[int, ...] | None:
    asked = re.compile(
        rf"\b{re.escape(package)}(?:\[[^\]]*\])?[\"' ]*(?:=|==|~=|<=|<|:|\^)[\"' ]*v?(\d+(?:\.\d+)+)", re.I
    )
    for pattern in FILES:
        for file in sorted(folder.glob(pattern)):
            try:
                match = asked.search(file.read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
            if match:
                return tuple(int(part) for part in match[1].split("."))
    return None
