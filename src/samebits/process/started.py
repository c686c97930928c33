"""What this process was started with: its environment, its profile, and what was allowed or replaced."""

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path

from samebits.process.variables import Row, read


def allowed() -> list[str]:
    """The variables and switches that SAMEBITS_ALLOW leaves as they are."""
    return _names("SAMEBITS_ALLOW")


def profile() -> str:
    """What this process promises: "run", the same bits on this kind of CPU, or "portable", on every one."""
    return environment().get("SAMEBITS_PROFILE") or "run"


def replaced() -> list[str]:
    """The variables that entrypoint found with another value, and replaced or removed."""
    return _names("SAMEBITS_REPLACED")


def variables() -> dict[str, str | None]:
    """Every variable of determinism.env that is read by something, as it is here; None where it is not set.

    A value that lies in our own folders is given as the file has it, so that it is the same on every
    machine: `${SAMEBITS_CACHE}/keras`.
    """
    seen: dict[str, str | None] = {}
    for row in read():
        if row.policy == "placebo":
            continue
        now = os.environ.get(row.name)
        if row.kind == "entries" and now:
            seen[row.name] = ":".join(_seen_from_project(entry, row) for entry in now.split(":"))
            continue
        ours = re.search(r"SAMEBITS_(CACHE|ROOT)", row.value) and now == row.filled(environment())
        seen[row.name] = row.value if ours else now
    return seen


def _seen_from_project(entry: str, row: Row) -> str:
    """A folder of the project as every machine has it: `${SAMEBITS_ROOT}/src`."""
    project = row.filled(environment())
    if not Path(entry).is_relative_to(project):
        return entry
    return str(Path(row.value) / Path(entry).relative_to(project))


@functools.cache
def environment() -> Mapping[str, str]:
    """The environment that this process was started with.

    What Python sets in os.environ later is not in it, and comes too late for PYTHONHASHSEED and others.
    """
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    pairs = [entry.partition(b"=") for entry in entries if entry]
    if not all(equals for _, equals, _ in pairs):  # a program that renames itself writes its name there
        return dict(os.environ)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _names(variable: str) -> list[str]:
    return [name for name in os.environ.get(variable, "").split(",") if name]
