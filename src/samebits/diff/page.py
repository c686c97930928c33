"""The picture of a comparison as one HTML file that needs nothing else: no network, no library."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from samebits import __version__
from samebits._printable import printable
from samebits._progress import Line
from samebits.diff.grid import Grid
from samebits.diff.picture import Picture, steps_of, views
from samebits.diff.reader import Record
from samebits.diff.records import Result, matched, sides_of, who
from samebits.diff.run_picture import of_runs
from samebits.diff.verdict import Place

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
}  # by what a place is, where it is no parameter
SLOT = re.compile(r"\[\[(\w+)\]\]")
CODE = re.compile(r"`([^`]*)`")


@dataclass(frozen=True)
class Pictures:
    """What a page shows.

    Attributes:
        labels: of the pairs of processes.
        grids: one for each.
        at: which of them has the first difference.
        word, unit: what a column is, and what the axis says: "step".
        start: the column before the first step.
        end: the column after the last one, where the final weights stand; None: there is none.
        step: the column of the first difference; None: there is none.
    """

    labels: list[str]
    grids: list[Grid]
    at: int = 0
    word: str = "step"
    unit: str = "step"
    start: int = 0
    end: int | None = None
    step: int | None = None


def of_records(first: Path, second: Path, result: Result) -> Pictures:
    """The pictures of two records.

    Args:
        first, second: their folders, or files.
        result: of their comparison.
    """
    ours, theirs = Record(first), Record(second)
    step = None if result.place is None else result.place.step or 0
    labels: list[str] = []
    grids: list[Grid] = []
    at, start = 0, 0
    for number, pair in enumerate(matched(ours, theirs, [])):
        if len(grids) == MOST_PROCESSES and number != result.pair:
            continue
        shifts = (
            [{}, {}] if pair.resumed is None else [{}, pair.resumed.steps][:: 1 if pair.resumed.later else -1]
        )
        ranges = [
            steps_of(process, shift) for process, shift in zip((pair.ours, pair.theirs), shifts, strict=True)
        ]
        origin = 0 if pair.resumed is None else max(pair.resumed.steps.values())
        last = max(high for _, high in ranges)
        if number == result.pair:
            at, start = len(grids), origin
        shown = views(origin, max(last, origin), step if number == result.pair else None)
        line = Line()
        line.update(f"drawing {last:,} steps")
        with line:
            grids.append(Picture(*sides_of(pair), shown).grid)
        labels.append(f"{who(pair.ours)}{f' ({number + 1})' if labels and who(pair.ours) in labels else ''}")
    return Pictures(labels, grids, at, start=start, step=step)


def of_folders(first: Path, second: Path, result: Result) -> Pictures:
    """The picture of two run folders.

    Args:
        first, second: the folders.
        result: of their comparison.
    """
    grid, end = of_runs(first, second)
    firsts = [row.first for row in grid.rows.values() if row.first is not None]
    step = min(firsts, default=None) if result.place is not None else None
    return Pictures(["run"], [grid], word="line", unit="line of metrics", start=1, end=end, step=step)


def page(first: Path, second: Path, result: Result, pictures: Pictures) -> str:
    """The whole file.

    Args:
        first, second: what was compared.
        result: what that showed.
        pictures: what is drawn.
    """
    slots = {
        "title": html.escape(printable(result.verdict)),
        "verdict": _code(result.verdict[:1].upper() + result.verdict[1:]),
        "about": "".join(_about(first, second, result)),
        "text": "".join(_text(result)),
        "footer": f"samebits {html.escape(__version__)}: samebits diff --html",
        "data": as_json(pictures, result),
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
    notes = [*(f"{name}'s generator: {text}" for name, text in result.apart.items()), *result.notes]
    if notes:
        yield "<h2>Notes</h2>" + "".join(f'<p class="muted">{_code(note)}</p>' for note in notes)
    if result.more:
        lines = html.escape(printable("\n".join(result.more)))
        yield "<h2>How many elements differ, and by how much</h2><p>Record both again, and compare:</p>"
        yield f"<pre>{lines}</pre>"


def as_json(pictures: Pictures, result: Result) -> str:
    """The cells as JSON that may stand in a page, and is not larger than MOST_BYTES.

    Args:
        pictures: are made coarser where they are too large.
        result: what the comparison showed.
    """
    grids = pictures.grids
    while sum(len(grid.rows) for grid in grids) > MOST_ROWS and _coarser(grids):
        pass
    while len(text := _content(pictures, result)) > MOST_BYTES and _coarser(grids):
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


def _content(pictures: Pictures, result: Result) -> str:
    content: dict[str, Any] = {
        "at": pictures.at,
        "word": pictures.word,
        "unit": pictures.unit,
        "start": pictures.start,
        "end": pictures.end,
        "step": pictures.step,
        "name": _row_of(result.place),
        "processes": [
            {"label": label, **grid.as_json()}
            for label, grid in zip(pictures.labels, pictures.grids, strict=True)
        ],
    }
    # Nothing in a name may end the script in which this stands.
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
