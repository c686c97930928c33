"""`samebits diff A B`: where two records or two finished runs differ first, and why."""

from collections.abc import Iterator
from pathlib import Path

import click

from samebits._files import write_whole
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
@click.option(
    "--html",
    "html",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw a picture: steps against parameters, in one HTML file.",
)
def command(first: Path, second: Path, json_: bool, html: Path | None) -> int:
    """Name the first place where A and B differ, and the likeliest causes.

    A and B are folders that `samebits record` wrote, or the file of one process in such a folder; or the
    folders of two finished runs.

    Exit status 0: they are the same, as far as both go; 1: they differ; 2: they cannot be compared, or
    one is damaged and the same up to there.
    """
    result = compare(first, second)
    drawn: dict[str, str] = {}
    problem: UsageError | None = None
    if html is not None:
        page = picture(first, second, result)
        try:
            write_whole(html, page)
            drawn = {"picture": str(html)}
        except UsageError as error:  # after the verdict, which took the time
            problem = error
    if json_:
        print_json({"first": str(first), "second": str(second), **result.as_json(), **drawn})
    else:
        for line in lines(result):
            click.echo(printable(line))
        if drawn:
            click.echo(printable(f"picture: {html}"))
    if problem is not None:
        raise problem
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


def picture(first: Path, second: Path, result: Result) -> str:
    """The page that shows a comparison.

    Args:
        first, second: two records, or two finished runs.
        result: of `compare`.
    """
    from samebits.diff import page

    pictures = page.of_folders if _kind(first) == "run" else page.of_records
    return page.page(first, second, result, pictures(first, second, result))


def _kind(path: Path) -> str:
    if not path.exists():
        raise UsageError(f"{path} does not exist: give a folder that `samebits record` wrote, or a run's")
    if path.is_dir() and (path / "manifest.json").exists():
        return "run"
    return "record"


def lines(result: Result, most: int = SHOWN) -> Iterator[str]:
    """The verdict, then at most so many causes, for people."""
    yield result.verdict
    if result.place is None:
        yield from (f"  {note}" for note in result.notes)
        return
    if result.last:
        yield f"  the last that is the same: {result.last}"
    yield from (f"  {generator_words(name)}: {text}" for name, text in result.apart.items())
    yield from (f"  {note}" for note in result.notes)
    if result.causes:
        yield from _causes(result, most)
    else:
        yield "no cause is known: nothing else that is recorded differs"
    if result.twice:
        yield f"`{result.twice}` shows which operation"
    if result.more:
        yield "how many elements differ, and by how much: record both again, and compare"
        yield from (f"  {line}" for line in result.more)


def _causes(result: Result, most: int) -> Iterator[str]:
    yield "causes, the likeliest first:"
    for number, cause in enumerate(result.causes[:most], 1):
        yield f"{number}. {cause.text}{f' ({cause.where})' if cause.where else ''}"
        yield from (f"   {line}" for line in cause.evidence)
        if cause.fix:
            yield f"   fix: {cause.fix}"
    if (more := result.causes[most:]) and most == SHOWN:
        yield f"less likely: {some([cause.text for cause in more], 3, '; ')}"
