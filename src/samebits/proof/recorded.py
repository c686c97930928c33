"""What trainings that know nothing of samebits have shown: their records, and the files that they wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from samebits.errors import UsageError
from samebits.process.command_line import hint
from samebits.proof.trainings import Finished
from samebits.proof.why import Why, compare
from samebits.proof.written import Difference, Written
from samebits.record.final import count_steps
from samebits.record.not_recorded import not_recorded

WHY_NOT = "it has no checkpoints of samebits"


@dataclass(frozen=True)
class Recorded:
    """What was seen: `proof.verdict.Verdict`, for records in place of runs.

    Attributes:
        finished: the trainings, the one that all are compared with first.
        steps: of the first.
        other: the first whose record is another one.
        why: where, and why.
        files: how many files are compared.
        written: the first file that is another one.
    """

    finished: Sequence[Finished]
    steps: int
    other: Finished | None = None
    why: Why | None = None
    files: int = 0
    written: Difference | None = None

    @property
    def good(self) -> bool:
        """Whether "same bits" may be said."""
        return self.why is None and self.written is None

    def summary(self) -> str:
        """How many runs, and what of them was compared."""
        parts = []
        if self.steps:
            parts.append(f"{self.steps:,} step{'s' * (self.steps > 1)} each")
        if self.files:
            parts.append(f"{self.files:,} file{'s' * (self.files > 1)} each")
        return f"{len(self.finished)} runs, {', '.join(parts)}, not interrupted ({WHY_NOT})"

    def told(self) -> str:
        """The last line where all is good."""
        weights = self.finished[0].sha256
        return f"same bits: {self.summary()}{f', weights {weights}' if weights else ''}"

    def fault(self) -> str:
        """What is not good, in one line."""
        if self.why is not None:
            place = self.why.result.place
            return f"not the same bits: does not repeat: {len(self.finished)} runs, {place}"
        return f"not the same bits: the records are the same, but not what was written: {self.written}"

    def lines(self, command: Sequence[str]) -> Iterator[str]:
        """What differs and why, for people; nothing where all is good."""
        if self.why is not None and self.other is not None:
            yield f"between {self.finished[0].child.name} and {self.other.child.name}:"
            yield from self.why.lines()
        if self.written is not None:
            yield str(self.written)
        if not self.good and len(self.finished) == 2:
            three = hint("samebits", "smoke", "--runs", "3", *command)
            yield f"`{three}` shows whether memory that nobody wrote decides"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "same": self.good,
            "repeats": self.good,
            "resumes": None,
            "not_interrupted": WHY_NOT,
            "weights": [run.sha256 or None for run in self.finished],
            "seconds": [round(run.seconds, 3) for run in self.finished],
            "steps": self.steps,
            "files": self.files,
            "verdict": None if self.why is None else self.why.as_json(),
            "file_difference": None if self.written is None else str(self.written),
        }


def judge_records(finished: Sequence[Finished], written: Sequence[Written]) -> Recorded:
    """Compare the records of trainings, and the files that they wrote.

    Args:
        finished: the trainings; their records must still be there.
        written: what each of them wrote; empty where nobody asked.

    Raises:
        UsageError: there is nothing to compare.
    """
    reference = finished[0]
    steps = count_steps(reference.child.record)
    files = len(written[0]) if written else 0
    if not steps and not files:
        raise UsageError(nothing_of(reference, bool(written)))
    for other in finished[1:] if steps else ():
        said = compare(reference.child.record, other.child.record)
        if said.result.place is not None:
            return Recorded(finished, steps, other, said, files)
    for outputs in written[1:]:
        if (difference := written[0].difference(outputs)) is not None:
            return Recorded(finished, steps, files=files, written=difference)
    return Recorded(finished, steps, files=files)


def nothing_of(run: Finished, asked: bool) -> str:
    """One line about a training that left nothing to compare.

    Args:
        run: the training.
        asked: whether files were asked for.
    """
    if asked:
        return f"{run.child.name} took no step of an optimiser and wrote no file that --files names"
    if lacking := not_recorded(run.child.record):
        return (
            f"{run.child.name} took no step that samebits records (not recorded: {lacking}): "
            "name what it writes: --files 'out/*'"
        )
    return (
        f"{run.child.name} left no run, and took no step of an optimiser: train inside `with "
        "samebits.torch.open_run(settings) as run:`, or samebits.keras.open_run, and end with "
        "`run.finish(model)`; or name what it writes: --files 'out/*'"
    )
