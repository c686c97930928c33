"""This process: whether it was started as determinism.env says, and what the libraries made of it."""

import dataclasses
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebits import framework
from samebits.errors import UsageError
from samebits.process import effective, started
from samebits.process.command_line import typed
from samebits.process.variables import PROFILES, Row, find_root, read

SWITCHES = {"on": {"1", "true", "yes", "on"}, "off": {"0", "false", "no", "off"}}

_warned = False


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing about this process that can change bits.

    Attributes:
        name: the variable of determinism.env that it is about.
        line: what is wrong: the thing, what it is, what it must be.
        fix: what to do about it.
    """

    name: str
    line: str
    fix: str


def this_process(strict: bool) -> None:
    """Compare this process with determinism.env.

    Args:
        strict: raise when something is wrong. Otherwise the first call in a process says it on stderr.

    Raises:
        UsageError: naming the first wrong variable, what it is, what it must be, and what to do.
    """
    global _warned
    if (_warned and not strict) or _is_data_worker():
        return
    problems = faults()
    if problems:
        # Not doctor: that one looks at its own process, where all may be right.
        more = f" (and {len(problems) - 1} more, such as {problems[1].name})" if len(problems) > 1 else ""
        line = f"{problems[0].line}{more}: {problems[0].fix}"
        if strict:
            raise UsageError(line)
        print(f"samebits: {line}", file=sys.stderr)
    _warned = True


def faults() -> list[Fault]:
    """Everything that is wrong with this process: variables in the order of determinism.env, then values."""
    names = set(started.allowed())
    rows = [row for row in read() if row.name not in names]
    problems = [fault for row in rows if (fault := _variable_fault(row))]
    known = {fault.name for fault in problems}
    # An effective value follows from its variable: one line for both.
    return problems + [fault for fault in _effective_faults() if fault.name not in known | names]


def must_be(row: Row, environment: Mapping[str, str]) -> str:
    """What a variable must be, if `environment` has another value; empty when all is well."""
    now = environment.get(row.name, "")
    value = row.filled(started.environment())
    policy = row.policy
    if policy == "portable" and started.profile() == "portable":
        policy = "pin" if value else "forbid"
    match policy:
        case "pin" | "ambient":
            same = now == value or now.lower() in SWITCHES.get(row.kind, ())
            return "" if same else f"must be '{value}'"
        case "merge":
            unmet = [flag for flag in value.split() if not _holds(now.split(), flag)]
            return f"must hold {' '.join(unmet)}" if unmet else ""
        case "forbid":
            return "must not be set" if now else ""
        case "remove":
            strange = [entry for entry in _entries(row, now) if not _stays(row, entry, value)] if now else []
            return f"must not hold {' '.join(map(repr, strange))}" if strange else ""
    return ""


def _variable_fault(row: Row) -> Fault | None:
    if must := must_be(row, started.environment()):
        line, fix = _is(row.name, started.environment()), f"start it with `{_right_command()}`"
    elif must := must_be(row, os.environ):
        fix = f"do not change it inside Python, or SAMEBITS_ALLOW={row.name} says that you mean it"
        line = f"{_is(row.name, os.environ)} since Python started"
    else:
        return None
    return Fault(row.name, f"{line}, {must}", fix)


def _is(name: str, environment: Mapping[str, str]) -> str:
    return f"{name} is '{environment[name]}'" if environment.get(name) else f"{name} is not set"


def _holds(flags: list[str], flag: str) -> bool:
    """Whether flags hold `flag` and nothing that contradicts it; a bare --flag means --flag=true."""
    name = flag.partition("=")[0]
    said = [word if "=" in word else f"{word}=true" for word in flags if word.partition("=")[0] == name]
    return bool(said) and set(said) == {flag}


def _entries(row: Row, now: str) -> list[str]:
    if row.kind == "entries":
        return now.split(":")
    return re.split("[:;]", now) if row.kind == "libraries" else [now]


def _stays(row: Row, entry: str, value: str) -> bool:
    if row.kind == "entries":
        return _is_inside(entry, value)
    if row.kind == "libraries":
        return "$" not in entry and not any((Path(entry) / name).exists() for name in value.split())
    return False


def _is_inside(entry: str, project: str) -> bool:
    """Whether an entry of PYTHONPATH is a folder of the project, and not one of installed packages."""
    strange = not entry or ".." in entry or any(f"/{word}-packages" in entry for word in ("site", "dist"))
    if strange or project == "/":
        return False
    # A relative path begins in the working folder, whose name has no links in it.
    return Path(entry).is_relative_to(project) or (
        not os.path.isabs(entry) and Path.cwd().is_relative_to(Path(project).resolve())
    )


def _effective_faults() -> list[Fault]:
    environment = started.environment()
    problems: list[Fault] = []

    def expect(name: str, what: str, now: object, must: object, fix: str) -> None:
        if str(now) != str(must):
            undo = f"remove the call that changed it, or SAMEBITS_ALLOW={name} says that you mean it"
            problems.append(Fault(name, f"{what} is {now}, must be {must} ({name})", fix or undo))

    if started.profile() not in PROFILES:
        line = f"SAMEBITS_PROFILE is '{started.profile()}', must be {' or '.join(PROFILES)}"
        problems.append(Fault("SAMEBITS_PROFILE", line, f"start it with `{_right_command()}`"))
    if sys.flags.hash_randomization:
        line = "PYTHONHASHSEED is set, but Python ignores it"
        problems.append(Fault("PYTHONHASHSEED", line, "start Python without -E, -I and -R"))
    for value in effective.in_force():
        expect(value.name, value.what, value.now, value.must, value.undo)
    for row in framework.FRAMEWORKS.values():
        if file := row.settings:
            path = Path(environment.get(file.variable) or file.folder).expanduser() / file.name
            for key, now in _read_settings(path).items():
                must = file.defaults.get(key, now)
                expect(file.variable, f"{key} in {path}", now, must, f"delete {path}")
    return problems


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the framework, too, then takes its defaults
        return {}
    return settings if isinstance(settings, dict) else {}


def _is_data_worker() -> bool:
    return any(room.is_data_worker() for room in framework.effective_of_imported())


def _right_command() -> str:
    """The command line that would have been right, in the user's own words, and found from where they are."""
    if "ipykernel" in sys.modules:  # a kernel has its environment from the server that started it
        notebooks = find_root() / "tools/notebooks.py"
        own = f"make -C {shlex.quote(str(find_root()))} notebook"
        return own if notebooks.exists() else "samebits exec -- jupyter lab"
    entrypoint = find_root() / "entrypoint"
    near = "./entrypoint" if find_root().resolve() == Path.cwd() else str(entrypoint)
    through = near if entrypoint.exists() else f"{sys.executable} -m samebits exec --"
    if shutil.which("samebits"):
        through = "samebits exec --"
    words = list(sys.orig_argv)
    if sys.argv[:1] == ["-c"] and "-c" in words:
        return f"{through} python {shlex.join(words[1 : words.index('-c') + 1])} …"
    return f"{through} {shlex.join(typed(words, sys.executable))}"
