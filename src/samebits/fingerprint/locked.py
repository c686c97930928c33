"""Whether the packages here are those of the locks: names and versions, in a few milliseconds."""

import functools
import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from pathlib import Path

from samebits.bootstrap.rows import pins, plain
from samebits.errors import UsageError
from samebits.process.variables import find_root

LOCK, DEV_LOCK, CONDA_LOCK = "requirements.lock", "locks/requirements-dev.lock", "conda-lock.yml"
METADATA = re.compile(r"(.+?)-(\d[^-]*)\.(?:dist-info|egg-info)")


def installed(folders: Iterable[str] | None = None) -> dict[str, str]:
    """The packages in folders, and their versions, by the names of the metadata folders.

    Args:
        folders: where to look, the first comes first; all that Python imports from if None.
    """
    versions: dict[str, str] = {}
    for folder in filter(None, sys.path if folders is None else folders):
        try:
            names = [path.name for path in Path(folder).iterdir()]
        except OSError:  # a zip file, or a folder that is not there
            continue
        for match in filter(None, map(METADATA.fullmatch, names)):
            versions.setdefault(plain(match[1]), match[2])
    return versions


def unlike(lock: Path) -> list[tuple[str, str, str]]:
    """The packages that are not as locked: name, installed version (empty: none), locked version.

    Raises:
        OSError: the lock cannot be read.
    """
    here = installed()
    rows = pins(lock.read_text(encoding="utf-8"))
    pairs = ((name, here.get(name, ""), version) for name, version in rows.items())
    return [(name, now, version) for name, now, version in pairs if not _same(now, version)]


def unlocked(root: Path) -> dict[str, str]:
    """The packages of this environment that no lock of the project has, with their versions.

    The project itself is none of them. Harmless perhaps, but they can be imported in place of others.

    Raises:
        OSError: a lock cannot be read.
    """
    here = installed([sysconfig.get_path("purelib")])
    for lock in (root / LOCK, root / DEV_LOCK):
        if lock.exists() or lock.name == LOCK:
            for name in pins(lock.read_text(encoding="utf-8")):
                here.pop(name, None)
    if here:
        here.pop(_own_name(root), None)
    return here


def departures(root: Path) -> dict[str, str]:
    """What is not as the locks of a project say, in words by package; empty without locks.

    What no lock has counts only where the locks are the whole environment: where `make env` installs it.
    """
    try:
        unlike_locks = {
            name: f"{now or 'not installed'}, {LOCK} has {version}"
            for name, now, version in unlike(root / LOCK)
        }
        if (root / CONDA_LOCK).exists():
            unlike_locks |= {name: f"{now}, in no lock" for name, now in sorted(unlocked(root).items())}
    except (OSError, UnicodeDecodeError):  # no lock: this is not a project of samebits' kind
        return {}
    return unlike_locks


def _own_name(root: Path) -> str:
    """The name under which the project itself is installed; empty for none."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        return plain(str(project["project"]["name"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _same(first: str, second: str) -> bool:
    if first == second or not first:
        return first == second
    from packaging.version import InvalidVersion, Version  # a tenth of a second, and rarely needed

    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return False


@functools.cache
def warn_once() -> None:
    """Say it on stderr, once in a process, when this environment is not the locks'."""
    try:
        unlike_locks = departures(find_root())
    except UsageError:
        return
    if not unlike_locks:
        return
    name, how = next(iter(unlike_locks.items()))
    more = f", and {len(unlike_locks) - 1} more differ" if len(unlike_locks) > 1 else ""
    line = f"{name} is {how}{more}: `make env` installs it"
    if how.endswith("in no lock"):
        line = f"{name} is installed ({how}){more}: `make env` removes it, `make add PACKAGE={name}` keeps it"
    print(f"samebits: {line}", file=sys.stderr)
