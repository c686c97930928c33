"""How one process of samebits starts a training: through entrypoint, as from a shell of its own."""

import os

from samebits import process
from samebits.variables import PROFILES, Row, package_file, read

OURS = ("SAMEBITS_ENTRYPOINT", "SAMEBITS_REPLACED", "SAMEBITS_PROFILE", "SAMEBITS_RUN_FOLDER")
OTHERWISE = ("SAMEBITS_RESUME", "SAMEBITS_STOP_AT")  # they are for one run, not for those that it starts


def entrypoint() -> str:
    """The door's path."""
    return str(package_file("entrypoint"))


def through(command: tuple[str, ...]) -> list[str]:
    """A command through the door, once."""
    return list(command) if command[0].endswith("entrypoint") else [entrypoint(), *command]


def outside() -> dict[str, str | None]:
    """What takes this process's environment back to what its user's shell has; None removes a variable.

    entrypoint has set variables for this process. A training that is started with another profile or number
    of threads must not take these for the user's own.
    """
    names = set(process.allowed())
    set_by_us = [row for row in read() if row.name not in names and _is_ours(row)]
    changes: dict[str, str | None] = dict.fromkeys([*OURS, *OTHERWISE, *(row.name for row in set_by_us)])
    if process.profile() != PROFILES[0]:
        changes["PROFILE"] = process.profile()
    return changes


def _is_ours(row: Row) -> bool:
    policies = ("pin", "ambient") if process.profile() != "portable" else ("pin", "ambient", "portable")
    return row.policy in policies and os.environ.get(row.name) == row.filled(os.environ)
