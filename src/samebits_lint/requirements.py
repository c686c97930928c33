"""The version of a package that a project asks for, read from the lists beside its code."""

import functools
import re
from pathlib import Path

FILES = (
    *("requirements*.txt", "requirements/*.txt", "pyproject.toml", "setup.py", "setup.cfg"),
    *("environment.yml", "environment.yaml", "Pipfile", "docker/requirements*.txt"),
)
FOLDERS = 4  # a file's folder, and those around it


NEWEST = (9999,)
# The list in a script itself: https://peps.python.org/pep-0723/
INLINE = re.compile(r"^# /// script$(.*?)^# ///$", re.M | re.S)


def allowed(path: Path, package: str) -> tuple[int, ...] | None:
    """The highest version that a project allows: of `==`, `~=` and `<`; None where no list names the package.

    Looks into the file itself, into its folder and into those around it, up to the one that git or the
    system begins. A package without a version, or with `>=` alone, is the newest.
    """
    if version := _in_script(path, package):
        return version
    folder = path.absolute().parent
    for _ in range(FOLDERS):
        if version := _in_folder(folder, package):
            return version
        if (folder / ".git").exists() or folder.parent == folder:
            break
        folder = folder.parent
    return None


def _in_script(path: Path, package: str) -> tuple[int, ...] | None:
    if path.suffix != ".py":
        return None
    try:
        inline = INLINE.search(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return _in_text(inline[1].replace("\n# ", "\n"), package) if inline else None


@functools.cache
def _in_folder(folder: Path, package: str) -> tuple[int, ...] | None:
    for pattern in FILES:
        for file in sorted(folder.glob(pattern)):
            try:
                version = _in_text(file.read_text(encoding="utf-8", errors="replace"), package)
            except OSError:
                continue
            if version is not None:
                return version
    return None


def _in_text(text: str, package: str) -> tuple[int, ...] | None:
    name = rf"{re.escape(package)}(?![\w.-])"
    listed = re.compile(
        rf"^[\s-]*{name}(?P<line>.*)|(?P<quote>[\"']){name}(?P<text>.*?)(?P=quote)", re.I | re.M
    )
    for line in text.splitlines():
        match = listed.search(line.partition("#")[0])
        if match:
            return _highest(match["line"] or match["text"] or "")
    return None


def _highest(rest: str) -> tuple[int, ...]:
    """The version after `==`, `~=`, `<`, `=` or `^`, the lowest of several; NEWEST where none stands."""
    limits = re.findall(r"(?:(?<![<>!=~])[<=~]=?=?|\^)[\"' ^v]*(\d+(?:\.\d+)*)", rest)
    return min((tuple(int(part) for part in limit.split(".")) for limit in limits), default=NEWEST)
