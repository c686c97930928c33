"""Whether the packages here are those of requirements.lock: names and versions, in a few milliseconds."""

import functools
import re
import sys
from pathlib import Path

from samebits.bootstrap.rows import pins, plain
from samebits.errors import UsageError
from samebits.process.variables import find_root

LOCK = "requirements.lock"
METADATA = re.compile(r"(.+?)-(\d[^-]*)\.(?:dist-info|egg-info)")


def installed() -> dict[str, str]:
    """Every package that can be imported, and its version, by the names of the metadata folders."""
    found: dict[str, str] = {}
    for folder in filter(None, sys.path):
        try:
            names = [path.name for path in Path(folder).iterdir()]
        except OSError:  # a zip file, or a folder that is not there
            continue
        for match in filter(None, map(METADATA.fullmatch, names)):
            found.setdefault(plain(match[1]), match[2])
    return found


def unlike(lock: Path) -> list[tuple[str, str, str]]:
    """The packages that are not as locked: name, installed version (empty: none), locked version.

    Raises:
        OSError: the lock cannot be read.
    """
    here = installed()
    rows = pins(lock.read_text(encoding="utf-8"))
    pairs = ((name, here.get(name, ""), version) for name, version in rows.items())
    return [(name, now, version) for name, now, version in pairs if not _same(now, version)]


def _same(one: str, other: str) -> bool:
    if one == other or not one:
        return one == other
    from packaging.version import InvalidVersion, Version  # a tenth of a second, and rarely needed

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False


@functools.cache
def warn_once() -> None:
    """Say it on stderr, once in a process, when this environment is not the lock's."""
    try:
        found = unlike(find_root() / LOCK)
    except (OSError, UnicodeDecodeError, UsageError):  # no lock: this is not a project of samebits' kind
        return
    if found:
        name, now, version = found[0]
        more = f", and {len(found) - 1} more differ" if len(found) > 1 else ""
        line = (
            f"{name} is {now or 'not installed'}, {LOCK} has {version}{more}: `make env` installs what it has"
        )
        print(f"samebits: {line}", file=sys.stderr)
