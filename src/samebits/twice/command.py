"""`samebits twice`: run a command, execute its operations twice, and name those that give other bits."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from samebits._printable import printable, some
from samebits._report import print_json
from samebits.errors import UsageError
from samebits.process import way_in
from samebits.record.command import NOT_STARTED, Steps, start
from samebits.twice.begin import FOLDER, WINDOW
from samebits.twice.told import Told, in_order, read
from samebits.twice.window import Window

EVERY = 10


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--every",
    type=click.IntRange(1),
    metavar="N",
    help=f"Execute twice in one step of N: the first, and each N-th after it.  [default: {EVERY}]",
)
@click.option(
    "--steps",
    type=Steps(),
    metavar="FIRST:LAST",
    help="Execute twice in these steps only (both included): in all of them, or with --every in some.",
)
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.argument("command", metavar="CMD [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(command: tuple[str, ...], every: int | None, steps: range | None, as_json: bool) -> int:
    """Run CMD, execute each of torch's operations twice, and name those that give other bits the second time.

    \b
    samebits twice -- python train.py
    samebits twice --steps 17:18 -- torchrun --nproc-per-node 2 train.py

    CMD needs to know nothing of samebits, and computes the same bits as without. The second execution gets
    copies of the inputs, and the same state of the generator. Child processes, data workers and threads are
    covered, too. A step is one call of an optimiser's step; what comes before the first belongs to it. With
    --json CMD's own output goes to stderr.

    Exit status: 1 if an output differs; else CMD's own; 2 if nothing was executed twice.
    """
    window = Window(every or (EVERY if steps is None else 1), steps)
    with tempfile.TemporaryDirectory(prefix="samebits-twice-") as folder:
        status = start(command, {FOLDER: folder, WINDOW: window.words}, as_json)
        reached = any(Path(folder).iterdir())
        told = read(Path(folder))
    if not reached and status in NOT_STARTED:
        return status  # which entrypoint has told
    if not reached:
        raise UsageError(way_in.nowhere(command, "reached"))
    if not told.outputs:
        raise UsageError(nothing(told, window, status))
    if as_json:
        print_json({"same": not told.differing, "status": status, **told_as_json(told)})
    else:
        report(told)
    if status:
        print(f"samebits: the command ended with status {status}", file=sys.stderr)
    return 1 if told.differing else status


def nothing(told: Told, window: Window, status: int) -> str:
    """Why nothing was executed twice, in one line."""
    why = "the command called no operation of torch"
    if told.steps and window.steps is not None and told.steps < window.steps.start:
        why = f"the command made {told.steps:,} step{'s' * (told.steps > 1)}: give other --steps"
    elif others := told.left_out.get("other frameworks"):
        names = some(sorted(others))
        why = f"the command computed with {names}: `samebits twice` covers torch's operations only"
    elif told.left_out:
        why = f"not covered: {'; '.join(_left_out(told))}"
    until = f"; the command ended with status {status}" if status else ""
    return f"nothing was executed twice: {why}{until}"


def report(told: Told) -> None:
    """Print what differed, three lines each, and in one line what was compared."""
    for each in in_order(told):
        print(printable(f"{each.place.words}: {each.output} differs"))
        often = f"{each.times:,} of {each.executions:,} executions, first in step {each.step:,}"
        print(f"  in {often}: {each.words}")
        print(f"  use instead: {each.instead}")
    print(printable(summary(told)))


def summary(told: Told) -> str:
    """One line: the verdict, and what was compared."""
    verdict = "the same"
    if number := len({each.place for each in told.differing.values()}):
        verdict = f"{number:,} operation{'s' * (number > 1)} gave other bits the second time"
    outputs = f"{told.outputs:,} output{'s' * (told.outputs > 1)}"
    kinds = f"{len(told.kinds):,} kind{'s' * (len(told.kinds) > 1)} of operations"
    # What follows the last step may be compared, too.
    where = f" in {min(told.checked, told.steps):,} of {told.steps:,} steps" if told.steps else ""
    processes = f", {told.processes:,} processes" if told.processes > 1 else ""
    left_out = f"; not covered: {'; '.join(_left_out(told))}" if told.left_out else ""
    return f"{verdict}: {outputs} of {kinds}{where} compared{processes}{left_out}"


def _left_out(told: Told) -> Iterator[str]:
    for reason, names in told.left_out.items():
        yield f"{reason} ({some([name for name, _ in names.most_common()])})"


def told_as_json(told: Told) -> dict[str, Any]:
    """Plain JSON values."""
    return {
        "differing": [
            {
                **each.place._asdict(),
                "output": each.output,
                "times": each.times,
                "executions": each.executions,
                "step": each.step,
                "elements": each.largest.elements,
                "of": each.largest.of,
                "distance": each.distance,
                "unit": each.largest.unit,
                "how": each.words,
                "instead": each.instead,
            }
            for each in in_order(told)
        ],
        "outputs": told.outputs,
        "operations": sorted(told.kinds),
        "steps": told.steps,
        "checked": told.checked,
        "processes": told.processes,
        "not_covered": {reason: dict(names) for reason, names in told.left_out.items()},
    }
