"""The proof that interruptions change nothing: a training stopped, killed, damaged, evaluated otherwise."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from samebits import checkpoint
from samebits.children import GRACE
from samebits.compare import compare_runs
from samebits.errors import CheckFailed, WrongUse
from samebits.files import sha256_file
from samebits.interruption import SAVED
from samebits.run_folder import CHECKPOINTS, read_manifest
from samebits.smoke import Watch, keep_runs, runs_folder
from samebits.tables import Cell, print_table

KINDS = ("stop", "damage", "evaluation", "kill")
HEX = 16  # digits of a hash that are shown
DAMAGE = (checkpoint.STATE, checkpoint.TENSORS)


@dataclass(frozen=True)
class Trial:
    """One way to come to the same weights.

    Attributes:
        what: is done to the training.
        stop: after which step it is stopped, as by SIGTERM.
        kill: the share of an uninterrupted training's time after which it is killed outright.
        damage: the file of the newest checkpoint in which one bit is flipped after the stop.
        before, after: options of the training until it is interrupted, and of the one that goes on.
        metrics: whether its lines of metrics must be the same, too.
    """

    kind: str
    what: str
    stop: int | None = None
    kill: float | None = None
    damage: str | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    metrics: bool = True


@dataclass
class Result:
    """What a trial showed: the weights' hash, and in words what is not as it must be."""

    what: str
    sha256: str = ""
    fault: str = ""
    seconds: float = field(default=0.0)

    def verdict(self, expected: str) -> str:
        """What is said of it, where the weights must have the hash `expected`."""
        return self.fault or ("the same" if self.sha256 == expected else "DIFFERS")


@click.command("resume-proof", context_settings={"allow_interspersed_args": False})
@click.option(
    "--kills", type=click.IntRange(0), default=25, envvar="KILLS", help="How many kill -9 (25, or $KILLS)."
)
@click.option(
    "--only", multiple=True, type=click.Choice(KINDS), envvar="ONLY", help="Only these (or $ONLY, by spaces)."
)
@click.option("--random-seed", default=0, show_default=True, help="Decides the instants of the kills.")
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the results as one JSON object.")
@click.argument("arguments", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    kills: int, only: tuple[str, ...], random_seed: int, as_json: bool, arguments: tuple[str, ...]
) -> None:
    """Train by COMMAND without an interruption, then with all kinds of them: always the same bits.

    COMMAND trains inside `samebits.open_run`, calls `run.hold`, and knows the starter's options --workers,
    --evaluate-every, --checkpoint-every and --resume. Exit status 1 when a hash differs.
    """
    with runs_folder() as folder:
        watch = Watch(not as_json)
        with watch:
            watch.say("nothing interrupts it …")
            reference = Result("nothing interrupts it")
            began = time.monotonic()
            _run(arguments, folder / "0", status=0)
            reference.seconds = time.monotonic() - began
            reference.sha256 = sha256_file(folder / "0" / "weights.safetensors")
            results = [reference]
            rng = random.Random(random_seed)
            chosen = [one for one in trials(folder / "0", kills, rng) if one.kind in (only or KINDS)]
            for number, trial in enumerate(chosen, start=1):
                results.append(attempt(trial, arguments, folder, number, reference.seconds))
                watch.say(_line(results[-1], reference.sha256))
        failed = [result for result in results if result.fault or result.sha256 != reference.sha256]
        kept = keep_runs(folder) if failed else None
    if as_json:
        rows = [dataclasses.asdict(result) for result in results]
        print(json.dumps({"same": not failed, "trials": rows, "kept": kept and str(kept)}, indent=2))
    else:
        table = [_row(result, reference.sha256) for result in results]
        print_table(("the training", "sha256 of the weights", ""), table)
    if failed:
        raise CheckFailed(
            f"not the same bits: {len(failed)} of {len(results)}, the first where {failed[0].what}: "
            f"{failed[0].fault or failed[0].sha256[:HEX]} (runs kept in {kept})"
        )
    if not as_json:
        print(f"same bits: {len(results)} trainings, sha256 {reference.sha256}")


def trials(reference: Path, kills: int, rng: random.Random) -> Iterator[Trial]:
    """What is tried, for a training of as many steps and epochs as the reference has.

    Args:
        reference: its run folder.
        kills: how many instants are drawn.
        rng: draws them.
    """
    steps = int(read_manifest(reference)["steps"])
    epochs = len((reference / "metrics.jsonl").read_text().splitlines())
    each = steps // epochs
    middle = each * (epochs // 2) + each // 2
    four = ("--workers", "4")
    yield Trial("stop", "stopped before the first step", stop=0)
    yield Trial("stop", "stopped mid-epoch", stop=middle)
    yield Trial("stop", "stopped mid-epoch, 4 workers before", stop=middle, before=four)
    yield Trial("stop", "stopped mid-epoch, 4 workers after", stop=middle, after=four)
    yield Trial("stop", "stopped at an epoch's end", stop=each)
    yield Trial("stop", "stopped after the last step", stop=steps)
    for name in DAMAGE:
        yield Trial("damage", f"stopped, and a bit of {name} flips", stop=middle, damage=name)
    yield Trial("evaluation", "evaluated at the end only", before=("--evaluate-every", "0"), metrics=False)
    for number in range(1, kills + 1):
        share = rng.random()
        what = f"kill -9 number {number}, after {share:.0%} of its time"
        yield Trial(
            "kill", what, kill=share, before=("--checkpoint-every", "1"), after=("--checkpoint-every", "1")
        )


def attempt(trial: Trial, arguments: Sequence[str], folder: Path, number: int, seconds: float) -> Result:
    """Interrupt a training, let the same command go on, and look at what comes out."""
    result, began = Result(trial.what), time.monotonic()
    place = folder / str(number)
    working = folder / f".{number}.partial" / CHECKPOINTS
    if trial.kill is not None:
        _run([*arguments, *trial.before], place, kill=trial.kill * seconds)
    elif trial.stop is not None:
        _run([*arguments, *trial.before], place, status=SAVED, stop=trial.stop)
    else:
        _run([*arguments, *trial.before], place, status=0)
    after = list(trial.after)
    if trial.damage:
        newest = checkpoint.find(working)[0]
        _flip_a_bit(newest / trial.damage)
        if f"{newest.name}/{trial.damage}" not in _run([*arguments, *after], place, status=2):
            result.fault = "the damage was not named"
        after += ["--resume", "previous"]
    if not place.exists():  # a kill may come too late
        _run([*arguments, *after], place, status=0)
    comparison = compare_runs(folder / "0", place)
    result.sha256 = sha256_file(place / "weights.safetensors")
    if trial.metrics and (comparison.metric or comparison.batches):
        result.fault = "; ".join(comparison.lines()[1:])
    result.seconds = time.monotonic() - began
    return result


def _row(result: Result, expected: str) -> tuple[str, str, Cell]:
    verdict = result.verdict(expected)
    return result.what, f"{result.sha256[:HEX]}…", (verdict, "good" if verdict == "the same" else "bad")


def _line(result: Result, expected: str) -> str:
    return f"{result.what}: {result.sha256[:HEX]}… {result.verdict(expected)}  {result.seconds:.1f} s"


def _run(
    arguments: Sequence[str],
    place: Path,
    status: int | None = None,
    stop: int | None = None,
    kill: float | None = None,
) -> str:
    """Run a training to its end, or kill it after some seconds; returns what it wrote.

    Raises:
        WrongUse: it ended with another status.
    """
    environment = {**os.environ, "SAMEBITS_RUN_FOLDER": str(place)}
    if stop is not None:
        environment["SAMEBITS_STOP_AT"] = str(stop)
    log = place.with_name(f"{place.name}.log")
    try:
        with open(log, "ab") as file:
            process = subprocess.Popen(
                list(arguments),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its data workers end with it
            )
    except OSError as error:
        raise WrongUse(f"cannot start {arguments[0]}: {error.strerror}") from None
    try:
        ended = process.wait(kill)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return ""
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(GRACE)
        raise
    said = log.read_text(errors="replace")
    if status is not None and ended != status:
        last = said.rstrip().splitlines()[-1:] or ["nothing"]
        raise WrongUse(
            f"{' '.join(arguments)} ended with status {ended} where {status} was expected; it said: {last[0]}"
        )
    return said


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
