"""Tables for people."""

import sys
from collections.abc import Sequence

from samebits._printable import printable

COLOURS = {"good": "green", "bad": "red", "open": "yellow"}
WIDTH = 160  # columns, where no terminal says how wide it is
Cell = str | tuple[str, str]  # text, or text and a key of COLOURS


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], title: str | None = None) -> None:
    """Print rows on stdout; only the last column's text may go on in a second line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(printable(heading), no_wrap=heading != headings[-1])
    for row in rows:
        pairs = ((cell, "") if isinstance(cell, str) else (cell[0], COLOURS[cell[1]]) for cell in row)
        table.add_row(*(Text(printable(text), style=colour) for text, colour in pairs))
    (Console() if sys.stdout.isatty() else Console(width=WIDTH)).print(table)
