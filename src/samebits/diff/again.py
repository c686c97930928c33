"""What runs a record's command again, as it can be typed: with the variables that it was made with."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from samebits.diff.reader import DamagedError, Process, Record, kind_of, parse_event
from samebits.process import variables
from samebits.process.command_line import hint
from samebits.record.secrets import MASK

THREADS = "SAMEBITS_THREADS"
PLAIN = re.compile(r"[\w.,:-]{1,64}")  # no path: a record from elsewhere names no file of this machine
KINDS = ("seed", "count", "integer", "name")  # of variables that a user may choose


def command(record: Record, *options: str) -> str:
    """What to type; "" where the record's command is not known as a whole.

    Of several processes without a common parent none has the whole command, and what looked like a secret is
    stored nowhere.

    Args:
        record: whose command is to be run.
        options: samebits' own command, such as "record", and its options.
    """
    roots = record.roots
    words = roots[0].about["command"] if len(roots) == 1 else []
    if not words or any(MASK in word for word in words):
        return ""
    typed = hint("samebits", *options, "--", *words)
    return " ".join([*_chosen(_fingerprint(record), not typed.startswith("samebits ")), typed])


def _fingerprint(record: Record) -> Mapping[str, Any]:
    """What the first process that trained says of its environment."""
    return next((facts for process in record.processes if (facts := _settings(process))), {})


def _settings(process: Process) -> Mapping[str, Any]:
    for line in process.lines():
        kind = kind_of(line)
        if kind == "step":
            break
        if kind == "settings":
            try:
                fingerprint: Mapping[str, Any] = parse_event(line)["fingerprint"]
            except DamagedError:
                break
            return fingerprint
    return {}


def _chosen(fingerprint: Mapping[str, Any], entrypoint: bool) -> Iterator[str]:
    """The variables that had another value than they would have now, as a shell sets them for one command.

    Args:
        fingerprint: of the record.
        entrypoint: the command goes through it, which sets them.
    """
    was = fingerprint.get("variables")
    was = was if isinstance(was, dict) else {}
    others: dict[str, str] = {}
    threads: set[str] = set()
    for row in variables.read():
        value = was.get(row.name)
        if row.policy != "ambient" or row.kind not in KINDS or not isinstance(value, str):
            continue
        now = row.filled(os.environ) if entrypoint else os.environ.get(row.name)
        if not PLAIN.fullmatch(value) or value == now:
            continue
        if entrypoint and THREADS in row.value:
            threads.add(value)
        else:
            others[row.name] = value
    if entrypoint and fingerprint.get("profile") in variables.PROFILES[1:]:
        yield f"PROFILE={fingerprint['profile']}"
    if len(threads) == 1:
        yield f"{THREADS}={threads.pop()}"
    if entrypoint and others:
        yield f"SAMEBITS_ALLOW={','.join(others)}"
    yield from (f"{name}={shlex.quote(value)}" for name, value in others.items())
