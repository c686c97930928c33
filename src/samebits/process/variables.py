"""determinism.env, read for Python; `entrypoint` reads it in the same way, before Python starts."""

import dataclasses
import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path

from samebits.errors import UsageError

TABLE = "determinism.env"
PACKAGE = Path(__file__).resolve().parents[1]
# A folder that has one of these is a project; `entrypoint` looks for the same.
MARKS = ("golden.toml", "requirements.lock", "conda-lock.yml", "pyproject.toml", ".git")
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


def package_file(name: str) -> Path:
    """A file that comes with samebits: beside its modules, or in a checkout, where git has it, at the root.

    Args:
        name: "determinism.env", "entrypoint", or a rule's page such as "docs/rules/SB101.md".
    """
    installed = PACKAGE / name
    return installed if installed.exists() else PACKAGE.parents[1] / name


def find_root() -> Path:
    """The project, to which locks, golden.toml and runs/ belong.

    SAMEBITS_ROOT; without it the nearest folder, from the working folder upwards, that has one of MARKS.
    Where there is none: the checkout that samebits is imported from, or, where it is installed, the working
    folder.

    Raises:
        UsageError: SAMEBITS_ROOT is no folder.
    """
    if named := os.environ.get("SAMEBITS_ROOT"):
        if not Path(named).is_dir():
            raise UsageError(
                f"SAMEBITS_ROOT is '{named}', which is no folder: set it to the project's, or unset it"
            )
        return Path(named)
    return _nearest(Path.cwd())


@functools.cache
def _nearest(working_folder: Path) -> Path:
    for folder in (working_folder, *working_folder.parents):
        if folder != Path("/") and any((folder / mark).exists() for mark in MARKS):
            return folder
    return working_folder if (PACKAGE / TABLE).exists() else PACKAGE.parents[1]


def read(path: str | os.PathLike[str] | None = None) -> list[Row]:
    """Every variable of determinism.env, in the file's order.

    Raises:
        UsageError: a line that is neither empty, nor a comment, nor a row with a reason above it.
    """
    return [row for row in _read(os.fspath(path or package_file(TABLE))) if row.policy != "switch"]


def read_switches() -> list[Row]:
    """The frameworks' own switches that determinism.env names, in the file's order; see switches.py."""
    return [row for row in _read(os.fspath(package_file(TABLE))) if row.policy == "switch"]


@functools.cache
def _read(path: str) -> tuple[Row, ...]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
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
        raise UsageError(f"{place}: '{rule}' is no policy")
    if not re.fullmatch(r"[a-z_][A-Za-z0-9_.]*" if policy == "switch" else r"[A-Z_][A-Z0-9_]*", name):
        raise UsageError(f"{place}: '{name}' is no variable's name")
    if not reason:
        raise UsageError(f"{place}: {name} has no reason: say in a comment above it what it decides")
    return Row(name, policy, kind, value, reason)
