"""What trainings that were stopped and resumed have shown: the verdict of each, and what was lost."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits._printable import some
from samebits._report import Outcome
from samebits.diff.align import STEP, STEP_NUMBER
from samebits.diff.reader import Process, Record
from samebits.diff.records import Result
from samebits.diff.resumption import nearest
from samebits.proof.trainings import Training
from samebits.proof.why import Why, compare
from samebits.proof.written import READERS, other_tensors
from samebits.record.final import count_steps
from samebits.record.saved import Stamp, stamps

EPOCH = re.compile(rb',"epoch":(\d{1,9})[,}]')
LACKS = "the checkpoint does not hold "  # with which a cause begins that names what was lost
AVERAGE = re.compile(r"(^|[^a-z])(ema|average|averaged|avg|swa|shadow|teacher|target)([^a-z]|$)", re.I)


@dataclass
class Trial:
    """A training that was stopped and resumed.

    Attributes:
        stop: the step after which it was stopped.
        outcome: "ok", "fail" or "skipped".
        says: what came out, in words.
        checkpoint: from which it resumed, as the command is given it; "" where it is given none.
        resumed: the step after which it resumed; None: it is not known.
        lost: what was not restored, where that is known.
        seconds: how long both parts took.
        why: what `samebits diff` says; None where no step differs.
        repeats: False: it differs before it is stopped, so nothing is known of resuming.
    """

    stop: int
    outcome: Outcome = "ok"
    says: str = ""
    checkpoint: str = ""
    resumed: int | None = None
    lost: str = ""
    seconds: float = 0.0
    why: Why | None = None
    repeats: bool = True

    def __str__(self) -> str:
        verdict = {"ok": "resumes", "fail": "does not resume"}.get(self.outcome, "skipped")
        verdict = verdict if self.repeats else "does not repeat"
        where = f", resumed after step {self.resumed:,}" if self.resumed is not None else ""
        source = f" from {self.checkpoint}" if self.checkpoint and where else ""
        return f"{verdict}: stopped after step {self.stop:,}{where}{source}: {self.says}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "stopped_after": self.stop,
            "resumed_after": self.resumed,
            "checkpoint": self.checkpoint or None,
            "outcome": self.outcome,
            "repeats": self.repeats,
            "says": self.says,
            "lost": self.lost or None,
            "seconds": round(self.seconds, 3),
            "verdict": None if self.why is None else self.why.as_json(),
        }


@dataclass(frozen=True)
class Proof:
    """What was shown.

    Attributes:
        steps: of the training that nothing stopped.
        weights: the digest of what it ended with.
        trials: in the order of their steps.
        notes: what may be lost otherwise, in words.
    """

    steps: int
    weights: str
    trials: Sequence[Trial]
    notes: Sequence[str] = ()

    @property
    def failed(self) -> list[Trial]:
        """Those that did not resume to the same bits."""
        return [trial for trial in self.trials if trial.outcome == "fail"]

    @property
    def tried(self) -> list[Trial]:
        """Those in which there was something to resume from."""
        return [trial for trial in self.trials if trial.outcome != "skipped"]

    def told(self) -> str:
        """The last line where all is good."""
        times = f"stopped and resumed {len(self.tried)} time{'s' * (len(self.tried) > 1)}"
        return f"resumes: {times}, the same bits as {self.steps:,} steps in one go, weights {self.weights}"

    def fault(self) -> str:
        """What is not good, in one line."""
        return f"{self.failed[0]} ({len(self.failed)} of {len(self.tried)} trials)"


def judge(trial: Trial, whole: Training, steps: int, resumed: Training, saved_before: bool) -> None:
    """Compare what was resumed with the training that nothing stopped, and say in the trial what came out.

    Args:
        trial: of which it is a part.
        whole: the training that nothing stopped.
        steps: that this one took.
        resumed: the part after the resumption.
        saved_before: whether there was a checkpoint.

    Raises:
        UsageError: their records cannot be compared.
    """
    if not count_steps(resumed.record):
        trial.outcome, trial.says = "fail", "the command that resumes took no step"
        return
    said = compare(whole.record, resumed.record)
    result, place = said.result, said.result.place
    trial.resumed, trial.why = result.resumed, said if place is not None else None
    if result.resumed is not None and place is None:
        trial.says = f"the same bits until the end, step {steps:,}"
    elif result.resumed is not None:
        trial.outcome = "fail"
        causes = (cause.text for cause in result.causes if cause.text.startswith(LACKS))
        trial.lost = next(causes, "").removeprefix(LACKS)
        trial.says = f"{_named(result)}{f'; lost: {trial.lost}' if trial.lost else ''}"
    elif place is not None and place.what == "initial":
        trial.outcome, trial.says = "fail", _of_no_step(whole, resumed)
    elif place is not None and place.what == "model":
        trial.outcome, trial.says = "fail", _named(result)
    elif saved_before:
        trial.outcome, source = "fail", trial.checkpoint or "what it had saved"
        trial.says = f"it did not load {source}, or not its weights: it began with the initial ones"
        trial.lost = "all: the training began again"
    else:
        trial.outcome, trial.says = "skipped", "nothing was written before, so it began again"


def _named(result: Result) -> str:
    """The first difference, in one line."""
    text = ", ".join(filter(None, (result.who, result.place.text if result.place else "")))
    text = f"first difference: {text}"
    return f"{text} (A: in one go)" if re.search(r"\b[AB]\b", text) else text


def _of_no_step(whole: Training, resumed: Training) -> str:
    """That a checkpoint has the weights of no step, and how near they come."""
    text = "the checkpoint does not hold the weights of any step, or the model is used before they are loaded"
    near = nearest(_trainer(whole), _trainer(resumed))
    if near is None or len(near[1].differ) == near[1].of:
        return f"{text}: no tensor is that of any step (an average, or another precision?)"
    step, tensors = near
    others = some([f"`{name}`" for name in tensors.differ], 3)
    same = f"{tensors.of - len(tensors.differ):,} of {tensors.of:,}"
    return f"{text}: {same} tensors are those of step {step:,}, not {others}"


def _trainer(training: Training) -> Process:
    return max(Record(training.record).processes, key=lambda each: sum(1 for _ in steps_of(each)))


def judge_files(
    trial: Trial, whole: Training, other: Training, starts: Sequence[Mapping[str, Stamp]]
) -> None:
    """Compare the tensors in what both wrote: an average that no step needs is seen there only.

    Args:
        trial: says afterwards what differs, if anything does.
        whole: the training that nothing stopped.
        other: the one that was stopped and resumed, in one folder.
        starts: the files that stood in the folder of each when it began.
    """
    ours, theirs = place_of(whole), place_of(other)
    there = [stamps(str(place)) for place in (ours, theirs)]
    first, second = (
        {name for name, stamp in each.items() if start.get(name) != stamp and name.endswith(tuple(READERS))}
        for each, start in zip(there, starts, strict=True)
    )
    for name in sorted(first & second, key=lambda each: there[1][each][1]):
        differ = other_tensors(ours / name, theirs / name, name)
        if differ:
            shown = some([f"`{each}`" for each in differ], 3)
            trial.outcome = "fail"
            trial.lost = "an average of the weights (EMA)" if any(map(AVERAGE.search, differ)) else shown
            trial.says = f"all steps are the same, but {shown} in {name} differ; lost: {trial.lost}"
            return


def steps_of(process: Process) -> Iterator[tuple[int, bytes]]:
    """The number and the epoch of each step of the first optimiser; b"": the epoch is not certain."""
    for line in process.lines():
        if line.startswith(STEP) and (number := STEP_NUMBER.match(line)) and number[1] == b"0":
            epoch = EPOCH.search(line)
            yield int(number[2]), epoch[1] if epoch else b""


def place_of(training: Training) -> Path:
    """The copy in which a training works."""
    assert training.place is not None
    return training.place
