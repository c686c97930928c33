"""Train with several seeds, so that people compare methods and not luck."""

import contextlib
import dataclasses
import math
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from samebits._files import cannot_write, sha256_file, shown
from samebits._printable import printable, short
from samebits._report import print_json, print_table
from samebits.errors import CheckFailed, SamebitsError, UsageError
from samebits.fingerprint.facts import FOLLOWING_THE_HOST, flatten
from samebits.fingerprint.manifest import read_manifest
from samebits.proof.recorded import nothing_of
from samebits.proof.smoke import Watch
from samebits.proof.trainings import Finished, Training, train
from samebits.record.final import final_metrics

CONFIDENCE = 0.95
PLACEHOLDER = "{seed}"  # in a command: where each training's seed goes
NAME = 80  # characters of a folder's name


@dataclasses.dataclass(frozen=True)
class Spread:
    """How a metric scatters over the seeds.

    Attributes:
        deviation: the sample's standard deviation (divided by n - 1).
        half: half the width of the 95 % interval of the mean, by Student's t.
    """

    mean: float
    deviation: float
    half: float

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half


@dataclasses.dataclass(frozen=True)
class Seeded:
    """A finished run with one seed; `reused`: it was there already."""

    seed: int
    folder: Path
    sha256: str
    metrics: Mapping[str, float]
    reused: bool


@click.command("seeds", context_settings={"allow_interspersed_args": False})
@click.option(
    "--count", type=click.IntRange(2), default=5, envvar="SEEDS", help="How many seeds (5, or $SEEDS)."
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, envvar="JOBS", help="How many at once (1, or $JOBS)."
)
@click.option("--name", help="The NAME in runs/NAME-seed-K (default: from the command).")
@click.option("--again", is_flag=True, help="Train existing runs again, too.")
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.argument("arguments", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    count: int, jobs: int, name: str | None, again: bool, as_json: bool, arguments: tuple[str, ...]
) -> None:
    """Train with COMMAND and several seeds, and show how much the metrics vary.

    The seeds count up from the one in COMMAND (--seed 7), or from 0. `--seed K` is added to COMMAND. If the
    training takes its seed in another way, write {seed} there: `python train.py --seed={seed}`.

    Each seed has its own process and run, in runs/NAME-seed-K. The first is always trained. An existing run
    of another seed is reused if it has the settings, commit and fingerprint of the first. Exit status 1 when
    a run failed.

    A training in torch or Keras that knows nothing of samebits needs {seed}. It is recorded, in
    runs/NAME-seed-K.record. Its metric is the loss of the last step. Of Keras's `fit` they are those of the
    last epoch.
    """
    first, rest = split_seed(arguments)
    folders = {
        seed: Path("runs").resolve() / f"{name or name_of(rest)}-seed-{seed}"
        for seed in range(first, first + count)
    }
    trainings = {seed: _child(seed, rest, folder) for seed, folder in folders.items()}
    seeded: list[Seeded] = []
    failures: dict[int, str] = {}
    watch = Watch(not as_json)
    with _folder_of_runs(), watch:
        try:
            for seed, outcome in run(trainings, jobs, again, watch):
                if isinstance(outcome, SamebitsError):
                    failures[seed] = str(outcome)
                    watch.say(f"samebits: {outcome}")
                    continue
                seeded.append(outcome)
                there = "  (there already)" if outcome.reused else ""
                watch.say(f"seed {seed}: sha256 {outcome.sha256}{there}")
        finally:
            for seed, child in trainings.items():
                if seed not in failures:  # a failure's line names its log
                    child.log.unlink(missing_ok=True)
    seeded.sort(key=lambda run: run.seed)
    metrics = common_metrics(seeded) if len(seeded) > 1 else []
    spreads = {metric: spread([run.metrics[metric] for run in seeded]) for metric in metrics}
    report(seeded, spreads, failures, as_json)
    if unread := _unread(seeded):
        raise CheckFailed(unread)
    if failures:
        raise CheckFailed(
            f"{len(failures)} of {count} runs failed: "
            + "; ".join(failures[seed] for seed in sorted(failures))
        )


@contextlib.contextmanager
def _folder_of_runs() -> Iterator[None]:
    """runs/, which goes again when it is new and nothing came into it."""
    runs = Path("runs")
    new = not runs.exists()
    try:
        runs.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(runs, error) from None
    try:
        yield
    finally:
        if new:
            with contextlib.suppress(OSError):  # something came into it
                runs.rmdir()


def split_seed(arguments: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """The seed in a command (0 if there is none), and the command without it.

    A command with the placeholder stays as it is.

    Raises:
        UsageError: it is not a whole number.
    """
    words = list(arguments)
    text = "0"
    if any(PLACEHOLDER in word for word in words):
        return 0, tuple(words)
    for at, word in enumerate(words):
        if word == "--seed" and at + 1 < len(words):
            text, words[at : at + 2] = words[at + 1], []
            break
        if word.startswith("--seed="):
            text = words.pop(at).partition("=")[2]
            break
    if not re.fullmatch(r"\d+", text):
        raise UsageError(f"--seed is {text!r}; it must be a whole number that the seeds count up from")
    return int(text), tuple(words)


def name_of(arguments: Sequence[str]) -> str:
    """A folder's name from a command: its words without those that start it."""
    words = [word for word in arguments if word not in ("python", "-m") and PLACEHOLDER not in word]
    words = [word for word in words if not word.endswith("entrypoint")]
    return re.sub(r"[^A-Za-z0-9_.=]+", "-", " ".join(words)).strip("-.")[:NAME] or "run"


def run(
    trainings: Mapping[int, Training], jobs: int, again: bool, watch: Watch
) -> Iterator[tuple[int, Seeded | SamebitsError]]:
    """Train the first seed, take what is there of its kind, train the rest; yields each seed's outcome.

    Raises:
        SamebitsError: the first one failed: the others would, too.
    """
    first, *others = trainings
    shutil.rmtree(trainings[first].record, ignore_errors=True)  # of a former training
    try:
        with contextlib.closing(train([trainings[first]], watch=watch)) as training:
            finished = next(training)
    except UsageError as error:
        raise UsageError(f"{error}{_hint(trainings[first])}") from None
    if finished.left_a_run:
        shutil.rmtree(trainings[first].record, ignore_errors=True)
        trainings = {seed: dataclasses.replace(each, recorded=False) for seed, each in trainings.items()}
    elif not finished.sha256:
        raise UsageError(nothing_of(finished, asked=False))
    seeds = {child: seed for seed, child in trainings.items()}
    yield first, _outcome(first, finished)
    reference = read_manifest(finished.child.folder) if finished.left_a_run else None
    missing = []
    for seed in others:
        shutil.rmtree(trainings[seed].record, ignore_errors=True)
        former = None
        if not again and reference is not None:
            former = _former(trainings[seed], seed, trainings[first], reference)
        if former is None:
            missing.append(trainings[seed])
        else:
            yield seed, former
    failed: list[tuple[int, SamebitsError]] = []
    training = train(missing, jobs, watch, lambda child, error: failed.append((seeds[child], error)))
    with contextlib.closing(training):
        for finished in training:
            yield seeds[finished.child], _outcome(seeds[finished.child], finished)
    yield from failed


def _child(seed: int, rest: Sequence[str], folder: Path) -> Training:
    placed = any(PLACEHOLDER in word for word in rest)  # only such a command may know nothing of samebits
    return Training(f"seed {seed}", with_seed(rest, seed), folder, recorded=placed, curves=True)


def with_seed(words: Sequence[str], seed: int) -> list[str]:
    """A command for a seed: in place of the placeholder, else at its end."""
    filled = [word.replace(PLACEHOLDER, str(seed)) for word in words]
    return filled if filled != list(words) else [*words, "--seed", str(seed)]


def _hint(child: Training) -> str:
    """What to try, where a training may not know the option that was added."""
    if list(child.command)[-2:-1] != ["--seed"]:
        return ""
    there = f"write {PLACEHOLDER} there, such as --seed={PLACEHOLDER}"
    other = "if the training takes its seed in another way, or knows nothing of samebits"
    return f" (--seed was added to it; {other}, {there})"


def _former(child: Training, seed: int, first: Training, reference: Mapping[str, Any]) -> Seeded | None:
    """The run that is there already, if it is whole and differs from the first one by its seed alone."""
    folder = child.folder
    try:
        manifest = read_manifest(folder)
        sha256 = sha256_file(folder / "weights.safetensors")
        if sha256 != manifest["weights_sha256"] or manifest["seed"] != seed:
            return None
        pairs = [pair for pair in zip(first.command, child.command, strict=True) if pair[0] != pair[1]]
        here, there = ({pair[at] for pair in pairs} for at in (1, 0))
        if _apart_from_seed(manifest, here) != _apart_from_seed(reference, there):
            return None
        return dataclasses.replace(_seeded(seed, folder, sha256), reused=True)
    except (SamebitsError, OSError):
        return None


def _apart_from_seed(manifest: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """What two runs must share; `own` are the words of the command that are this seed's."""
    facts = dict(flatten(manifest["fingerprint"]))
    return {
        "command": [
            PLACEHOLDER if word in own else word for word in split_seed(manifest["command"] or ())[1]
        ],
        "settings": manifest["deciding_settings"] | {"seed": None},
        "fingerprint": {name: value for name, value in facts.items() if name not in FOLLOWING_THE_HOST},
        "code": manifest["code"],
        "device": manifest["device"],
    }


def _outcome(seed: int, finished: Finished) -> Seeded:
    if finished.left_a_run:
        return _seeded(seed, finished.child.folder, finished.sha256)
    metrics = final_metrics(finished.child.record)
    return Seeded(seed, finished.child.record, finished.sha256, metrics, False)


def _unread(seeded: Sequence[Seeded]) -> str:
    """One line where recorded trainings have the same weights for two seeds; else nothing."""
    by_weights: dict[str, int] = {}
    for each in seeded:
        other = by_weights.setdefault(each.sha256, each.seed)
        if other != each.seed and each.folder.suffix == ".record":
            return (
                f"the seeds {other} and {each.seed} gave the same weights: the command does not use the "
                f"number that it gets for {PLACEHOLDER}"
            )
    return ""


def _seeded(seed: int, folder: Path, sha256: str) -> Seeded:
    metrics = read_manifest(folder)["metrics"]
    numbers = {
        name: float(value)
        for name, value in metrics.items()
        if name != "epoch" and isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Seeded(seed, folder, sha256, numbers, reused=False)


def common_metrics(seeded: Sequence[Seeded]) -> list[str]:
    """The names of the numbers in the last line of every run's metrics."""
    if not seeded:
        return []
    return [name for name in seeded[0].metrics if all(name in run.metrics for run in seeded)]


def spread(values: Sequence[float]) -> Spread:
    """Mean, sample standard deviation and 95 % interval of the mean, of two values or more."""
    # Student's t's quantiles, without the second that scipy.stats takes.
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    number = len(values)
    mean = math.fsum(values) / number
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (number - 1))
    quantile = float(stdtrit(number - 1, (1 + CONFIDENCE) / 2))
    return Spread(mean, deviation, quantile * deviation / math.sqrt(number))


def report(
    seeded: Sequence[Seeded], spreads: Mapping[str, Spread], failures: Mapping[int, str], as_json: bool
) -> None:
    """Print a row a seed, and a line a metric."""
    if as_json:
        runs = [
            {
                "seed": run.seed,
                "sha256": run.sha256,
                "metrics": run.metrics,
                "folder": shown(run.folder),
                "reused": run.reused,
            }
            for run in seeded
        ]
        metrics = {
            name: {"mean": each.mean, "standard_deviation": each.deviation, "interval": [each.low, each.high]}
            for name, each in spreads.items()
        }
        print_json({"runs": runs, "metrics": metrics, "failed": failures})
        return
    names = list(spreads)
    rows = [
        [
            str(run.seed),
            short(run.sha256),
            *(f"{run.metrics[name]:.4f}" for name in names),
            shown(run.folder),
        ]
        for run in seeded
    ]
    print_table(("seed", "sha256 of the weights", *names, "run"), rows)
    for name, each in spreads.items():
        print(
            f"{printable(name)}: mean {each.mean:.4f}, standard deviation {each.deviation:.4f}, "
            f"95 % interval of the mean {each.low:.4f} … {each.high:.4f} "
            f"({len(seeded)} seeds; Student's t has no bounds: it can leave 0 … 1)"
        )
