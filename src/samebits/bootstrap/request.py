"""What a lock must answer, as one digest that stands in its header. Standard library alone."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

from samebits.bootstrap.rows import plain

GLIBC = 28  # 2.28: what torch's wheels ask for
UV_PLATFORM = f"x86_64-manylinux_2_{GLIBC}"
EXACT = re.compile(r"([\w.-]+)(?:\[([\w.,-]+)\])?==([^;*]+)")
LOCAL = re.compile(r"(\./\S+\.whl)(?:\[([\w.,-]+)\])?")  # a wheel of the project's own folder


def digest(asked: object) -> str:
    """The SHA-256 of a request, as JSON."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def conda(lists: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The conda half of an environment.yml, freed of layout: dependencies without spaces, sorted."""
    return {
        "channels": list(lists["channels"]),
        "platforms": list(lists["platforms"]),
        "dependencies": sorted(re.sub(r"\s+", "", entry) for entry in lists["dependencies"]),
    }


def python(dependencies: Iterable[str]) -> str:
    """The interpreter's feature version, such as "3.11"; empty without an exact `python=`."""
    versions = (entry.rpartition("=")[2] for entry in dependencies if re.match(r"python==?\d", entry))
    return next(versions, "").rpartition(".")[0]


def wheels(requirements: Sequence[str], version: str) -> dict[str, object]:
    """What a lock of wheels must answer.

    Args:
        requirements: normal and sorted.
        version: the interpreter's feature version.
    """
    return {"python": version, "platform": UV_PLATFORM, "requirements": list(requirements)}


def normal(entry: str) -> str | None:
    """A requirement as the digest has it; None when it has a marker, which takes a package to read."""
    entry = re.sub(r"\s+", "", entry)
    if ";" in entry:
        return None
    match = EXACT.fullmatch(entry)
    if match is None:
        return entry  # of a local wheel; or of no exact version, which no lock answers
    extras = f"[{','.join(sorted(match[2].split(',')))}]" if match[2] else ""
    return f"{plain(match[1])}{extras}=={match[3]}"
