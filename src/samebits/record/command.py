"""`samebits record`: run a command unchanged, and write down what it computed, in order."""

import contextlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from samebits._files import cannot_write
from samebits._printable import some
from samebits._report import print_json
from samebits.errors import UsageError
from samebits.process import foreground, launch, way_in
from samebits.record.begin import DEFAULT_LIMIT, FOLDER, LEVEL, LIMIT, VALUES, WINDOW
from samebits.record.final import STEP as STEP_LINE
from samebits.record.format import LEVELS, STEP
from samebits.record.not_recorded import not_recorded
from samebits.record.values import as_words, parse_steps, value_files

NOT_STARTED = (126, 127)  # entrypoint's statuses for a command that cannot be executed, or is not there
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Size(click.ParamType):
    """A number of bytes: `300M`, `2G`."""

    name = "size"

    def convert(
        self, value: str | int, parameter: click.Parameter | None, context: click.Context | None
    ) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        if (said := re.fullmatch(r"(\d+)([KMGT]?)(i?B)?", value.strip(), re.IGNORECASE)) is None:
            self.fail(f"{value!r} is no size: give a number of bytes, such as 300M or 2G", parameter, context)
        return int(said[1]) * UNITS[said[2].upper()]


class Steps(click.ParamType):
    """A range of steps, both ends included: `17:18`."""

    name = "steps"

    def convert(
        self, value: str | range, parameter: click.Parameter | None, context: click.Context | None
    ) -> range:
        """The numbers of the steps."""
        if isinstance(value, range):
            return value
        try:
            return parse_steps(value)
        except ValueError as error:
            self.fail(str(error), parameter, context)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-o", "--output", "output", metavar="DIR", help="The record's folder (runs/record-1, -2, …).")
@click.option(
    "--limit",
    type=Size(),
    default=DEFAULT_LIMIT,
    show_default="2G",
    help="The most that the record may take; the recording ends there, the command does not.",
)
@click.option(
    "--values",
    type=Steps(),
    metavar="FIRST:LAST",
    help="Write the tensors of these steps, too (both included), for elements and ULPs in `samebits diff`.",
)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default=STEP,
    show_default=True,
    help="How deep the record goes: steps; also each layer's call; also each operation. In torch only.",
)
@click.option(
    "--steps",
    type=Steps(),
    metavar="FIRST:LAST",
    help="Look inside these steps only (both included), with --level layer or operation.",
)
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.argument("command", metavar="CMD [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    command: tuple[str, ...],
    output: str | None,
    limit: int,
    values: range | None,
    level: str,
    steps: range | None,
    as_json: bool,
) -> int:
    """Run CMD, a training, and write down what it computes, in order: `samebits diff` compares two records.

    \b
    samebits record -- python train.py
    samebits record -o runs/first -- torchrun --nproc-per-node 2 train.py

    CMD needs to know nothing of samebits, and computes the same bits as without. Its child processes and data
    workers are recorded, too. A record holds digests of batches, losses, gradients, weights, optimisers and
    generators at each step, the files that were read, and the environment's facts. It holds no
    environment variable that is not of determinism.env, no word of CMD that looks like a secret, and tensors
    only of the steps that --values names. With --json CMD's own output goes to stderr.

    Exit status: CMD's own; 2 if no process was recorded.
    """
    if steps is not None and level == STEP:
        raise UsageError(
            f"--steps {as_words(steps)} needs a level that looks inside: give --level layer or operation"
        )
    with _folder(output) as folder:
        status = run(command, folder, limit, as_json, values, level, steps)
        seen = processes(folder)
        if not seen and status in NOT_STARTED:
            return status  # which entrypoint has told
        if not seen:
            raise UsageError(way_in.nowhere(command, "recorded"))
    if as_json:
        print_json({"record": str(folder), "status": status, "processes": seen})
    else:
        print(summary(folder, seen))
    return status


def run(
    words: Sequence[str],
    folder: Path,
    limit: int = DEFAULT_LIMIT,
    quiet: bool = False,
    values: range | None = None,
    level: str = STEP,
    steps: range | None = None,
) -> int:
    """Run a command, recorded, with the variables that it would have anyway; returns its status.

    Args:
        words: the command.
        folder: of the record; it is there and empty.
        limit: bytes of the record.
        quiet: write the command's output to stderr.
        values: the steps whose tensors are written, too; None: of none.
        level: one of `format.LEVELS`.
        steps: that have lines inside, at a level that has them; None: all.

    Raises:
        UsageError: it cannot be started.
    """
    own = {FOLDER: str(folder.absolute()), LIMIT: str(limit), LEVEL: level}
    for variable, given in ((VALUES, values), (WINDOW, steps)):
        own[variable] = "" if given is None else as_words(given)
    return start(words, own, quiet)


def start(words: Sequence[str], own: Mapping[str, str], quiet: bool = False) -> int:
    """Run a command with the variables that it would have anyway, and some of samebits'; returns its status.

    Args:
        words: the command.
        own: the variables that let samebits into its processes.
        quiet: write the command's output to stderr.

    Raises:
        UsageError: it cannot be started.
    """
    told = launch.for_entrypoint()
    path = told.get("PATH") or os.environ.get("PATH", os.defpath)
    environment = {**os.environ, "PATH": path, **own}
    if shutil.which(words[0], path=path) is None:  # `train`, say, which entrypoint knows
        words, environment = launch.through(tuple(words)), environment | told
    return foreground.run(words, environment, quiet)


@contextlib.contextmanager
def _folder(named: str | None) -> Iterator[Path]:
    """Make the record's folder; what was made for it is gone again if nothing comes into it.

    Raises:
        UsageError: something is in it, or it cannot be made.
    """
    there = Path(named) if named else Path("runs")
    new = [each for each in (there, *there.parents) if not each.exists()]
    folder = _made(named)
    try:
        yield folder
    finally:
        for each in [*([folder] if named is None else []), *new]:
            with contextlib.suppress(OSError):
                each.rmdir()


def _made(named: str | None) -> Path:
    chosen = [Path(named)] if named else (Path(f"runs/record-{number}") for number in itertools.count(1))
    for folder in chosen:
        try:
            folder.mkdir(parents=True, exist_ok=named is not None)
            if not any(folder.iterdir()):
                return folder
        except FileExistsError:
            if named is None:
                continue
            raise UsageError(f"{folder} is a file: give -o another folder") from None
        except OSError as error:
            raise cannot_write(folder, error) from None
    raise UsageError(f"{named} is not empty: give -o another folder, or delete it")


def processes(folder: Path) -> list[dict[str, Any]]:
    """What each process of a record has written, those with the most steps first.

    Returns:
        Of each process: `file`, `role`, `rank` (None where there are no ranks), `steps`, `bytes`, and
        `ended`, whether it came to its end.
    """
    seen = []
    for path in sorted(folder.glob("*.jsonl")):
        first, last, steps = b"", b"", 0
        with path.open("rb") as file:
            for line in file:
                first, last = first or line, line
                steps += line.startswith(STEP_LINE)
        about = _event(first)
        seen.append({
            "file": path.name,
            "role": about.get("role", "main"),
            "rank": about.get("rank"),
            "steps": steps,
            "bytes": path.stat().st_size,
            "ended": _event(last).get("event") == "end",
        })  # fmt: skip
    return sorted(seen, key=lambda each: -each["steps"])


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:  # the process was killed, or has nothing to tell
        return {}
    return event if isinstance(event, dict) else {}


def summary(folder: Path, seen: Sequence[Mapping[str, Any]]) -> str:
    """One line about a record: where it is, and how much it holds.

    Args:
        folder: its folder.
        seen: what `processes` gave.
    """
    steps, size = sum(each["steps"] for each in seen), sum(each["bytes"] for each in seen)
    number = f"{len(seen)} process{'es' * (len(seen) > 1)}"
    if not steps:
        lacking = f"; not recorded: {what}" if (what := not_recorded(folder)) else ""
        return f"recorded in {folder}: {number}, no step of an optimiser, {_size(size)}{lacking}"
    each = f"{_size(size / steps)} a step"
    files = [path.stat().st_size for path in value_files(folder)]
    held = f"; tensors of {len(files):,} step{'s' * (len(files) > 1)}, {_size(sum(files))}" if files else ""
    cut = [process["file"] for process in seen if not process["ended"]]
    killed = f"; {some(cut, 2)} did not come to an end" if cut else ""
    sizes = f"{steps:,} step{'s' * (steps > 1)}, {each}, {_size(size)}{held}"
    return f"recorded in {folder}: {number}, {sizes}{killed}"


def _size(number: float) -> str:
    units = ["bytes", "KB", "MB", "GB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{number:.0f} {units[0]}" if units[0] == "bytes" or number >= 10 else f"{number:.1f} {units[0]}"
