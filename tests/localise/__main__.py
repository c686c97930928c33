"""`make localise`: how often `samebits diff` names the place and the cause of a fault first.

Each fault of the catalogue is a small change to a real training; the training is recorded with and without
it, in processes of their own. Fifty pairs without a fault must be called the same.
"""

import collections
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

import click
from tests.localise import keras_faults, layers, operations, second, torch_faults
from tests.localise.clean import PAIRS
from tests.localise.run import Folder, Originals, slug
from tests.localise.score import CleanRow, Level, Row, score, score_clean, score_inside

from samebits._report import Cell, Outcome, print_json, print_table
from samebits.process.program import run_command
from samebits.record.format import LAYER, LEVELS, OPERATION, STEP

FAULTS = {**torch_faults.FAULTS, **keras_faults.FAULTS}
SETS = {"first": FAULTS, "second": second.FAULTS}
INSIDE = {LAYER: layers, OPERATION: operations}
COMMITTED = Path(__file__).with_name("score.json")
COLOURS: dict[Level, Outcome] = {
    "exact": "ok",
    "first three": "warn",
    "missed": "fail",
    "not made": "skipped",
}
Made = TypeVar("Made")


def in_turn(work: list[Callable[[], Made]], jobs: int) -> Iterator[Made]:
    """Do the work, `jobs` at a time; the results as they come."""
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(do) for do in work]):
            yield done.result()


def folder_for_records() -> str | None:
    """A file system in memory gives files in the order in which they were made, which a fault needs."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def totals(rows: list[Row]) -> dict[Level, int]:
    count = collections.Counter(row.level for row in rows)
    return {level: count[level] for level in get_args(Level)}


def table(rows: list[Row]) -> None:
    cells: list[tuple[Cell, ...]] = []
    for row in sorted(rows, key=lambda row: (row.framework, row.kind)):
        causes = ", ".join(row.causes[:3]) + (" …" if len(row.causes) > 3 else "")
        cells.append(
            (
                row.kind,
                f"{row.framework}: {row.name}",
                row.expected_place,
                row.place or row.text.splitlines()[0],
                row.expected_cause,
                causes,
                str(row.rank or "-"),
                (row.level, COLOURS[row.level]),
            )
        )
    headings = ("kind", "fault", "place", "named place", "cause", "named causes", "rank", "")
    print_table(headings, cells)


@click.command()
@click.option(
    "--only", default="", metavar="TEXT", help="Faults and clean pairs with TEXT in kind, name or script."
)
@click.option(
    "--part", type=click.Choice(["faults", "clean"]), help="Only the faults, or only the clean pairs."
)
@click.option("--set", "set_", type=click.Choice(list(SETS)), default="first", help="Which faults.")
@click.option(
    "--framework", type=click.Choice(["torch", "Keras"], case_sensitive=False), help="Only this framework."
)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Trainings at a time.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep the records here; those that are here are compared, and not made again.",
)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default=STEP,
    show_default=True,
    help="Of the records; layer, operation: the faults for which one is to blame, by its name.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    only: str,
    set_: str,
    part: str | None,
    framework: str | None,
    jobs: int,
    keep: Path | None,
    level: str,
    as_json: bool,
) -> int:
    """Name the place and the cause of each fault of the catalogue, and count how often that is right.

    Exit status 1: the score is below the committed one, or a clean pair is called different.
    """
    began = time.monotonic()
    faults = {
        name: fault
        for name, fault in SETS[set_].items()
        if only in f"{fault.kind} {name} {fault.script}"
        and framework in (None, fault.framework)
        and part != "clean"
        and (level == STEP or name in INSIDE[level].EXPECTED)
    }
    judge = score if level == STEP else partial(score_inside, level=INSIDE[level])
    Folder.level = level
    pairs = [
        pair
        for pair in PAIRS
        if only in pair.name and framework in (None, pair.framework) and part != "faults"
    ]
    if not faults and not pairs:
        raise click.UsageError(f"nothing has {only!r} in its name")
    rows: list[Row] = []
    clean: list[CleanRow] = []
    with tempfile.TemporaryDirectory(dir=folder_for_records()) as temporary:
        root = keep or Path(temporary)
        originals = Originals(root / "originals")
        work = [partial(judge, name, fault, root / slug(name), originals) for name, fault in faults.items()]
        for row in in_turn(work, jobs):
            rows.append(row)
            said = f"{len(rows)} of {len(faults)}: {row.level}: {row.name} ({row.seconds:.0f} s)"
            print(said, file=sys.stderr, flush=True)
        same = [partial(score_clean, pair, root / slug(pair.name), originals) for pair in pairs]
        for checked in in_turn(same, jobs):
            clean.append(checked)
            said = f"clean pair {len(clean)} of {len(pairs)}: {checked.said}: {checked.name}"
            print(said, file=sys.stderr, flush=True)

    count = totals(rows)
    different = [row for row in clean if row.said != "same"]
    seconds = round(time.monotonic() - began)
    committed = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    whole = faults == FAULTS
    below = whole and bool(committed) and count["exact"] + count["not made"] < committed["exact"]
    if as_json:
        print_json(
            {
                "score": count,
                "clean": {"same": len(clean) - len(different), "different": len(different)},
                "seconds": seconds,
                "faults": [asdict(row) for row in rows],
                "pairs": [asdict(row) for row in clean],
            }
        )
    else:
        table(rows)
        for row in different:
            print(f"called different: {row.name}: {row.said}")
        print(
            f"{len(rows)} faults: {count['exact']} exact, {count['first three']} in the first three, "
            f"{count['missed']} missed, {count['not made']} cannot be made here"
        )
        print(f"{len(clean)} clean pairs: {len(clean) - len(different)} same; {seconds:,} s")
        if below:
            print(f"below the committed score of {committed['exact']} exact")
    return int(below or bool(different))


if __name__ == "__main__":
    sys.exit(run_command(command, "python -m tests.localise"))
