"""What a check found out about one subject: the rows that `samebits doctor` prints."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

State = Literal["right", "doubtful", "wrong"]
COLOURS: dict[State, str] = {"right": "green", "doubtful": "yellow", "wrong": "red"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what was looked at, as a user knows it: a variable, a package, a tool.
        state: "right"; "doubtful" (works, or may not matter); "wrong" (`samebits doctor` exits with 1).
        found: what is there now.
        mend: what to do about it; empty when there is nothing to do.
    """

    subject: str
    state: State
    found: str
    mend: str = ""


def as_json(findings: Iterable[Finding]) -> str:
    """A JSON list of objects with the fields of `Finding`, one object a line."""
    lines = [json.dumps(dataclasses.asdict(finding), ensure_ascii=False) for finding in findings]
    return "[\n" + ",\n".join(lines) + "\n]"


def print_table(findings: Sequence[Finding], console: "Console | None" = None) -> None:
    """Print one row a finding, the wrong ones first. A file or a pipe gets whole lines, however long."""
    # Here, so that a machine without the environment can be told what it lacks.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    findings = sorted(findings, key=lambda finding: ("wrong", "doubtful", "right").index(finding.state))
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=1000)
    table = Table(box=None, pad_edge=False)
    for heading in ("subject", "state", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        state = Text(finding.state, style=COLOURS[finding.state])
        table.add_row(Text(finding.subject), state, Text(finding.found), Text(finding.mend))
    console.print(table)
