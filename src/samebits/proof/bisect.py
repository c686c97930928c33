"""`samebits bisect A B`: runs both again at their first difference, down to the layer and the operation."""

import contextlib
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from samebits._files import cannot_write, shown
from samebits._printable import printable
from samebits._report import print_json
from samebits.diff import command as diff
from samebits.diff.place import Place
from samebits.diff.records import Result
from samebits.errors import UsageError
from samebits.process.command_line import hint
from samebits.proof.closer import command_of, framework_of, in_graphs, is_run, not_below
from samebits.proof.enough import WHY
from samebits.proof.rerun import Side, again, side
from samebits.proof.smoke import Watch, keep_runs, runs_folder
from samebits.record.begin import LEVEL, VALUES, WINDOW
from samebits.record.format import INSIDE, OPERATION
from samebits.twice.begin import FOLDER
from samebits.twice.begin import WINDOW as TWICE_WINDOW
from samebits.twice.command import report, told_as_json
from samebits.twice.told import Told, read
from samebits.twice.window import Window

# Causes for which a second run here is another training than the first was.
ELSEWHERE = (
    "versions", "instructions", "device", "threads", "determinism", "code", "data", "file contents",
    "file names", "file listing",
)  # fmt: skip
# Facts that differ where the same code computes: the libraries that were loaded show whether others did.
SAY_LITTLE = ("locks.", "unlocked.", "image:")


@dataclass(frozen=True)
class Answer:
    """What a bisection came to.

    Attributes:
        result: what the last comparison says: of A and B; or of the record and the second run of `apart`.
        level: what was recorded: "step", or more.
        ended: why it did not go further down, in words; "" where it did.
        impossible: why it could not; "" where it could.
        apart: "A" or "B": the side whose second run differs from its record; "" where both repeat.
        repeats: the sides whose second runs have the digests of their records.
        twice: of `apart`, what each operation of the step gave when it was executed twice; None where
            the reason is another one.
    """

    result: Result
    level: str = "step"
    ended: str = ""
    impossible: str = ""
    apart: str = ""
    repeats: tuple[str, ...] = ()
    twice: Told | None = None

    @property
    def status(self) -> int:
        """The exit status."""
        if self.impossible:
            return 2
        return 0 if self.result.place is None else 1

    def lines(self) -> Iterator[str]:
        """For people."""
        if self.apart:
            yield f"{self.apart} does not repeat itself: its second run differs from its record"
            yield f"between the record (A here) and the second run of {self.apart} (B here):"
        yield from diff.lines(replace(self.result, twice=""))  # which is done by itself where it helps
        if self.repeats:
            yield "both repeat: up to this step their second runs have the digests of their records"
        if self.ended:
            yield self.ended

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "same": self.result.place is None,
            "level": self.level,
            "verdict": self.result.as_json(),
            "does_not_repeat": self.apart or None,
            "repeat": list(self.repeats),
            "ended": self.ended or None,
            "impossible": self.impossible or None,
            "twice": None if self.twice is None else told_as_json(self.twice),
        }


@click.command("bisect", context_settings={"allow_interspersed_args": True})
@click.option(
    "-o", "--output", "output", metavar="DIR", help="Where the second runs go (a new folder in runs/)."
)
@click.option("--anyway", is_flag=True, help="Run both again even if the code or the CPU is another one.")
@click.option(
    "--command-a", metavar="TEXT", help="Run A again with this command instead of the recorded one."
)
@click.option(
    "--command-b", metavar="TEXT", help="Run B again with this command instead of the recorded one."
)
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.argument("both", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def command(
    first: Path,
    second: Path,
    both: tuple[str, ...],
    output: str | None,
    anyway: bool,
    command_a: str | None,
    command_b: str | None,
    as_json: bool,
) -> int:
    """Name the layer and the operation at which A and B differ first: run both again, and look closer.

    A and B are two folders that `samebits record` wrote, or two finished runs. `samebits diff` says at which
    step they differ. Both commands run again, each in its folder and with its variables, and are stopped
    after this step. Before a second run is trusted, it must have the digests of its record.

    COMMAND runs in place of both recorded commands. If a recorded command does more than start Python on a
    file of this checkout, it is shown, and runs only after a `yes` at a terminal or if you give it so.

    If the difference is an input of the step, such as the batch or the learning rate, nothing runs again. If
    a side does not repeat itself, the verdict says so.

    Exit status 0: they are the same; 1: they differ; 2: nothing more can be said, and one line says why.
    """
    given = shlex.join(both) or None
    with _folder(output) as folder:
        answer = bisect(
            (first, second), (command_a or given, command_b or given), anyway, folder, Watch(not as_json)
        )
        kept = _kept(folder, output)
    if as_json:
        print_json(
            {"first": str(first), "second": str(second), **answer.as_json(), "kept": kept and str(kept)}
        )
    else:
        for line in answer.lines():
            print(printable(line))
        if answer.twice is not None and answer.result.place is not None:
            print(f"each operation of step {answer.result.place.step} of {answer.apart}, executed twice:")
            report(answer.twice)
            if not answer.twice.differing and answer.result.twice:
                print(
                    printable(f"chance is not there each time: `{answer.result.twice}` executes more of it")
                )
        if kept is not None:
            print(printable(f"the second runs are kept in {shown(kept)}"))
    if answer.impossible:
        raise UsageError(answer.impossible)
    return answer.status


def bisect(
    paths: Sequence[Path], own: Sequence[str | None], anyway: bool, folder: Path, watch: Watch
) -> Answer:
    """Compare two trainings, and run them again around their first difference.

    Args:
        paths: two records, or two finished runs.
        own: the command that the user gives for each; None: the recorded one.
        anyway: run them even if the code or the CPU is another one.
        folder: where the second runs go.
        watch: shows how far they are.

    Raises:
        UsageError: the two cannot be compared.
    """
    answer = Answer(_plain(diff.compare(*paths)))
    place = answer.result.place
    if place is None:
        return answer
    if why := not_below(place):
        return replace(answer, ended=why)
    try:
        if why := in_graphs(framework_of(paths[0])):
            return replace(answer, impossible=why)
        sides = list(_sides(paths, own, anyway))
        records = paths
        if is_run(paths[0]):
            answer, records = _record_runs(answer, sides, folder, watch)
        for level in INSIDE:
            place = answer.result.place
            if answer.apart or answer.impossible or place is None or not_below(place):
                break
            answer = _closer(answer, place, level, sides, records, folder, watch)
        if answer.apart:
            each = next(each for each in sides if each.name == answer.apart)
            answer = replace(answer, twice=_twice(answer, each, folder, watch))
    except UsageError as error:
        return replace(answer, impossible=str(error))
    return answer


def _sides(paths: Sequence[Path], own: Sequence[str | None], anyway: bool) -> Iterator[Side]:
    one_for_both = len({command_of(path) for path in paths}) == 1
    whole = f"{hint('samebits', 'bisect', *map(shown, paths))} --"
    for name, path, each in zip("AB", paths, own, strict=True):
        yield side(name, path, each, anyway, whole if one_for_both else f"--command-{name.lower()}")


def _record_runs(
    answer: Answer, sides: Sequence[Side], folder: Path, watch: Watch
) -> tuple[Answer, Sequence[Path]]:
    """Record each step of two finished runs, which hold their first steps only."""
    records = []
    for each in sides:
        child = _again(each, "step", folder, {}, watch, None)
        said = _plain(diff.compare(each.path, child.folder))
        if said.place is not None:
            return _not_repeated(answer, each, said), ()
        records.append(child.record)
    return Answer(_plain(diff.compare(*records))), records


def _closer(
    answer: Answer,
    place: Place,
    level: str,
    sides: Sequence[Side],
    records: Sequence[Path],
    folder: Path,
    watch: Watch,
) -> Answer:
    """Run both sides again, and record more of the step at which they differ."""
    step = (place.step or 0) + (
        place.what == "evaluation"
    )  # which is recorded before the step that follows it
    seconds = []
    for each, record in zip(sides, records, strict=True):
        child = _again(each, level, folder, _variables(level, step), watch, (place.optimizer or 0, step))
        said = _plain(diff.compare(record, child.record))
        if said.place is not None and (said.place.step or 0) <= step:
            return _not_repeated(answer, each, said)
        seconds.append(child.record)
    return Answer(_plain(diff.compare(*seconds)), level, repeats=("A", "B"))


def _variables(level: str, step: int) -> dict[str, str]:
    steps = f"{step}:{step}"
    return {LEVEL: level, WINDOW: steps, VALUES: steps if level == OPERATION else ""}


def _again(
    each: Side,
    level: str,
    folder: Path,
    variables: Mapping[str, str],
    watch: Watch,
    enough: tuple[int, int] | None,
) -> Any:
    click.echo(printable(f"running {each.name} again: {each.command}"), err=True)
    done = again(each, level, folder, variables, watch, enough)
    click.echo(f"{done.child.name}: {done.seconds:.1f} s", err=True)
    return done.child


def _not_repeated(answer: Answer, each: Side, said: Result) -> Answer:
    """What is said where a second run differs from its record."""
    causes = (cause for cause in said.causes if not (cause.evidence or ("",))[0].startswith(SAY_LITTLE))
    cause = next(causes, None)
    if cause is not None and cause.kind in ELSEWHERE:
        evidence = f" ({cause.evidence[0]})" if cause.evidence else ""
        if " in A" in evidence:
            evidence = f"{evidence[:-1]}: A is its record, B its second run)"
        why = f"{each.name} cannot be repeated here as it was: {cause.text}{evidence}"
        return replace(answer, repeats=(), impossible=why)
    return Answer(said, answer.level, apart=each.name)


def _twice(answer: Answer, each: Side, folder: Path, watch: Watch) -> Told | None:
    """Execute each operation of a step that does not repeat itself twice; None where none is the reason."""
    place, causes = answer.result.place, answer.result.causes
    if place is None or not_below(place) or not place.step:
        return None
    if causes and causes[0].kind.startswith("chance"):  # which is no operation's
        return None
    step = place.step
    told = folder.resolve() / f"{each.name}.twice.told"
    told.mkdir()
    variables = {FOLDER: str(told), TWICE_WINDOW: Window(1, range(step, step + 1)).words}
    _again(each, "twice", folder, variables, watch, (place.optimizer or 0, step))
    return read(told)


def _plain(result: Result) -> Result:
    """Without what is said of records that bisect itself has cut short, and what it does by itself."""
    return replace(result, notes=tuple(note for note in result.notes if WHY not in note), more=())


@contextlib.contextmanager
def _folder(named: str | None) -> Iterator[Path]:
    """Where the second runs go; gone again if this fails."""
    if named is None:
        with runs_folder("bisect") as folder:
            yield folder
        return
    folder = Path(named)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError as error:
        raise cannot_write(folder, error) from None
    if full:
        raise UsageError(f"{folder} is not empty: give -o another folder, or delete it")
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _kept(folder: Path, named: str | None) -> Path | None:
    """The folder of the second runs under its lasting name; None where nothing ran."""
    if any(folder.iterdir()):
        return folder if named is not None else keep_runs(folder)
    if named is not None:
        folder.rmdir()
    return None
