"""`samebits resume-proof --resume-with`: a training that saves and loads by itself, stopped and resumed.

It is run whole, recorded. Then, for each of some steps, it is stopped after the step and resumed by its own
means, in a copy of the working folder. `samebits diff` finds the step whose weights the resumed process
begins with, and compares from there on.
"""

import json
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits._printable import some
from samebits.diff.reader import Record
from samebits.errors import UsageError
from samebits.proof import options, working_copy
from samebits.proof.processes import ending, stop
from samebits.proof.resumed import Proof, Trial, judge, judge_files, place_of, steps_of
from samebits.proof.smoke import Watch
from samebits.proof.stops import Course
from samebits.proof.trainings import POLL, Training, failure, last_line, start
from samebits.proof.why import compare
from samebits.record.begin import STOP
from samebits.record.final import count_steps, final_weights
from samebits.record.saved import Stamp, saved, stamps
from samebits.record.stop import SAVED, STOPPED, as_variable

CHECKPOINT = "{checkpoint}"
PLACEHOLDER = re.compile(r"\{\w+\}")
IN_PLACE = (
    "{} is the only checkpoint, and is written again where it stands: if the training is killed meanwhile, "
    "nothing is left; write another file, then rename it by os.replace"
)


@dataclass(frozen=True)
class Asked:
    """What is to be proved.

    Attributes:
        words: the command.
        resume_with: the words with which it resumes.
        at: the steps after which it is stopped; empty: some are chosen.
        pattern: which files or folders are checkpoints; "": what looks like one.
        number: of the signal that stops it.
    """

    words: Sequence[str]
    resume_with: str
    at: Sequence[int] = ()
    pattern: str = ""
    number: signal.Signals = signal.SIGKILL

    @property
    def takes_checkpoint(self) -> bool:
        """Whether the command is told which checkpoint it resumes from."""
        return CHECKPOINT in self.resume_with

    def more(self, checkpoint: str) -> list[str]:
        """The words with which it resumes from a checkpoint."""
        return [word.replace(CHECKPOINT, checkpoint) for word in shlex.split(self.resume_with)]

    def resuming(self, checkpoint: str) -> list[str]:
        """The command that resumes from a checkpoint.

        The words come after those of the command, as of an option that stands there twice the last value
        counts. Where they begin with the command's own first word, they are the whole command.
        """
        more = self.more(checkpoint)
        return more if more[:1] == list(self.words[:1]) else [*self.words, *more]


@dataclass(frozen=True)
class Whole:
    """The training that nothing stopped.

    Attributes:
        training: with its record.
        before: the files that were there at its start.
        steps: of its first optimiser.
        ends: the steps after which an epoch ended, or a checkpoint was written; not the last one.
        first: the first step at whose end a checkpoint was there; None: there was none.
        in_place: the only checkpoint, if it is written again and again where it stands; "": there is none.
    """

    training: Training
    before: Mapping[str, Stamp]
    steps: int
    ends: Sequence[int]
    first: int | None
    in_place: str = ""

    def stops(self) -> list[int]:
        """The steps to stop after: early, in the middle of an epoch, around the end of one, and late.

        After the last step of an epoch nothing is saved of it yet; after the next step it is.
        """
        last = self.steps - 1
        first = min(self.first or 1, last)
        middle = Course(self.steps, len(self.ends) + 1).middle() or first
        if middle < first:
            middle = (first + last) // 2
        ends = [step for step in self.ends if first <= step < last]
        end = min(ends, key=lambda step: abs(step - middle), default=middle)
        return sorted(step for step in {first, middle, end, end + 1, last} if first <= step <= last)


def prove(asked: Asked, folder: Path, watch: Watch) -> Proof:
    """Run a command whole, then stopped and resumed after several steps.

    Args:
        asked: what is to be proved.
        folder: where the copies of the working folder and the records go: an absolute path.
        watch: shows how far they are.

    Raises:
        UsageError: nothing can be proved: no step, no checkpoint, an option that the command does not have,
            words to resume with that a shell could not read.
        SamebitsError: the command failed without being stopped.
    """
    unknown = sorted(set(PLACEHOLDER.findall(asked.resume_with)) - {CHECKPOINT})
    if unknown:
        raise UsageError(f"--resume-with has {unknown[0]}, and the only placeholder is {CHECKPOINT}")
    try:
        asked.more("")
    except ValueError as error:
        raise UsageError(
            f"--resume-with {asked.resume_with!r} is not what a shell could read ({error}): close each quote"
        ) from None
    whole = _whole(asked, folder, watch)
    wrong = [step for step in asked.at if not 0 < step < whole.steps]
    if wrong:
        raise UsageError(
            f"--at {wrong[0]}: the training has {whole.steps:,} steps, so give 1 to {whole.steps - 1:,}"
        )
    trials = []
    for step in sorted(set(asked.at)) or whole.stops():
        began = time.monotonic()
        trials.append(_attempt(asked, whole, step, folder, watch))
        trials[-1].seconds = time.monotonic() - began
        watch.say(f"{trials[-1]}  {trials[-1].seconds:.1f} s")
        if not trials[-1].repeats:
            break
    notes = [IN_PLACE.format(whole.in_place)] if whole.in_place else []
    proof = Proof(whole.steps, final_weights(whole.training.record), trials, notes)
    if not proof.tried:
        raise UsageError(f"stopped after step {trials[-1].stop:,}: {trials[-1].says}")
    return proof


# ---------------------------------------------------------------- the training that nothing stops
def _whole(asked: Asked, folder: Path, watch: Watch) -> Whole:
    child, before = _prepared("the training that nothing stops", asked.words, folder / "whole", watch)
    began = time.monotonic()
    if status := _run(child, asked, 0, watch):
        raise failure(child, status)
    seconds = time.monotonic() - began
    if not count_steps(child.record):
        raise UsageError(
            f"`{shlex.join(asked.words)}` took no step of an optimiser that could be recorded, so it cannot "
            "be stopped after one"
        )
    steps, ends = _course(child.record)
    if steps < 2:
        raise UsageError("the training has a single step, so it cannot be stopped before its end")
    told = list(_told(child, SAVED))
    saves = [int(each["step"]) for each in told]
    first = next((step for step in saves if step < steps), None)
    may_save = asked.number != signal.SIGKILL  # when it is stopped
    if first is None and asked.takes_checkpoint and not may_save:
        there = saved(str(child.place), before, pattern=asked.pattern)
        later = f"; only after it: {some(there, 3)}" if there else ""
        raise UsageError(
            f"before the last step, {steps:,}, nothing was written that may be the {CHECKPOINT}{later}: let "
            "COMMAND save earlier, in the folder where it is started; --checkpoint 'out/*' names its files"
        )
    watch.say(f"nothing stops it: {steps:,} steps, weights {final_weights(child.record)}  {seconds:.1f} s")
    ends = ends or [step - 1 for step in saves if 1 < step < steps]
    written = {(*each["saved"], each["inode"]) for each in told}
    same = told[0]["saved"][0] if len(told) > 1 and len(written) == 1 and len(told[0]["saved"]) == 1 else ""
    return Whole(child, before, steps, ends, first, same)


def _course(record: Path) -> tuple[int, list[int]]:
    """The steps of the first optimiser, in the process with most, and those after which an epoch ended."""
    most, ends = 0, []
    for process in Record(record).processes:
        steps, of_process, last = 0, [], b""
        for number, epoch in steps_of(process):
            steps = number
            if last and epoch and epoch != last:
                of_process.append(number - 1)
            last = epoch
        if steps > most:
            most, ends = steps, of_process
    return most, ends


# ---------------------------------------------------------------- a training that is stopped and resumed
def _attempt(asked: Asked, whole: Whole, step: int, folder: Path, watch: Watch) -> Trial:
    trial = Trial(step)
    child, before = _prepared(f"stopped after step {step}", asked.words, folder / f"stop-{step}", watch)
    status = _run(child, asked, step, watch)
    told = next(_told(child, STOPPED), None)
    if told is None:
        if status:
            raise failure(child, status)
        raise UsageError(f"the training ended before step {step:,}, which it had when nothing stopped it")
    if count_steps(child.record) >= count_steps(whole.training.record):
        trial.outcome, trial.says = "skipped", f"{asked.number.name} did not stop it: give --signal KILL"
        return trial
    said = compare(whole.training.record, child.record)
    if said.result.place is not None:
        trial.outcome, trial.why, trial.repeats = "fail", said, False
        trial.says = f"it differs before it is resumed: {said.result.place}; solve this first"
        return trial
    # A launcher of several processes has a status of its own.
    killed = asked.number == signal.SIGKILL or status in (-asked.number, 128 + asked.number)
    there = saved(str(child.place), before, told["writing"] if killed else (), asked.pattern)
    if there and asked.takes_checkpoint:
        trial.checkpoint = there[-1]
    elif asked.takes_checkpoint:
        trial.outcome, trial.says = "skipped", "nothing was written before that may be the {checkpoint}"
        return trial
    words = _moved(asked.resuming(trial.checkpoint), place_of(child))
    resumed = Training(
        f"resumed after step {step}", words, folder / f"resumed-{step}", place=child.place, recorded=True
    )
    if status := _run(resumed, asked, 0, watch):
        options.refuse_unknown(resumed.log.read_text(errors="replace"), asked.more(trial.checkpoint))
        trial.outcome = "fail"
        source = f" from {trial.checkpoint}" if trial.checkpoint else ""
        trial.says = f"the command that resumes{source} ended with status {status}: {last_line(resumed)}"
        return trial
    judge(trial, whole.training, whole.steps, resumed, bool(there))
    if trial.outcome == "ok":
        judge_files(trial, whole.training, child, (whole.before, before))
    if trial.outcome != "fail":
        shutil.rmtree(place_of(child).parent, ignore_errors=True)
    return trial


# ---------------------------------------------------------------- processes
def _prepared(
    name: str, words: Sequence[str], folder: Path, watch: Watch
) -> tuple[Training, dict[str, Stamp]]:
    """A training in a copy of this folder, and the files that are in the copy."""
    here = Path.cwd()
    place = folder.with_name(f"{folder.name}.files") / here.name
    with watch:
        watch.update(f"{name}: copying {here}")
        working_copy.copy(here, place)
    return Training(name, _moved(words, place), folder, place=place, recorded=True), stamps(str(place))


def _moved(words: Sequence[str], place: Path) -> list[str]:
    """A command that names files of this folder by their whole paths: those of the copy."""
    here = f"{Path.cwd()}/"
    return [words[0], *(word.replace(here, f"{place}/") for word in words[1:])]


def _run(child: Training, asked: Asked, step: int, watch: Watch) -> int:
    """Run a training to its end, or until it is stopped after a step; returns its status."""
    said = as_variable(step, asked.number, str(child.place), asked.pattern)
    child = Training(child.name, child.command, child.folder, {STOP: said}, place=child.place, recorded=True)
    running: list[subprocess.Popen[bytes]] = []
    with ending(running), watch:
        running.append(start(child))
        while (status := running[0].poll()) is None:
            watch([child])
            time.sleep(POLL)
        stop(running)  # what it has started and left
    return int(status)


def _told(child: Training, name: str) -> Iterator[dict[str, Any]]:
    """What was told while it ran, see `record.stop`."""
    path = child.record / name
    for line in path.read_text().splitlines() if path.exists() else ():
        yield json.loads(line)
