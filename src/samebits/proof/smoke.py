"""Train several times in separate processes and compare: weights, metrics, batches."""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import click

from samebits._files import cannot_write
from samebits._printable import printable
from samebits._progress import Line
from samebits._report import print_json
from samebits.errors import CheckFailed, SamebitsError, UsageError
from samebits.process.memory import FILLED
from samebits.proof import stops
from samebits.proof.processes import terminable
from samebits.proof.recorded import Recorded, judge_records, nothing_of
from samebits.proof.trainings import Finished, Training, last_line, train
from samebits.proof.verdict import Verdict, compare, judge, manifest
from samebits.proof.written import Files


@click.command("smoke", context_settings={"allow_interspersed_args": False})
@click.option(
    "--runs",
    type=click.IntRange(2),
    default=2,
    envvar="RUNS",
    help="How many trainings (2, or $RUNS); the second is the one that is stopped and resumed.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    envvar="JOBS",
    help="How many at once (1, or $JOBS); the first and the second only with --no-resume.",
)
@click.option(
    "--no-resume", is_flag=True, envvar="NO_RESUME", help="Stop none: compare runs that nothing interrupts."
)
@click.option(
    "--files",
    multiple=True,
    metavar="PATTERN",
    help="Compare also what COMMAND writes there, tensor by tensor: 'out/*.pt'. May be given more than once.",
)
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.option("--keep", is_flag=True, envvar="KEEP", help="Keep the run folders even if they are equal.")
@click.argument("arguments", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    runs: int,
    jobs: int,
    no_resume: bool,
    files: tuple[str, ...],
    as_json: bool,
    keep: bool,
    arguments: tuple[str, ...],
) -> None:
    """Train with COMMAND several times, in separate processes, and compare the runs bit by bit.

    The second training is stopped in the middle of an epoch and resumed, if it makes checkpoints. Where it
    differs, one more that is not stopped shows whether the training repeats, but does not resume. Memory that
    nobody wrote is filled in all but the first.

    COMMAND may train inside `samebits.torch.open_run` or `samebits.keras.open_run`. A training in torch or
    Keras that knows nothing of samebits is recorded: all that each step computes is compared. --files
    compares what it writes, of any framework: torch.save, safetensors, npz, .keras and HDF5 tensor by
    tensor, others by bytes.

    Exit status 0: the same bits; 1: other bits, and the first place that differs is named; or the weights
    hold NaN. If a training fails, its own exit status is returned.
    """
    verdict: Verdict | Recorded
    with runs_folder() as folder:
        watch = Watch(not as_json)
        if files:
            verdict = prove_written(arguments, folder, runs, files, watch)
        else:
            verdict = prove(arguments, folder, runs, jobs, not no_resume, watch)
        kept = keep_runs(folder) if keep or not verdict.good else None
        if verdict.why is not None:
            verdict = dataclasses.replace(verdict, why=verdict.why.moved(folder, kept))
    if as_json:
        print_json(verdict.as_json() | {"kept": kept})
    elif kept is not None:
        print(f"the runs are kept in {kept}")
    if not as_json:
        patterns = [word for pattern in files for word in ("--files", pattern)]
        for line in verdict.lines([*patterns, *arguments]):
            print(printable(line))
    if not verdict.good:
        raise CheckFailed(verdict.fault())
    if not as_json:
        print(verdict.told())


def prove(
    arguments: Sequence[str], folder: Path, runs: int, jobs: int, resume: bool, watch: "Watch"
) -> Verdict | Recorded:
    """Train with a command as `smoke` does, and compare.

    Args:
        arguments: the command.
        folder: where the runs go.
        runs: how many.
        jobs: how many at once.
        resume: whether the second is stopped and resumed.
        watch: shows how far they are.

    Raises:
        SamebitsError: one of them failed; but not the second after it was stopped, which is a finding.
    """
    first, second, *others = _trainings(arguments, folder, runs)
    if not resume:
        finished = _train([first, second, *others], jobs, watch)
        return judge(finished) if finished[0].left_a_run else judge_records(finished, ())
    (reference,) = _train([first], jobs, watch)
    if not reference.left_a_run:
        if not reference.sha256:
            raise UsageError(nothing_of(reference, asked=False))
        return judge_records([reference, *_train([second, *others], jobs, watch)], ())
    course = stops.course(manifest(reference))
    if not (at := course.stops()):
        return judge([reference, *_train([second, *others], jobs, watch)], why_not=course.lacks)
    failed: list[SamebitsError] = []
    children = train(
        [dataclasses.replace(second, stops=at)], 1, watch, lambda child, error: failed.append(error)
    )
    stopped = next(show(children, watch), None)
    if stopped is not None and len(manifest(stopped)["chain"]) < 2:
        why_not = f"SAMEBITS_STOP_AT={at[0]} left nothing to resume"
        return judge([reference, stopped, *_train(others, jobs, watch)], why_not=why_not)
    if not others and (stopped is None or not compare(reference, stopped).same):
        others = [Training("run 3, not interrupted", arguments, folder / "run-3", FILLED, recorded=True)]
    plain = [reference, *_train(others, jobs, watch)]
    return judge(plain, stopped, at, str(failed[0]) if failed else "")


def prove_written(
    arguments: Sequence[str], folder: Path, runs: int, patterns: Sequence[str], watch: "Watch"
) -> Recorded:
    """Train with a command several times, one after the other, and compare also the files that it writes.

    Args:
        arguments: the command.
        folder: where the records go, and the files of each training.
        runs: how many.
        patterns: name the files.
        watch: shows how far they are.

    Raises:
        SamebitsError: one of them failed, or a file cannot be read.
    """
    files, finished, written = Files(patterns, folder), [], []
    try:
        for training in _trainings(arguments, folder, runs):
            finished += _train([training], 1, watch)
            written.append(files.take())
    finally:
        if written:
            files.give_back(written[0])
    return judge_records(finished, written)


def _trainings(arguments: Sequence[str], folder: Path, runs: int) -> list[Training]:
    return [
        Training(
            f"run {at} of {runs}", arguments, folder / f"run-{at}", FILLED if at > 1 else {}, recorded=True
        )
        for at in range(1, runs + 1)
    ]


def _train(trainings: Sequence[Training], jobs: int, watch: "Watch") -> list[Finished]:
    """Those that ended well, in the order in which they were given."""
    finished = show(train(trainings, jobs, watch), watch)
    return sorted(finished, key=lambda run: trainings.index(run.child))


class Watch(Line):
    """Shows how far the trainings are."""

    def __init__(self, wanted: bool = True) -> None:
        super().__init__(wanted)
        self.wanted = wanted

    def __call__(self, running: Sequence[Training]) -> None:
        self.update("  ".join(f"{child.name}: {last_line(child)[:60]}" for child in running))

    def say(self, line: str) -> None:
        """Print a line above the one that changes."""
        if self.wanted:
            self.__exit__()  # or rich would break the line where the terminal ends
            print(printable(line), flush=True)
            self.__enter__()


def show(trainings: Generator[Finished, None, None], watch: Watch) -> Iterator[Finished]:
    """Print a line for each training that ends."""
    with contextlib.closing(trainings), watch:
        for run in trainings:
            weights = "no step" if not run.sha256 else f"weights {run.sha256}"
            told = f"sha256 {run.sha256}" if run.left_a_run else weights
            watch.say(f"{run.child.name}: {told}  {run.seconds:.1f} s")
            yield run


@contextlib.contextmanager
def runs_folder(name: str = "smoke") -> Iterator[Path]:
    """A folder in runs/, where there is room for weights; a temporary one when that cannot be written.

    SIGTERM and SIGHUP, too, leave nothing of it.
    """
    with terminable(), _removed_folder(name) as folder:
        yield folder


@contextlib.contextmanager
def _removed_folder(name: str) -> Iterator[Path]:
    new = not Path("runs").exists()
    try:
        Path("runs").mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir="runs"))
    except OSError:
        try:
            folder = Path(tempfile.mkdtemp(prefix=f".samebits-{name}-"))
        except OSError as error:
            raise cannot_write(Path(tempfile.gettempdir()), error) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # nothing is there any more when it was kept
        if new:
            with contextlib.suppress(OSError):  # something came into it
                Path("runs").rmdir()


def keep_runs(folder: Path) -> Path:
    """Give the folder a name that `ls` shows."""
    kept = folder.with_name(folder.name.removeprefix("."))
    os.rename(folder, kept)
    return kept
