"""What the trainings of one command showed: whether it repeats, and whether it resumes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samebits._printable import some
from samebits.chance import of_run
from samebits.fingerprint.manifest import read_manifest
from samebits.hashing.compare import Comparison, compare_runs, holding_nan
from samebits.process.command_line import hint
from samebits.proof.trainings import Finished
from samebits.proof.why import Why, why
from samebits.unsaved import lines as unsaved

MEMORY = (
    "all runs but the first agree: memory that nobody wrote (torch.empty, numpy.empty) decides, which is "
    "filled in them; or something that the first run left behind, such as a cache"
)


@dataclass(frozen=True)
class Verdict:
    """What was seen.

    Attributes:
        finished: the runs that ended well, the one that all are compared with first.
        repeats: whether all that nothing interrupted are the same.
        resumes: whether the stopped one is the same, too; None: it was not stopped, or nothing repeats.
        stops: after which steps it was stopped.
        resumed_after: the steps of the checkpoints from which it was resumed.
        why_not: why it was not.
        failure: what it said when it could not be resumed.
        difference: the first that was seen.
        memory: whether all but the first are the same, and no memory is named that nobody wrote.
        not_numbers: how many NaN the tensors hold, where all runs are the same.
        unsaved: what changes and is in no checkpoint, as the manifest has it.
        chance: where nothing repeats, what no seed decides, as the manifests have it; a line each.
        why: where they differ first, and why.
        not_looked_at: objects of code in C that may have changed, too.
    """

    finished: Sequence[Finished]
    repeats: bool
    resumes: bool | None = None
    stops: Sequence[int] = ()
    resumed_after: Sequence[int] = ()
    why_not: str = ""
    failure: str = ""
    difference: Comparison | None = None
    memory: bool = False
    not_numbers: Mapping[str, int] = field(default_factory=dict)
    unsaved: Sequence[Mapping[str, Any]] = ()
    chance: Sequence[str] = ()
    why: Why | None = None
    not_looked_at: Sequence[str] = ()

    @property
    def good(self) -> bool:
        """Whether "same bits" may be said."""
        return self.repeats and self.resumes is not False and not self.not_numbers

    def summary(self) -> str:
        """How many runs, and what was done to the second."""
        runs = f"{len(self.finished)} runs"
        if self.resumes:
            return f"{runs}, the second was {self.stopped()}"
        return f"{runs}, not interrupted ({self.why_not})" if self.why_not else runs

    def told(self) -> str:
        """The last line where all is good."""
        return f"same bits: {self.summary()}, sha256 {self.finished[0].sha256}"

    def stopped(self) -> str:
        """How it was interrupted, in words."""
        back = list(self.resumed_after)
        resumed = (
            "" if back == list(self.stops) else f" after {' and '.join(f'step {step}' for step in back)}"
        )
        return f"stopped after {self._steps()} and resumed{resumed}"

    def _steps(self) -> str:
        return ", and again after ".join(f"step {step}" for step in self.stops)

    def fault(self) -> str:
        """What is not good, in one line."""
        runs = len(self.finished) + bool(self.failure)
        if not self.repeats:
            hashes = len({run.sha256 for run in self.finished})
            what = f"{hashes} different hashes" if hashes > 1 else "one hash, but other metrics or batches"
            return f"not the same bits: does not repeat: {runs} runs, {what}"
        if self.resumes is False:
            weights = self.difference is not None and self.difference.tensor is not None
            what = "has other weights" if weights else "has the same weights, but other metrics or batches"
            what = f"was {self.stopped()}, and {what}"
            if self.failure:
                what = f"was stopped after {self._steps()} and could not be resumed: {self.failure}"
            return f"not the same bits: repeats, but does not resume: the second run {what}"
        return (
            f"not called the same bits: {self.summary()} and one hash, but the weights "
            f"{holding_nan(self.not_numbers)}; numbers that are NaN are equal whatever made them"
        )

    def lines(self, command: Sequence[str]) -> Iterator[str]:
        """What differs and what to do about it, for people; nothing where all is good.

        Args:
            command: that trains.
        """
        if self.difference is not None:
            first, second = (_name(run) for run in (self.difference.first, self.difference.second))
            yield f"between {first} and {second}{f', {self.stopped()}' if self.resumes is False else ''}:"
            yield from self.difference.lines() if self.why is None else self.why.lines()
        if self.memory:
            yield MEMORY
        if not self.repeats and len(self.finished) == 2:
            three = hint("samebits", "smoke", "--runs", "3", *command)
            yield f"`{three}` shows whether memory that nobody wrote decides"
        if self.why is None:
            yield from (f"chance that no seed decides: {line}" for line in self.chance)
        if self.resumes is False:
            weights = self.failure or (self.difference is not None and self.difference.tensor is not None)
            yield from unsaved.some(self.unsaved) if weights else unsaved.lines(self.unsaved)
            if self.not_looked_at:
                yield f"code in C keeps these, and nobody can see if they change: {some(self.not_looked_at)}"
            yield f"`{hint('samebits', 'resume-proof', *command)}` stops it at other steps, too"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "same": self.good,
            "repeats": self.repeats,
            "resumes": self.resumes,
            "stopped_after": next(iter(self.stops), None),
            "stopped_again_after": next(iter(self.stops[1:]), None),
            "resumed_after": next(iter(self.resumed_after), None),
            "not_interrupted": self.why_not or None,
            "failure": self.failure or None,
            "sha256": [run.sha256 for run in self.finished],
            "seconds": [round(run.seconds, 3) for run in self.finished],
            "difference": None if self.difference is None else self.difference.as_json(),
            "verdict": None if self.why is None else self.why.as_json(),
            "not_numbers": dict(self.not_numbers),
            "unsaved": list(self.unsaved),
            "unsaved_not_looked_at": list(self.not_looked_at),
            "chance": list(self.chance),
        }


def judge(
    plain: Sequence[Finished],
    stopped: Finished | None = None,
    stops: Sequence[int] = (),
    failure: str = "",
    why_not: str = "",
) -> Verdict:
    """Compare runs; read from their folders, so these must still be there.

    Args:
        plain: those that nothing interrupted, the one to compare with first.
        stopped: the one that was stopped and resumed.
        stops: after which steps it was, or it was to be.
        failure: what it said when it could not be resumed.
        why_not: why none was stopped.
    """
    reference = plain[0]
    others = [compare(reference, other) for other in plain[1:]]
    pairs = zip(plain[1:], others, strict=True)
    different, difference = next((each for each in pairs if not each[1].same), (None, None))
    repeats, resumes, memory = difference is None, None, False
    finished = [reference, *([stopped] if stopped else []), *plain[1:]]
    if stopped is not None or failure:
        interrupted = compare(reference, stopped) if stopped is not None else None
        resumed = interrupted is not None and interrupted.same
        resumes = resumed if repeats or resumed else None
        if difference is None and not resumed:
            different, difference = stopped, interrupted
        others += [interrupted] if interrupted is not None else []
    if not repeats and len(finished) > 2:
        memory = all(compare(finished[1], other).same for other in finished[2:])
    rows = [row for run in finished for row in manifest(run).get("chance", ())]
    if any(row.get("kind") == "memory" for row in rows):  # then it is named
        memory = False
    same = repeats and resumes is not False
    return Verdict(
        finished,
        repeats,
        resumes,
        stops,
        [int(link["from_step"]) for link in manifest(stopped)["chain"][1:]] if stopped is not None else (),
        why_not,
        failure,
        difference,
        memory,
        others[0].not_numbers if same and others else {},
        () if resumes is not False else manifest(reference).get("unsaved", ()),
        () if repeats else of_run.lines_of(manifest(run) for run in finished),
        None if different is None else why(reference.child, different.child),
        () if resumes is not False else manifest(reference).get("unsaved_not_looked_at", ()),
    )


def compare(first: Finished, second: Finished) -> Comparison:
    """Bit by bit."""
    return compare_runs(first.child.folder, second.child.folder)


def manifest(run: Finished) -> Mapping[str, Any]:
    """A run's manifest; empty where the training left none."""
    folder = run.child.folder
    return read_manifest(folder) if (folder / "manifest.json").exists() else {}


def _name(folder: str) -> str:
    return Path(folder).name.replace("-", " ")
