"""What checks print: one table, one way to write JSON, and one set of words for what came out."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from samebits._printable import printable

Outcome = Literal["fail", "warn", "skipped", "ok"]  # the worst first
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
COLOURS: dict[Outcome, str] = {"fail": "red", "warn": "yellow", "skipped": "dim", "ok": "green"}
WIDTH = 160  # columns of a table in a file or a pipe; a terminal has its own width
Cell = str | tuple[str, Outcome]  # text, or text that is coloured by what came out


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what was looked at, as a user knows it: a variable, a package, a tool.
        outcome: "ok"; "warn" (works, or may not matter); "fail" (the command exits with 1); "skipped".
        found: what is there now.
        fix: what to do about it; empty when there is nothing to do.
    """

    subject: str
    outcome: Outcome
    found: str
    fix: str = ""


def print_findings(findings: Iterable[Finding]) -> None:
    """Print one row a finding, the worst first."""
    findings = sorted(findings, key=lambda finding: OUTCOMES.index(finding.outcome))
    headings = ["subject", "outcome", "found"] + ["what to do"] * any(finding.fix for finding in findings)
    rows = [
        (finding.subject, cell(finding.outcome), finding.found, finding.fix)[: len(headings)]
        for finding in findings
    ]
    print_table(headings, rows)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], title: str = "") -> None:
    """Print rows on stdout. A text that is too long continues in the next line; none of it is left out."""
    # Here, so that a machine without the environment can be told what it lacks.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    # As Text: what looks like rich's markup is text.
    table = Table(
        title=Text(printable(title)) if title else None, title_justify="left", box=None, pad_edge=False
    )
    for heading in headings:
        table.add_column(Text(printable(heading)), overflow="fold")
    for row in rows:
        pairs = ((entry, "") if isinstance(entry, str) else (entry[0], COLOURS[entry[1]]) for entry in row)
        table.add_row(*(Text(printable(text), style=colour) for text, colour in pairs))
    console.print(table)


def cell(outcome: Outcome, says: str = "") -> Cell:
    """A table's cell for what came out: the word, so that a log without colours has it, and why."""
    return (f"{outcome}: {says}" if says else outcome), outcome


def as_json(content: Any) -> str:
    """JSON text: of a list one element a line, of anything else with two spaces a level.

    Args:
        content: what `json.dumps` takes; dataclasses and paths in it, too. All that is not ASCII is escaped,
            so no text of a file can do anything to a terminal.
    """
    if isinstance(content, list):
        return (
            "[\n" + ",\n".join(json.dumps(element, default=_plain) for element in content) + "\n]"
            if content
            else "[]"
        )
    return json.dumps(content, indent=2, default=_plain)


def print_json(content: Any) -> None:
    """Print it on stdout, see `as_json`."""
    print(as_json(content))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")
