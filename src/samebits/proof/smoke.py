"""Train several times in separate processes and compare: weights, metrics, batches."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from samebits._files import cannot_write
from samebits._printable import printable
from samebits._progress import Line
from samebits._report import print_json
from samebits.errors import CheckFailed
from samebits.hashing.compare import Comparison, compare_runs
from samebits.proof.processes import terminable
from samebits.proof.trainings import Finished, Training, last_line, train


@click.command("smoke", context_settings={"allow_interspersed_args": False})
@click.option(
    "--runs", type=click.IntRange(2), default=2, envvar="RUNS", help="How many trainings (2, or $RUNS)."
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, envvar="JOBS", help="How many at once (1, or $JOBS)."
)
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.option("--keep", is_flag=True, envvar="KEEP", help="Keep the run folders even if they are equal.")
@click.argument("arguments", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(runs: int, jobs: int, as_json: bool, keep: bool, arguments: tuple[str, ...]) -> None:
    """Train with COMMAND several times, in separate processes, and compare the runs bit by bit.

    COMMAND must train inside `samebits.torch.open_run` or `samebits.keras.open_run`. Exit status 0: the same
    bits; 1: other bits, and the first tensor that differs is named. If a training fails, its own exit status
    is returned.
    """
    with runs_folder() as folder:
        names = [f"run {number} of {runs}" for number in range(1, runs + 1)]
        trainings = [
            Training(name, arguments, folder / f"run-{at}") for at, name in enumerate(names, start=1)
        ]
        finished = list(show(train(trainings, jobs, watch := Watch(not as_json)), watch))
        finished.sort(key=lambda run: trainings.index(run.child))
        comparison = first_difference([run.child.folder for run in finished])
        kept = keep_runs(folder) if keep or comparison is not None else None
    if as_json:
        print_json(_result(finished, comparison, kept))
    if kept is not None and not as_json:
        print(f"the runs are kept in {kept}")
    if comparison is not None:
        if not as_json:
            one, other = (Path(run).name.replace("-", " ") for run in (comparison.first, comparison.second))
            print(f"between {one} and {other}:", printable("\n".join(comparison.lines())), sep="\n")
        different = len({run.sha256 for run in finished})
        what = f"{different} different hashes" if different > 1 else "one hash, but other metrics or batches"
        raise CheckFailed(f"not the same bits: {runs} runs, {what}")
    if not as_json:
        print(f"same bits: {runs} runs, sha256 {finished[0].sha256}")


def first_difference(folders: Sequence[Path]) -> Comparison | None:
    """Compare the first run with each other one, and return the first comparison that finds a difference."""
    for other in folders[1:]:
        comparison = compare_runs(folders[0], other)
        if not comparison.same:
            return comparison
    return None


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
            watch.say(f"{run.child.name}: sha256 {run.sha256}  {run.seconds:.1f} s")
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


def _result(finished: Sequence[Finished], comparison: Comparison | None, kept: Path | None) -> dict[str, Any]:
    return {
        "same": comparison is None,
        "sha256": [run.sha256 for run in finished],
        "seconds": [round(run.seconds, 3) for run in finished],
        "kept": None if kept is None else str(kept),
        "difference": None if comparison is None else comparison.as_json(),
    }
