"""The picture of a comparison as one HTML file that needs nothing else: no network, no library."""

import contextlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from samebits import __version__
from samebits._printable import printable
from samebits._progress import Line
from samebits.diff.grid import Grid
from samebits.diff.picture import Picture, steps_of, views
from samebits.diff.place import Place
from samebits.diff.reader import Record
from samebits.diff.records import Result, matched, sides_of, who
from samebits.diff.run_picture import of_runs
from samebits.diff.words import generator_words
from samebits.errors import UsageError
from samebits.record.format import RUN_FILE

MOST_ROWS = 1500  # of all processes together; of more, those of a module are put together
MOST_BYTES = 1_900_000  # of the cells
MOST_PROCESSES = 32
ROWS = {
    "batch": "batch",
    "forward": "model's output",
    "loss": "loss",
    "learning rate": "learning rate",
    "evaluation": "evaluation",
    "evaluation batch": "evaluation",
    "control flow": "control flow",
    "calls": "control flow",
    "mode": "control flow",
    "skipped": "control flow",
}  # by what a place is, where it is no parameter
SLOT = re.compile(r"\[\[(\w+)\]\]")
CODE = re.compile(r"`([^`]*)`")


@dataclass(frozen=True)
class Drawn:
    """What a page shows of two processes, or of two runs.

    Attributes:
        label: by which it is chosen.
        grid: the cells.
        step: the column of the first difference; None: it is elsewhere, or there is none.
        name: of the row in which it is; "" where none is known.
        word, unit: what a column is, and what the axis says.
        start: the column before the first step.
        end: the column after the last one, where the final weights stand; None: there is none.
    """

    label: str
    grid: Grid
    step: int | None = None
    name: str = ""
    word: str = "step"
    unit: str = "step"
    start: int = 0
    end: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        about = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "grid"}
        return {**about, **self.grid.as_json()}


def of_records(first: Path, second: Path, result: Result) -> list[Drawn]:
    """The pictures of two records, a pair of processes each.

    Args:
        first, second: their folders, or files.
        result: of their comparison.
    """
    drawn: list[Drawn] = []
    for number, pair in enumerate(matched(Record(first), Record(second), [])):
        here = result.place if number == result.pair else None
        if len(drawn) == MOST_PROCESSES and here is None:
            continue
        step = None if here is None else here.step or 0
        resumed = {} if pair.resumed is None else pair.resumed.steps
        shifts = [resumed if pair.resumed and pair.resumed.later == side else {} for side in (0, 1)]
        both = zip((pair.ours, pair.theirs), shifts, strict=True)
        origin = max(resumed.values(), default=0)
        last = max(origin, *(steps_of(process, shift)[1] for process, shift in both))
        line = Line()
        line.update(f"drawing {last:,} steps")
        with line:
            grid = Picture(*sides_of(pair), views(origin, last, step), pair.continued).grid
        label = who(pair.ours)
        if label in (each.label for each in drawn):
            label = f"{label} ({number + 1})"
        drawn.append(Drawn(label, grid, step, _row_of(here), start=origin))
    return drawn


def of_folders(first: Path, second: Path, result: Result) -> list[Drawn]:
    """The pictures of two run folders: their metrics, and their first steps where both have a record of them.

    Args:
        first, second: the folders.
        result: of their comparison.
    """
    grid, end = of_runs(first, second)
    firsts = [row.first for row in grid.rows.values() if row.first is not None]
    place = result.place
    step = min(firsts, default=None) if place is not None else None
    drawn = [Drawn("metrics", grid, step, word="line", unit="line of metrics", start=1, end=end)]
    here, there = first / RUN_FILE, second / RUN_FILE
    if here.exists() and there.exists():
        within = place is not None and place.first is not None  # an event of these records
        with contextlib.suppress(UsageError):  # the metrics can be drawn anyway
            of_steps = of_records(here, there, result if within else replace(result, place=None))[:1]
            steps = [replace(each, label="first steps") for each in of_steps]
            drawn = [*steps, *drawn] if within else [*drawn, *steps]
    return drawn


def page(first: Path, second: Path, result: Result, drawn: list[Drawn]) -> str:
    """The whole file.

    Args:
        first, second: what was compared.
        result: what that showed.
        drawn: the pictures.
    """
    slots = {
        "title": html.escape(printable(result.verdict)),
        "verdict": _code(result.verdict[:1].upper() + result.verdict[1:]),
        "about": "".join(_about(first, second, result)),
        "text": "".join(_text(result)),
        "footer": f"samebits {html.escape(__version__)}: samebits diff --html",
        "data": as_json(drawn),
    }
    template = (files("samebits.diff") / "picture.html").read_text(encoding="utf-8")
    return SLOT.sub(lambda slot: slots[slot[1]], template)


def _code(text: str) -> str:
    """Text with what stands between backquotes as code."""
    return CODE.sub(r"<code>\1</code>", html.escape(printable(text)))


def _about(first: Path, second: Path, result: Result) -> Iterator[str]:
    rows = {"A": str(first), "B": str(second)}
    if result.place is not None and result.last:
        rows["same up to"] = result.last
    for name, text in rows.items():
        yield f"<dt>{name}</dt><dd>{_code(text)}</dd>"


def _text(result: Result) -> Iterator[str]:
    """What stands below the picture: causes, generators, notes, and how to see more."""
    if result.place is not None:
        yield "<h2>Causes, the likeliest first</h2>"
        if not result.causes:
            yield "<p>No cause is known: nothing else that is recorded differs.</p>"
        else:
            yield "<ol>"
            for cause in result.causes:
                where = f" ({cause.where})" if cause.where else ""
                evidence = [*cause.evidence, *([f"fix: {cause.fix}"] if cause.fix else [])]
                lines = "".join(f'<span class="muted">{_code(line)}</span>' for line in evidence)
                yield f"<li>{_code(cause.text + where)}{lines}</li>"
            yield "</ol>"
    notes = [*(f"{generator_words(name)}: {text}" for name, text in result.apart.items()), *result.notes]
    if notes:
        yield "<h2>Notes</h2>" + "".join(f'<p class="muted">{_code(note)}</p>' for note in notes)
    if result.twice:
        yield f"<p>{_code(f'`{result.twice}` shows which operation')}.</p>"
    if result.more:
        lines = html.escape(printable("\n".join(result.more)))
        yield "<h2>How many elements differ, and by how much</h2><p>Record both again, and compare:</p>"
        yield f"<pre>{lines}</pre>"


def as_json(drawn: list[Drawn]) -> str:
    """The cells as JSON that may stand in a page, and is not larger than MOST_BYTES.

    Args:
        drawn: is made coarser where it is too large.
    """
    grids = [each.grid for each in drawn]
    while sum(len(grid.rows) for grid in grids) > MOST_ROWS and _coarser(grids):
        pass
    while len(text := _content(drawn)) > MOST_BYTES and _coarser(grids):
        pass
    return text


def _coarser(grids: list[Grid]) -> bool:
    return sum(grid.coarser() for grid in grids) > 0


def _row_of(place: Place | None) -> str:
    """The name of the row in which a first difference is; "" where none is known."""
    if place is None:
        return ""
    if place.name or place.what not in ROWS:
        return place.name
    return ROWS[place.what] + (f" of optimiser {place.optimizer}" if place.optimizer else "")


def _content(drawn: list[Drawn]) -> str:
    at = next((number for number, each in enumerate(drawn) if each.step is not None), 0)
    content = {"at": at, "processes": [each.as_json() for each in drawn]}
    # Nothing in a name may end the script in which this stands.
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
