"""What a picture of two finished runs shows: the lines of their metrics, and their final weights."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samebits.diff.grid import DIFFERS, ONLY_FIRST, ONLY_SECOND, Grid, columns, size_of, size_of_numbers
from samebits.diff.picture import INPUTS, PARAMETERS, RESULTS, WEIGHT
from samebits.diff.tensors import module_of
from samebits.hashing.compare import compare_tensor, read_metrics, read_weights

COUNTERS = ("epoch", "step")  # fields that say which line it is


def of_runs(first: Path, second: Path) -> tuple[Grid, int]:
    """The grid of two run folders.

    Args:
        first, second: the folders.

    Returns:
        The grid, whose columns are the lines, from 1, and behind them the final weights; and the last column.

    Raises:
        UsageError: one is no finished run.
    """
    here, there = read_metrics(first), read_metrics(second)
    end = max(len(here), len(there)) + 1
    grid = Grid([columns("all lines", 1, end)])
    for line, (a, b) in enumerate(itertools.zip_longest(here, there), 1):
        _line(grid, line, a, b)
    _weights(grid, end, first, second)
    return grid, end


def _line(grid: Grid, line: int, first: dict[str, Any] | None, second: dict[str, Any] | None) -> None:
    for name, a, b in _fields(first, second):
        section, shown = (INPUTS, "batches") if name == "batches" else (RESULTS, name)
        row = grid.row(section, shown, name)
        if first is None or second is None:
            grid.see(name, line, ONLY_SECOND if first is None else ONLY_FIRST)
            row.first = line if row.first is None else row.first
            continue
        grid.see(name, line)
        if a == b:
            continue
        if name == "batches":
            grid.mark(row, "", line, DIFFERS)
        else:
            grid.mark(row, "", line, size_of_numbers(_number(a), _number(b)), f"{a} in A, {b} in B")


def _fields(first: dict[str, Any] | None, second: dict[str, Any] | None) -> Iterator[tuple[str, Any, Any]]:
    a, b = first or {}, second or {}
    for name in dict.fromkeys([*a, *b]):
        if name not in COUNTERS:
            yield name, a.get(name), b.get(name)


def _number(text: Any) -> Any:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _weights(grid: Grid, end: int, first: Path, second: Path) -> None:
    here, there = read_weights(first), read_weights(second)
    for name in dict.fromkeys([*here, *there]):
        row = grid.row(PARAMETERS, name, name, module_of(name))
        if name not in here or name not in there:
            grid.see(name, end, ONLY_FIRST if name in here else ONLY_SECOND)
            row.first = end
            continue
        grid.see(name, end)
        if (difference := compare_tensor(name, here[name], there[name])) is not None:
            grid.mark(row, WEIGHT, end, size_of(difference), difference.words)
