"""One training, varied along all that must not matter and all that must: a table and a picture of hashes."""

import dataclasses
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from samebits import _extras
from samebits._files import shown, write_whole
from samebits._printable import printable, short
from samebits._report import Cell, Outcome, as_json, cell, print_json, print_table
from samebits.errors import CheckFailed, SamebitsError, UsageError
from samebits.fingerprint.manifest import read_manifest
from samebits.process.variables import find_root
from samebits.proof import options
from samebits.proof.matrix import picture
from samebits.proof.matrix.axes import AXES, OTHER, PERTURB, REPEATS, SAME, Facts, Trial, trials
from samebits.proof.recorded import nothing_of
from samebits.proof.smoke import Watch, keep_runs, runs_folder, show
from samebits.proof.trainings import Finished, Training, train
from samebits.proof.verify_record import as_manifest
from samebits.proof.why import Why, why

NAMED = 2  # trials that differ and of which is said why
OPEN_TO_ALL = 0o711  # another user may pass through a folder, and not list it


@dataclasses.dataclass(frozen=True)
class Result:
    """What a trial showed.

    Attributes:
        expected: "same", "other" or "may differ": than the reference.
        sha256: the weights' hash; empty where there is none.
        outcome: "ok", "fail" or "skipped".
        says: in words.
        verdict: where and why it differs, if it must not: what `samebits diff` says.
    """

    axis: str
    value: str
    expected: str
    sha256: str
    outcome: Outcome
    says: str
    verdict: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """As the trial's."""
        return f"{self.axis}: {self.value}"


@click.command("matrix", context_settings={"allow_interspersed_args": False})
@click.option(
    "--only", multiple=True, metavar="AXIS", envvar="ONLY", help="Only this axis (can be given again)."
)
@click.option("--stress", is_flag=True, envvar="STRESS", help="Also repeat it under load and jitter.")
@click.option(
    "--repeats", type=click.IntRange(1), default=REPEATS, envvar="REPEATS", help=f"Repeats ({REPEATS})."
)
@click.option("--jobs", type=click.IntRange(1), default=1, envvar="JOBS", help="Trainings at once (1).")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/matrix"), help="For table and picture."
)
@click.option("--json", "json_", is_flag=True, envvar="JSON", help="Print the table as one JSON object.")
@click.argument("arguments", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    only: tuple[str, ...],
    stress: bool,
    repeats: int,
    jobs: int,
    out: Path,
    json_: bool,
    arguments: tuple[str, ...],
) -> None:
    """Train with COMMAND under many changes, and compare the weights.

    Most changes must give the same weights, some must give others. COMMAND trains inside `samebits.open_run`,
    or is any training in torch, which is recorded: then only changes around it apply, not those of settings.
    A change is skipped, and says why, if the training has no such setting or the machine cannot do it. Exit
    status 1 when a promise is broken.
    """
    for axis in only:
        if axis not in AXES:
            raise UsageError(f"there is no axis {axis!r}; there are {', '.join(AXES)}")
    _extras.need("matplotlib")
    training = Command(arguments)
    watch = Watch(not json_)
    with runs_folder("matrix") as folder:
        os.chmod(folder, OPEN_TO_ALL)
        reference, results, reasons = run(
            training, folder.resolve(), only, repeats if stress or "stress" in only else 0, jobs, watch
        )
        broken = [result for result in results if result.outcome == "fail"]
        kept = keep_runs(folder) if broken else None
        reasons = {name: reason.moved(folder, kept) for name, reason in reasons.items()}
        results = [
            dataclasses.replace(each, verdict=reasons[each.name].as_json()) if each.name in reasons else each
            for each in results
        ]
    table = {
        "ok": not broken,
        "reference": reference.sha256,
        "trials": results,
        "runs": kept and str(kept),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "matrix.json", as_json(table) + "\n")
    rows = [
        (f"{result.axis}: {result.value}", result.expected, result.sha256, result.outcome, result.says)
        for result in results
    ]
    write_whole(out / "matrix.png", picture.draw(reference.sha256, rows))
    if json_:
        print_json(table)
    else:
        show_table(reference, results)
        for name, reason in list(reasons.items())[:NAMED]:
            print(printable("\n".join([f"{name}:", *reason.lines()])))
        if len(reasons) > NAMED:
            print(f"{len(reasons) - NAMED} more differ: {shown(out / 'matrix.json')} says where and why")
        print(f"the picture is {shown(out / 'matrix.png')}")
    if broken:
        named = "; ".join(f"{result.axis}: {result.value}: {result.says}" for result in broken)
        raise CheckFailed(f"{len(broken)} of {len(results)} promises broken: {named} (runs kept in {kept})")
    if not json_:
        count = Counter(result.expected if result.sha256 else "skipped" for result in results)
        counted = f"{count[SAME]} gave the same bits and {count[OTHER]} gave others, as expected"
        print(f"every promise is kept: {counted}; {count['skipped']} skipped; sha256 {reference.sha256}")


class Command:
    """A training's command, and what trials make of it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        words = list(arguments)
        if words[0].endswith("entrypoint") and len(words) > 1:
            words = words[1:]
        # A trial may be started elsewhere.
        self.words = [os.path.abspath(word) if Path(word).is_file() else word for word in words]
        self.files = tuple(word for word in self.words if Path(word).is_file())
        self.module = self.words[:2] == ["python", "-m"] and len(self.words) > 2
        self.tied = ""
        if self.module:
            top = self.words[2].partition(".")[0]
            if Path(top).exists() or Path(f"{top}.py").exists():
                self.tied = f"python finds {top} in this folder only"

    def child(self, trial: Trial, folder: Path, framework: str = "") -> Training:
        """A trial's process; its run goes into `folder`."""
        environment: dict[str, str | None] = dict(trial.environment)
        place = (
            folder.with_name(f"{folder.name}.place") if trial.elsewhere or trial.owner is not None else None
        )
        if place is not None:
            place.mkdir()
        if place is not None and trial.owner is not None:  # a home of its own, in which it may write
            os.chown(place, trial.owner, trial.owner)
            environment |= {"HOME": str(place), "USER": None, "LOGNAME": None, "SAMEBITS_CACHE": None}
            environment |= {"XDG_CACHE_HOME": None, "TMPDIR": None}
            folder = place / "run"
        words = [*self.words, *trial.arguments]
        if trial.flags:
            words = ["python", "-m", PERTURB, "--framework", framework, *trial.flags, *words[2:]]
        if trial.within:
            words = [*trial.within, sys.executable, *words[1:]]
        if trial.container:
            inside = Path("runs") / folder.relative_to((find_root() / "runs").resolve())
            words = [str(find_root() / "tools/image.py"), "run", *words, "--run", str(inside)]
        stops = [] if trial.stop is None else [trial.stop]
        return Training(trial.name, words, folder, environment, place, trial.before, trial.container, stops)


def run(
    training: Command, folder: Path, only: Sequence[str], repeats: int, jobs: int, watch: Watch
) -> tuple[Finished, list[Result], dict[str, Why]]:
    """Train the reference and every trial.

    Returns:
        The reference, what each trial showed, and by name why those differ that must not.

    Raises:
        SamebitsError: the reference fails.
    """
    first = dataclasses.replace(
        training.child(Trial("reference", "as it is"), folder / "reference"), recorded=True
    )
    (reference,) = show(train([first], watch=watch), watch)
    if not reference.sha256:
        raise UsageError(nothing_of(reference, asked=False))
    ours = reference.left_a_run
    if ours:
        shutil.rmtree(first.record)  # the runs say enough, and are what it would cost to record
    facts = Facts(
        read_manifest(first.folder) if ours else as_manifest(first.record, "as it is"),
        training.module and ours,
        training.tied,
        (*training.files, str(folder)),
        repeats,
        recorded=not ours,
    )
    every = list(trials(facts, [*only, "stress"] if only else only))
    trainings = {
        trial: dataclasses.replace(
            training.child(trial, folder / _file_name(at, trial), facts.framework), recorded=not ours
        )
        for at, trial in enumerate(every)
        if not trial.skipped
    }
    failed: dict[Training, SamebitsError] = {}
    running = train(trainings.values(), jobs, watch, lambda child, error: failed.update({child: error}))
    finished = {run.child: run for run in show(running, watch)}
    results = [
        _judge(trial, reference, finished.get(trainings[trial]), failed.get(trainings[trial]))
        if not (lacking := trial.skipped or _lacks(trainings[trial], facts, failed))
        else Result(trial.axis, trial.value, trial.expected, "", "skipped", lacking)
        for trial in every
    ]
    reasons: dict[str, Why] = {}
    for at, result in enumerate(results):
        if result.outcome == "fail" and result.expected == SAME and result.sha256:
            said = why(reference.child, trainings[every[at]])
            if said is not None:
                reasons[result.name] = said
                results[at] = dataclasses.replace(result, says=f"other bits: {said.result.place}")
    return reference, results, reasons


def _lacks(child: Training, facts: Facts, failed: Mapping[Training, SamebitsError]) -> str:
    """Which option of a trial the command does not have; nothing where it has all."""
    try:
        if child in failed:
            options.refuse_unknown(child.log.read_text(errors="replace"), child.command)
        elif not facts.recorded:
            settings = read_manifest(child.folder)["settings"]
            options.refuse_unread(facts.manifest["settings"], settings, child.command)
    except options.Lacking as lacking:
        return str(lacking)
    return ""


def _judge(
    trial: Trial, reference: Finished, finished: Finished | None, failure: SamebitsError | None
) -> Result:
    named = (trial.axis, trial.value, trial.expected)
    if finished is None:
        return Result(*named, "", "fail", str(failure).removeprefix(trial.name).lstrip(": "))
    same = finished.sha256 == reference.sha256
    if trial.expected == OTHER:
        says = "the same bits, but they must differ" if same else "other bits, as expected"
        return Result(*named, finished.sha256, "fail" if same else "ok", says)
    if same or trial.expected != SAME:
        return Result(
            *named, finished.sha256, "ok", "the same bits" if same else "other bits, which is allowed"
        )
    return Result(*named, finished.sha256, "fail", "other bits")


def _file_name(number: int, trial: Trial) -> str:
    return f"{number:02}-" + re.sub(r"[^A-Za-z0-9=]+", "-", trial.name).strip("-")


def show_table(reference: Finished, results: Sequence[Result]) -> None:
    """One row a trial, for people."""
    rows: list[list[Cell]] = [["reference", "as it is", "", short(reference.sha256), ""]]
    for result in results:
        rows.append(
            [
                result.axis,
                result.value,
                result.expected,
                short(result.sha256),
                cell(result.outcome, result.says),
            ]
        )
    print_table(("axis", "value", "must be", "sha256 of the weights", "outcome"), rows)
