"""`samebits watch`: run a command and name each source of chance that it used and that no seed decides."""

import os
import tempfile
from pathlib import Path

import click

from samebits._report import print_json, print_table
from samebits.chance import files, random_names, records
from samebits.errors import CheckFailed, UsageError
from samebits.process import foreground, launch, way_in


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--strict", is_flag=True, envvar="SAMEBITS_STRICT", help="Exit with 1 if something is certain.")
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON list.")
@click.argument("command", metavar="CMD [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(command: tuple[str, ...], strict: bool, as_json: bool) -> int:
    """Run CMD, a training or any other Python program, and name the chance in it that no seed decides.

    \b
    samebits watch -- python train.py
    samebits watch --json -- torchrun --nproc-per-node 2 train.py

    CMD needs to know nothing of samebits. Its child processes and data workers are watched, too. It runs
    with the variables of determinism.env, as under `samebits exec`, and is slower. With --json its own
    output goes to stderr.

    Exit status: CMD's own; with --strict 1 if it is 0 and something is named.
    """
    with tempfile.TemporaryDirectory(prefix="samebits-watch-") as folder:
        environment = {**os.environ, **launch.for_entrypoint(), "SAMEBITS_WATCH": folder}
        status = foreground.run(launch.through(command), environment, quiet=as_json)
        if not any(Path(folder).iterdir()):
            raise UsageError(way_in.nowhere(command, "watched"))
        counts = random_names.judged(files.judged(records.collect(Path(folder))))
    if as_json:
        print_json(records.as_json(counts))
    else:
        report(counts, status)
    certain = sum(source.certain for source in counts)
    if strict and certain and not status:
        raise CheckFailed(f"no seed decides {certain} of the sources of chance that were used")
    return status


def report(counts: dict[records.Source, int], status: int) -> None:
    """Print a table, or that there is nothing to name in what ran until the command ended with a status."""
    if not counts:
        until = f", until the command ended with status {status}" if status else ""
        print(f"no chance was used that no seed decides{until}")
        return
    headings = ("source of chance", "where", "library", "count", "fix")
    rows = (
        (source.source, source.where, source.library, f"{number:,}", source.fix)
        for source, number in records.in_order(counts)
    )
    print_table(headings, rows)
