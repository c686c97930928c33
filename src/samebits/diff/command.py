"""`samebits diff A B`: where two records or two finished runs differ first, and why."""

from collections.abc import Iterator
from pathlib import Path

import click

from samebits._printable import printable, some
from samebits._report import print_json
from samebits.diff.reader import Record
from samebits.diff.records import Result, compare_records
from samebits.diff.runs import compare_folders
from samebits.diff.words import generator_words
from samebits.errors import UsageError

SHOWN = 5  # causes; --json has all


@click.command("diff")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of lines.")
def command(first: Path, second: Path, json_: bool) -> int:
    """Name the first place where A and B differ, and the likeliest causes.

    A and B are folders that `samebits record` wrote, or the file of one process in such a folder; or the
    folders of two finished runs.

    Exit status 0: they are the same, as far as both go; 1: they differ; 2: they cannot be compared.
    """
    result = compare(first, second)
    if json_:
        print_json({"first": str(first), "second": str(second), **result.as_json()})
    else:
        for line in lines(result):
            click.echo(printable(line))
    return 0 if result.place is None else 1


def compare(first: Path, second: Path) -> Result:
    """Compare two records, or two finished runs.

    Raises:
        UsageError: they cannot be compared.
    """
    kinds = [_kind(path) for path in (first, second)]
    if kinds[0] != kinds[1]:
        raise UsageError(f"{first} is a {kinds[0]} and {second} a {kinds[1]}: give two of one kind")
    if kinds[0] == "run":
        return compare_folders(first, second)
    return compare_records(Record(first), Record(second))


def _kind(path: Path) -> str:
    if not path.exists():
        raise UsageError(f"{path} does not exist: give a folder that `samebits record` wrote, or a run's")
    if path.is_dir() and (path / "manifest.json").exists():
        return "run"
    return "record"


def lines(result: Result) -> Iterator[str]:
    """The verdict, then the causes, for people."""
    if result.place is None:
        yield f"same: {result.steps:,} steps"
        yield from (f"  {note}" for note in result.notes)
        return
    who = f"{result.who}, " if result.who else ""
    yield f"first difference: {who}{result.place}"
    if result.last:
        yield f"  the last that is the same: {result.last}"
    yield from (f"  {generator_words(name)}: {text}" for name, text in result.apart.items())
    yield from (f"  {note}" for note in result.notes)
    if not result.causes:
        yield "no cause is known: nothing else that is recorded differs"
        return
    yield "causes, the likeliest first:"
    for number, cause in enumerate(result.causes[:SHOWN], 1):
        yield f"{number}. {cause.text}{f' ({cause.where})' if cause.where else ''}"
        yield from (f"   {line}" for line in cause.evidence)
        if cause.fix:
            yield f"   fix: {cause.fix}"
    if more := result.causes[SHOWN:]:
        yield f"less likely: {some([cause.text for cause in more], 3, '; ')}"
