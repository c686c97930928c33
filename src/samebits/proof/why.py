"""Where two trainings differ first, and why: the verdict with which a failed proof ends."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samebits._files import shown
from samebits.diff import command
from samebits.diff.records import Result
from samebits.errors import UsageError
from samebits.process.command_line import hint
from samebits.proof.closer import bisection
from samebits.proof.trainings import Training

SHOWN = 3  # causes; `samebits diff` has all


@dataclass(frozen=True)
class Why:
    """What `samebits diff` says of two trainings.

    Attributes:
        first, second: their records, or their run folders.
        result: the verdict and its causes.
    """

    first: Path
    second: Path
    result: Result

    def moved(self, folder: Path, kept: Path | None) -> "Why":
        """The same, after the folder of the trainings has got another name; None: it stays."""
        here, there = folder.resolve(), (kept or folder).resolve()
        paths = (path.resolve() for path in (self.first, self.second))
        first, second = (
            there / path.relative_to(here) if path.is_relative_to(here) else path for path in paths
        )
        return replace(self, first=first, second=second)

    @property
    def more(self) -> str:
        """The command that says more, as it can be typed."""
        return hint("samebits", "diff", shown(self.first), shown(self.second))

    @property
    def closer(self) -> str:
        """The command that names the operation, as it can be typed; "" where none is the reason.

        Where chance is the likeliest cause, the verdict itself has a better one: `samebits twice`.
        """
        return "" if self.result.twice else bisection(self.first, self.second, self.result.place)

    def lines(self) -> Iterator[str]:
        """The verdict, the likeliest causes and the commands that say more, for people."""
        # The command below shows how to record the tensors, too: one hint is enough.
        yield from command.lines(replace(self.result, more=()), SHOWN)
        yield f"`{self.more}` says more"
        if closer := self.closer:
            yield f"`{closer}` runs both again, and names the operation"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**self.result.as_json(), "more": [self.more], "closer": self.closer or None}


def why(first: Training, second: Training) -> Why | None:
    """Compare two trainings: by their records where both have some, else by their runs.

    Returns:
        None where neither says in what they differ.
    """
    pairs = [(first.folder, second.folder)]
    if first.record.is_dir() and second.record.is_dir():
        pairs.insert(0, (first.record, second.record))
    said = (between(*pair) for pair in pairs)
    return next((each for each in said if each is not None and each.result.place is not None), None)


def between(first: Path, second: Path) -> Why | None:
    """Compare two records, or two runs; None where they cannot be compared."""
    try:
        return compare(first, second)
    except UsageError:
        return None


def compare(first: Path, second: Path) -> Why:
    """Compare two records, or two runs.

    Raises:
        UsageError: they cannot be compared.
    """
    return Why(first, second, command.compare(first, second))
