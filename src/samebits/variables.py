"""determinism.env, read for Python; `entrypoint` reads it in the same way, before Python starts."""

import dataclasses
import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path

from samebits.errors import WrongUse

TABLE = "determinism.env"
POLICIES = {  # policy: its kinds
    "pin": ("", "on", "off"),
    "ambient": ("count", "integer", "seed", "name", "path"),
    "merge": ("",),
    "forbid": ("",),
    "remove": ("", "entries", "libraries"),
    "record": ("",),
    "placebo": ("",),
    "portable": ("",),
    "switch": ("",),  # no variable: inside a framework
}
PROFILES = ("run", "portable")
PLACEHOLDER = re.compile(r"\$\{(SAMEBITS_THREADS|SAMEBITS_CACHE|SAMEBITS_ROOT)\}")


@dataclasses.dataclass(frozen=True)
class Row:
    """One variable of determinism.env, or one switch inside a framework.

    Attributes:
        name: the variable, or the switch as Python calls it.
        policy: one of POLICIES: how a value that is already there is met.
        kind: which sort of that policy; empty for most.
        value: the text after `=`, placeholders unfilled; empty where the policy needs none.
        reason: the comment above it, on one line.
    """

    name: str
    policy: str
    kind: str
    value: str
    reason: str

    def filled(self, environment: Mapping[str, str]) -> str:
        """The value with its placeholders filled in from `environment`; one that it lacks stays as it is."""
        known = {"SAMEBITS_THREADS": "1", "SAMEBITS_ROOT": str(find_root()), **environment}
        return PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), self.value)


def find_root() -> Path:
    """The folder that holds entrypoint and determinism.env: SAMEBITS_ROOT, or this package's checkout.

    Raises:
        WrongUse: neither has a determinism.env.
    """
    named = os.environ.get("SAMEBITS_ROOT")
    candidates = [Path(named)] if named else [Path(__file__).resolve().parents[2]]
    for folder in candidates:
        if (folder / TABLE).is_file():
            return folder
    raise WrongUse(f"{candidates[0]} has no {TABLE}: set SAMEBITS_ROOT to the folder that holds it")


def read(path: str | os.PathLike[str] | None = None) -> list[Row]:
    """Every variable of determinism.env, in the file's order.

    Raises:
        WrongUse: a line that is neither empty, nor a comment, nor a row with a reason above it.
    """
    return [row for row in _read(os.fspath(path or find_root() / TABLE)) if row.policy != "switch"]


def read_switches() -> list[Row]:
    """The frameworks' own switches that determinism.env names, in the file's order; see samebits.switches."""
    return [row for row in _read(os.fspath(find_root() / TABLE)) if row.policy == "switch"]


@functools.cache
def _read(path: str) -> tuple[Row, ...]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror}") from None
    rows: list[Row] = []
    reason: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line:
            reason = []  # a comment that stands alone is about no row
        elif line.startswith("#"):
            reason.append(line.lstrip("# "))
        else:
            rows.append(_parse(line, " ".join(reason), f"{path}:{number}"))
            reason = []
    return tuple(rows)


def _parse(line: str, reason: str, place: str) -> Row:
    rule, _, assignment = line.partition(" ")
    policy, _, kind = rule.partition(":")
    name, _, value = assignment.partition("=")
    if kind not in POLICIES.get(policy, ()):
        raise WrongUse(f"{place}: '{rule}' is no policy")
    if not re.fullmatch(r"[a-z_][A-Za-z0-9_.]*" if policy == "switch" else r"[A-Z_][A-Z0-9_]*", name):
        raise WrongUse(f"{place}: '{name}' is no variable's name")
    if not reason:
        raise WrongUse(f"{place}: {name} has no reason: say in a comment above it what it decides")
    return Row(name, policy, kind, value, reason)
