"""How one process of samebits starts a training: through entrypoint, as from a shell of its own."""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from samebits.errors import UsageError
from samebits.process import started
from samebits.process.variables import PROFILES, Row, find_root, package_file, read

OURS = ("SAMEBITS_ENTRYPOINT", "SAMEBITS_REPLACED", "SAMEBITS_PROFILE", "SAMEBITS_RUN_FOLDER")
OTHERWISE = ("SAMEBITS_RESUME", "SAMEBITS_STOP_AT")  # they are for one run, not for those that it starts


def entrypoint() -> str:
    """The path of samebits' own entrypoint."""
    return str(package_file("entrypoint"))


def through(command: tuple[str, ...]) -> list[str]:
    """A command that goes through entrypoint, once."""
    return list(command) if command[0].endswith("entrypoint") else [entrypoint(), *command]


def caller_environment() -> dict[str, str | None]:
    """What takes this process's environment back to what its user's shell has; None removes a variable.

    entrypoint has set variables for this process. A training that is started with another profile or number
    of threads must not take these for the user's own.
    """
    names = set(started.allowed())
    set_by_us = [row for row in read() if row.name not in names and _is_ours(row)]
    changes: dict[str, str | None] = dict.fromkeys([*OURS, *OTHERWISE, *(row.name for row in set_by_us)])
    if started.profile() != PROFILES[0]:
        changes["PROFILE"] = started.profile()
    return changes


def _is_ours(row: Row) -> bool:
    policies = ("pin", "ambient") if started.profile() != "portable" else ("pin", "ambient", "portable")
    return row.policy in policies and os.environ.get(row.name) == row.filled(os.environ)


def for_entrypoint() -> dict[str, str]:
    """What entrypoint is told by who starts it: which project this is, and which `python`.

    The latter is the one that runs this where it was called by its path. Where another environment is
    activated, `python` is its user's choice.
    """
    variables = {"SAMEBITS_ROOT": str(find_root())}
    own = os.path.dirname(sys.executable)
    activated = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    there = os.access(os.path.join(own, "python"), os.X_OK)
    if there and activated in (None, sys.prefix) and os.path.dirname(shutil.which("python") or "") != own:
        variables["PATH"] = own + os.pathsep + os.environ.get("PATH", os.defpath)
    return variables


def become(command: Sequence[str]) -> NoReturn:
    """Replace this process by a command with the variables of determinism.env.

    Raises:
        UsageError: samebits' entrypoint cannot be executed.
    """
    entrypoint = str(package_file("entrypoint"))
    try:
        os.execve(entrypoint, [entrypoint, *command], {**os.environ, **for_entrypoint()})
    except OSError as error:
        raise UsageError(f"{entrypoint} cannot be executed: {error.strerror}") from None
