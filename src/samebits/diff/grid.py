"""Cells of a picture: rows of things that are compared, columns of steps, and how different each is."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from samebits.diff.tensors import module_of
from samebits.hashing.compare import TensorDifference

MOST_COLUMNS = 400
MOST_DETAILS = 4000  # cells with words of their own; of more, those that were seen first
# What a cell shows, the worse the larger: of several steps in a column the worst is shown.
NOTHING, SAME, UNUSED, ONLY_FIRST, ONLY_SECOND, DIFFERS = range(6)
SIZES = (1, 10, 1_000, 100_000)  # ULPs: up to so many are DIFFERS + 1, + 2 …
LARGEST = DIFFERS + 1 + len(SIZES)
NOT_FINITE = LARGEST + 1
FLOAT32 = 2**23  # ULPs from 1 to 2: a relative difference is shown as so many


@dataclass(frozen=True)
class Columns:
    """The steps that the columns of a picture stand for.

    Attributes:
        label: of the view.
        first, last: steps, both included.
        each: how many steps a column has.
    """

    label: str
    first: int
    last: int
    each: int

    @property
    def count(self) -> int:
        """How many columns there are."""
        return (self.last - self.first) // self.each + 1

    def column(self, step: int) -> int | None:
        """The column of a step; None: it is in none."""
        return (step - self.first) // self.each if self.first <= step <= self.last else None


def columns(label: str, first: int, last: int, most: int = MOST_COLUMNS) -> Columns:
    """Columns for a range of steps, each a round number of steps.

    >>> columns("", 0, 1_000_000).each
    3000
    """
    needed = math.ceil((last - first + 1) / most)
    power = 10 ** max(0, len(str(needed)) - 1)
    each = next(power * digit for digit in (1, 2, 3, 4, 5, 6, 8, 10) if power * digit >= needed)
    return Columns(label, first, last, each)


def size_of(difference: TensorDifference) -> int:
    """What a cell shows of a tensor that differs; only of numbers of one type and shape a size is known."""
    if difference.reason != "values":
        return DIFFERS
    if difference.not_numbers or difference.infinite:
        return NOT_FINITE
    return size(difference.distance)


def size(ulps: float) -> int:
    """The same for a number of ULPs."""
    return next((DIFFERS + 1 + number for number, most in enumerate(SIZES) if ulps <= most), LARGEST)


def size_of_numbers(first: Any, second: Any) -> int:
    """The same for two numbers that are known: by their relative difference, counted in ULPs of float32."""
    if type(first) not in (int, float) or type(second) not in (int, float):
        return NOT_FINITE if isinstance(first, str) != isinstance(second, str) else DIFFERS
    largest = max(abs(first), abs(second))
    relative = abs(first / largest - second / largest) if largest else 0.0
    return size(relative * FLOAT32) if math.isfinite(relative) else NOT_FINITE


@dataclass
class Row:
    """A thing that is compared at each step.

    Attributes:
        name: shown beside it.
        section: the rows that it stands with.
        module: the part of the model that it belongs to; "" for none.
        number: among the rows.
        cells: for each part that is compared ("gradient", "weight", "state", or "" where there is one part),
            and each view, what its cells show; SAME is not written here, see `sources`.
        sources: the events in which it stands; where these are the same in both, it is SAME.
        first: the first step at which it differs.
        line: of the user's code.
        buffer: it has no gradient, and no optimiser.
    """

    name: str
    section: str
    module: str = ""
    number: int = 0
    cells: dict[str, list[bytearray]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    first: int | None = None
    line: str = ""
    buffer: bool = False


class Grid:
    """The rows of two processes that are compared.

    Args:
        views: the same rows over several ranges of steps.

    Attributes:
        rows: in the order in which they were added.
        seen: of each source and view, what its columns are: NOTHING, SAME, ONLY_FIRST or ONLY_SECOND.
        details: words about a cell, by row, part, view and column.
    """

    def __init__(self, views: Sequence[Columns]) -> None:
        self.views = views
        self.rows: dict[tuple[str, str], Row] = {}
        self.seen: dict[str, list[bytearray]] = {}
        self.details: dict[tuple[int, str, int, int], tuple[int, str]] = {}

    def row(self, section: str, name: str, source: str, module: str = "", line: str = "") -> Row:
        """A row; it is added if it is a new one.

        Args:
            section, name, module, line: see `Row`.
            source: an event in which it stands.
        """
        row = self.rows.get((section, name))
        if row is None:
            row = self.rows[section, name] = Row(name, section, module, len(self.rows))
        row.sources.add(source)
        row.line = row.line or line
        return row

    def see(self, source: str, step: int, what: int = SAME) -> None:
        """An event stands in both records, or in one only, at a step."""
        if source not in self.seen:
            self.seen[source] = [bytearray(view.count) for view in self.views]
        for view, cells in zip(self.views, self.seen[source], strict=True):
            if (at := view.column(step)) is not None and cells[at] < what:
                cells[at] = what

    def mark(self, row: Row, part: str, step: int, what: int, words: str = "", line: str = "") -> None:
        """A row differs at a step.

        Args:
            row: which.
            part: of it.
            step: where.
            what: how.
            words: what else is known.
            line: of the user's code.
        """
        if row.first is None or step < row.first:
            row.first, row.line = step, line or row.line
        if part not in row.cells:
            row.cells[part] = [bytearray(view.count) for view in self.views]
        for number, (view, cells) in enumerate(zip(self.views, row.cells[part], strict=True)):
            if (at := view.column(step)) is None:
                continue
            cells[at] = max(cells[at], what)
            key = (row.number, part, number, at)
            known = self.details.get(key)
            if words and (known[0] < what if known else len(self.details) < MOST_DETAILS):
                self.details[key] = what, words

    def coarser(self) -> bool:
        """Put the rows of each module together into one, without details; False: they were so before."""
        merged: dict[tuple[str, str], Row] = {}
        for row in self.rows.values():
            name = row.module if row.module else row.name
            into = merged.get((row.section, name))
            if into is None:
                into = merged[row.section, name] = Row(name, row.section, module_of(row.module), len(merged))
            _merge(into, row)
        smaller = len(merged) < len(self.rows) or bool(self.details)
        self.rows, self.details = merged, {}
        return smaller

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: cells as numbers and how often they follow each other."""
        details: dict[int, list[list[Any]]] = {}
        for (number, part, view, at), (_, words) in self.details.items():
            details.setdefault(number, []).append([part, view, at, words])
        return {
            "views": [
                {"label": view.label, "first": view.first, "last": view.last, "each": view.each}
                for view in self.views
            ],
            "rows": [
                {
                    "name": row.name,
                    "section": row.section,
                    "module": row.module,
                    "first": row.first,
                    "line": row.line,
                    "buffer": row.buffer,
                    "seen": [_runs(cells) for cells in self._seen_by(row)],
                    "cells": {part: [_runs(view) for view in views] for part, views in row.cells.items()},
                    "details": details.get(number, []),
                }
                for number, row in enumerate(self.rows.values())
            ],
        }

    def _seen_by(self, row: Row) -> Iterator[bytes]:
        for number, view in enumerate(self.views):
            seen = [self.seen[source][number] for source in sorted(row.sources) if source in self.seen]
            yield bytes(map(max, *seen)) if len(seen) > 1 else bytes(seen[0]) if seen else bytes(view.count)


def _merge(into: Row, row: Row) -> None:
    into.sources |= row.sources
    if row.first is not None and (into.first is None or row.first < into.first):
        into.first, into.line = row.first, row.line
    into.line = into.line or row.line
    for part, views in row.cells.items():
        known = into.cells.get(part)
        into.cells[part] = (
            views if known is None else [bytearray(map(max, a, b)) for a, b in zip(known, views, strict=True)]
        )


def _runs(cells: bytes | bytearray) -> list[int]:
    """[what, how often, what, how often …]."""
    return [number for what, same in itertools.groupby(cells) for number in (what, len(list(same)))]
