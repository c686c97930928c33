"""The proof that interruptions change nothing: a training stopped, killed, damaged, evaluated less often."""

import dataclasses
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from samebits._files import sha256_file
from samebits._printable import printable, short
from samebits._report import Outcome, cell, print_json, print_table
from samebits.checkpoint import files
from samebits.errors import CheckFailed, UsageError
from samebits.fingerprint.manifest import read_manifest
from samebits.hashing.compare import compare_runs
from samebits.proof import options, own_resume
from samebits.proof.processes import ending, send_to_session
from samebits.proof.smoke import Watch, keep_runs, runs_folder
from samebits.proof.stops import course
from samebits.proof.trainings import Training, start, weights
from samebits.proof.why import why
from samebits.run.folder import CHECKPOINTS
from samebits.run.signals import SAVED
from samebits.unsaved import lines as unsaved

KINDS = ("stop", "damage", "evaluation", "kill")
NAMED = 2  # trials that differ and of which is said why
NO_RUN = (
    "the training ended without an error but left no run, so nothing can be resumed: resume-proof needs "
    "checkpoints. Train inside `with samebits.torch.open_run(settings) as run:`, or samebits.keras.open_run, "
    "with run.checkpoint(…), run.epochs(…) and run.batches(…). If it saves and loads by itself, say how it "
    "resumes: --resume-with '--resume {checkpoint}'"
)
DAMAGE = (files.STATE, files.TENSORS)


@dataclass(frozen=True)
class Trial:
    """One way to come to the same weights.

    Attributes:
        what: is done to the training.
        stop: after which step it is stopped, as by SIGTERM.
        kill: the share of an uninterrupted training's time after which it is killed outright.
        damage: the file of the newest checkpoint in which one bit is flipped after the stop.
        before, after: options of the training until it is interrupted, and of the one that continues.
        metrics: whether its lines of metrics must be the same, too.
        skipped: why it is not tried.
    """

    kind: str
    what: str
    stop: int | None = None
    kill: float | None = None
    damage: str | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    metrics: bool = True
    skipped: str = ""


@dataclass
class Result:
    """What a trial showed.

    Attributes:
        outcome: "ok", "fail" or "skipped".
        says: in words.
        sha256: the weights' hash; empty where there is none.
        seconds: how long it took.
        verdict: where and why it differs: what `samebits diff` says.
    """

    what: str
    outcome: Outcome
    says: str
    sha256: str = ""
    seconds: float = 0.0
    verdict: dict[str, Any] | None = None


@click.command("resume-proof", context_settings={"allow_interspersed_args": False})
@click.option(
    "--kills", type=click.IntRange(0), default=25, envvar="KILLS", help="Number of kills (25, or $KILLS)."
)
@click.option(
    "--only", multiple=True, type=click.Choice(KINDS), envvar="ONLY", help="Only these (or in $ONLY)."
)
@click.option("--random-seed", default=0, show_default=True, help="Decides when it is killed.")
@click.option(
    "--resume-with",
    "resume_with",
    metavar="WORDS",
    help="COMMAND saves and loads by itself, and resumes with these words: '--resume {checkpoint}'.",
)
@click.option(
    "--at",
    "stops",
    multiple=True,
    type=click.IntRange(1),
    metavar="STEP",
    help="With --resume-with: stop it after this step. May be given more than once (5 are chosen).",
)
@click.option(
    "--checkpoint",
    "pattern",
    default="",
    metavar="PATTERN",
    help="With --resume-with: which files or folders are checkpoints: 'out/step-*' (what looks like one).",
)
@click.option(
    "--signal",
    "signal_",
    type=click.Choice(["KILL", "TERM"]),
    help="With --resume-with: what stops it (KILL).",
)
@click.option("--json", "json_", is_flag=True, envvar="JSON", help="Print the results as one JSON object.")
@click.argument("arguments", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    kills: int,
    only: tuple[str, ...],
    random_seed: int,
    resume_with: str | None,
    stops: tuple[int, ...],
    pattern: str,
    signal_: str | None,
    json_: bool,
    arguments: tuple[str, ...],
) -> None:
    """Train with COMMAND, interrupt it in many ways, and compare the weights with those of a calm run.

    COMMAND trains inside `samebits.open_run` and calls `run.checkpoint`. If its settings have workers,
    evaluate_every or checkpoint_every, these are changed, too (--workers=4). A trial without its setting is
    skipped and says so.

    With --resume-with COMMAND may be any training in torch or Keras. It is recorded, stopped after several
    steps, and resumed with these words: {checkpoint} stands for the last complete file or folder that it
    wrote. They are added to COMMAND, or are the whole command where they begin with its first word; give ''
    where COMMAND resumes by itself. Each trial works in a copy of this folder.

    Exit status 1 when a hash, or a step, differs.
    """
    if resume_with is not None:
        if only:
            raise UsageError(
                "--only chooses trials of a training with run.checkpoint: not with --resume-with"
            )
        sent = signal.Signals[f"SIG{signal_ or 'KILL'}"]
        _by_itself(own_resume.Asked(arguments, resume_with, stops, pattern, sent), json_)
        return
    if alone := [
        name for name, given in (("--at", stops), ("--checkpoint", pattern), ("--signal", signal_)) if given
    ]:
        raise UsageError(f"{alone[0]} is for a training that saves by itself: give --resume-with, too")
    with runs_folder() as folder:
        watch = Watch(not json_)
        with watch:
            watch.say("nothing interrupts it …")
            began = time.monotonic()
            _run(arguments, (), folder / "0", status=0)
            seconds = time.monotonic() - began
            if not (folder / "0").exists():
                raise UsageError(NO_RUN)
            sha256 = weights(_training(arguments, folder / "0"))
            results = [Result("nothing interrupts it", "ok", "", sha256, seconds)]
            rng = random.Random(random_seed)
            lacking: dict[str, str] = {}  # options that the command turns out not to have, and why
            chosen = [trial for trial in trials(folder / "0", kills, rng) if trial.kind in (only or KINDS)]
            for number, trial in enumerate(chosen, start=1):
                if trial.skipped:
                    results.append(Result(trial.what, "skipped", trial.skipped))
                else:
                    results.append(_attempt(trial, arguments, folder, number, seconds, lacking))
                watch.say(_line(results[-1]))
        tried = [result for result in results if result.outcome != "skipped"]
        failed = [result for result in tried if result.outcome == "fail"]
        reasons = {
            at: said
            for at, result in enumerate(results)
            if result.outcome == "fail" and result.sha256
            if (said := why(*(_training(arguments, folder / str(each)) for each in (0, at)))) is not None
        }
        lost = read_manifest(folder / "0").get("unsaved", ()) if failed else ()
        kept = keep_runs(folder) if failed else None
        reasons = {at: said.moved(folder, kept) for at, said in reasons.items()}
        for at, said in reasons.items():
            results[at].verdict = said.as_json()
    if json_:
        print_json({"same": not failed, "trials": results, "unsaved": lost, "kept": kept})
    else:
        rows = [(result.what, short(result.sha256), cell(result.outcome, result.says)) for result in results]
        print_table(("the training", "sha256 of the weights", "outcome"), rows)
        for at, said in list(reasons.items())[:NAMED]:
            print(printable("\n".join([f"{results[at].what}:", *said.lines()])))
        for line in unsaved.some(lost):
            print(printable(line))
    if failed:
        raise CheckFailed(
            f"not the same bits: {len(failed)} of {len(tried)}, the first where {failed[0].what}: "
            f"{failed[0].says} (runs kept in {kept})"
        )
    if not json_:
        out = f", {len(results) - len(tried)} skipped" if len(tried) < len(results) else ""
        print(f"same bits: {len(tried)} trainings{out}, sha256 {sha256}")


def _by_itself(asked: own_resume.Asked, json_: bool) -> None:
    """The proof for a training that saves and loads by itself."""
    with runs_folder("resume") as folder:
        proof = own_resume.prove(asked, folder.resolve(), Watch(not json_))
        kept = keep_runs(folder) if proof.failed else None
        for trial in proof.failed:
            trial.why = trial.why and trial.why.moved(folder, kept)
    if json_:
        print_json(
            {
                "same": not proof.failed,
                "steps": proof.steps,
                "trials": [trial.as_json() for trial in proof.trials],
                "notes": proof.notes,
                "kept": kept,
            }
        )
    else:
        for note in proof.notes:
            print(printable(f"note: {note}"))
        for trial in [trial for trial in proof.failed if trial.why is not None][:NAMED]:
            print(printable(f"in one go (A), and stopped after step {trial.stop:,} (B):"))
            print(printable("\n".join(trial.why.lines() if trial.why else ())))
    if proof.failed:
        raise CheckFailed(f"{proof.fault()} (runs kept in {kept})")
    if not json_:
        print(proof.told())


def trials(reference: Path, kills: int, rng: random.Random) -> Iterator[Trial]:
    """What is tried, for a training of as many steps and epochs as the reference has.

    Args:
        reference: its run folder. Its manifest's settings tell which options the training has.
        kills: how many instants are drawn.
        rng: draws them.

    Raises:
        UsageError: the training cannot be resumed, whatever is tried.
    """
    manifest = read_manifest(reference)
    settings, steps = manifest["settings"], int(manifest["steps"])
    if not manifest["chain"]:
        raise UsageError(
            "the training calls no `run.checkpoint(…)`, so no checkpoint is made and nothing can be resumed"
        )
    if steps == 0:
        raise UsageError("samebits saw no step of the training: its batches must come from `run.batches(…)`")
    training = course(manifest)
    middle = training.middle() or steps

    def with_(name: str, value: int) -> tuple[tuple[str, ...], str]:
        """The words that set a setting, or why they cannot be given."""
        if name in settings:
            return (f"--{name.replace('_', '-')}={value}",), ""
        return (), f"the training has no setting {name}"

    yield Trial("stop", "stopped before the first step", stop=0)
    yield Trial("stop", "stopped mid-epoch", stop=middle)
    four, lacks = with_("workers", 4)
    # Only the process that ends the training tells whether it reads the option: that comes first.
    yield Trial("stop", "stopped mid-epoch, 4 workers after", stop=middle, after=four, skipped=lacks)
    yield Trial("stop", "stopped mid-epoch, 4 workers before", stop=middle, before=four, skipped=lacks)
    for step in training.ends():
        yield Trial("stop", f"stopped at the end of epoch {step // training.each} (step {step})", stop=step)
    yield Trial("stop", "stopped after the last step", stop=steps)
    for name in DAMAGE:
        yield Trial("damage", f"stopped, and a bit of {name} flips", stop=middle, damage=name)
    last, lacks = with_("evaluate_every", 0)
    yield Trial("evaluation", "evaluated at the end only", before=last, metrics=False, skipped=lacks)
    often, _ = with_("checkpoint_every", 1)  # else a kill goes back to the last epoch's end
    for number in range(1, kills + 1):
        share = rng.random()
        what = f"kill -9 number {number}, after {share:.0%} of its time"
        yield Trial("kill", what, kill=share, before=often, after=often)


def _attempt(
    trial: Trial, arguments: Sequence[str], folder: Path, number: int, seconds: float, lacking: dict[str, str]
) -> Result:
    """`attempt` with what the command has; skipped if it is nothing without an option."""
    while True:
        gone = [lacking[option] for option in map(_option, trial.before + trial.after) if option in lacking]
        if gone and trial.kind != "kill":
            return Result(trial.what, "skipped", gone[0])
        if gone:  # checkpoints at each step make a kill lose less; without them it is a kill as well
            trial = dataclasses.replace(trial, before=(), after=())
        try:
            return attempt(trial, arguments, folder, number, seconds)
        except options.Lacking as error:
            lacking[error.option] = str(error)


def _option(word: str) -> str:
    return word.partition("=")[0]


def attempt(trial: Trial, arguments: Sequence[str], folder: Path, number: int, seconds: float) -> Result:
    """Interrupt a training, let the same command continue, and look at what comes out.

    Raises:
        Lacking: the command does not have one of the trial's options.
        UsageError: the training ended otherwise than the trial needs it.
    """
    began, faults = time.monotonic(), []
    place = folder / str(number)
    working = folder / f".{number}.partial" / CHECKPOINTS
    if trial.kill is not None:
        _run(arguments, trial.before, place, kill=trial.kill * seconds)
    elif trial.stop is not None:
        _run(arguments, trial.before, place, status=SAVED, stop=trial.stop)
    else:
        _run(arguments, trial.before, place, status=0)
    after = list(trial.after)
    if trial.damage:
        if not (there := files.find(working)):
            raise UsageError(f"the training was stopped after step {trial.stop} and left no checkpoint")
        newest = there[0]
        _flip_a_bit(newest / trial.damage)
        if f"{newest.name}/{trial.damage}" not in _run(arguments, after, place, status=2):
            faults.append("the message does not name the damaged file")
    if not place.exists():  # a kill may come too late
        _run(arguments, after, place, status=0, resume="previous" if trial.damage else None)
    if trial.kind != "kill":
        last = trial.after if trial.stop is not None else trial.before
        before, after_all = (read_manifest(run)["settings"] for run in (folder / "0", place))
        options.refuse_unread(before, after_all, last)
    comparison = compare_runs(folder / "0", place)
    if comparison.tensor:
        said = why(*(_training(arguments, folder / name) for name in ("0", str(number))))
        place_ = None if said is None else said.result.place
        faults.append(f"other bits: {place_ or f'first in {comparison.tensor}'}")
    if trial.metrics and (comparison.metric or comparison.batches):
        faults += comparison.lines()[1:]
    sha256 = sha256_file(place / "weights.safetensors")
    if not faults and sha256 != sha256_file(folder / "0" / "weights.safetensors"):
        faults.append("the same tensors, in a file with other bytes")
    says = "; ".join(faults) or "the same bits"
    return Result(trial.what, "fail" if faults else "ok", says, sha256, time.monotonic() - began)


def _line(result: Result) -> str:
    if result.outcome == "skipped":
        return f"{result.what}: skipped: {result.says}"
    return f"{result.what}: {short(result.sha256)} {result.outcome}: {result.says}  {result.seconds:.1f} s"


def _run(
    arguments: Sequence[str],
    more: Sequence[str],
    place: Path,
    status: int | None = None,
    stop: int | None = None,
    kill: float | None = None,
    resume: str | None = None,
) -> str:
    """Run a training to its end, or kill it after some seconds; returns what it wrote so far in its folder.

    Args:
        arguments: its command.
        more: options that are added to it.
        place: its run folder.
        status: with which it must end.
        stop: after which step it is stopped.
        kill: after how many seconds it is killed.
        resume: how it resumes from what is there, see `resuming.mode`.

    Raises:
        Lacking: it does not have one of its options.
        UsageError: it ended with another status.
    """
    environment = {} if resume is None else {"SAMEBITS_RESUME": resume}
    child = _training([*arguments, *more], place, environment)
    running: list[subprocess.Popen[bytes]] = []
    with ending(running):
        running.append(start(child, stop))
        try:
            ended = running[0].wait(kill)
        except subprocess.TimeoutExpired:
            send_to_session(running[0], signal.SIGKILL)
            return ""
    said = child.log.read_text(errors="replace")
    if ended != (status or 0):
        options.refuse_unknown(said, more)
    if status is not None and ended != status:
        last = said.rstrip().splitlines()[-1:] or ["nothing"]
        raise UsageError(
            f"`{shlex.join(child.command)}` ended with status {ended} where {status} was expected; it said: "
            f"{last[0]}"
        )
    return said


def _training(
    arguments: Sequence[str], place: Path, environment: Mapping[str, str | None] | None = None
) -> Training:
    return Training("the training", arguments, place, environment or {}, recorded=True)


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
