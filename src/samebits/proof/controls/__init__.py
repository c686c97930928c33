"""The proof that the smoke test can fail: perturbations, each tried with samebits' protection and without."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from samebits._printable import short
from samebits._report import OUTCOMES, Cell, Outcome, cell, print_json, print_table
from samebits.errors import CheckFailed, UsageError
from samebits.proof.controls.table import (
    FRAMEWORKS,
    SHORT,
    Control,
    Variant,
    controls,
    environment,
    write_keras_json,
)
from samebits.proof.smoke import Watch, keep_runs, runs_folder, show
from samebits.proof.trainings import Training, train


@dataclasses.dataclass(frozen=True)
class Result:
    """What a control showed: the hashes of its four runs (none where it was not tried) and what came out.

    Attributes:
        outcome: "ok", "fail", or "skipped" where it cannot change this training's bits.
        says: why, for the last two.
    """

    name: str
    what: str
    outcome: Outcome
    says: str = ""
    baseline: str = ""
    protected: str = ""
    plain_baseline: str = ""
    unprotected: str = ""


@click.command("smoke-controls", context_settings={"allow_interspersed_args": False})
@click.option(
    "--framework",
    type=click.Choice(FRAMEWORKS),
    default=FRAMEWORKS[0],
    envvar="FRAMEWORK",
    show_default=True,
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", envvar="DEVICE")
@click.option("--only", multiple=True, metavar="NAME", help="Only this control (may be given again).")
@click.option("--jobs", type=click.IntRange(1), default=1, envvar="JOBS", help="How many trainings at once.")
@click.option("--json", "json_", is_flag=True, help="Print the results as one JSON object.")
@click.argument("module", required=False)
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
def command(
    framework: str,
    device: str,
    only: tuple[str, ...],
    jobs: int,
    json_: bool,
    module: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Show that the smoke test can fail, and that samebits is the reason why it does not.

    Each control disturbs a training (MODULE ARGS, by default two epochs of the starter). With samebits'
    protection the hash must be the baseline's. Without it the hash must be another one. Exit status 1 when
    one of these is not so.
    """
    with runs_folder() as folder:
        write_keras_json(folder)
        threads = int(os.environ.get("SAMEBITS_THREADS") or 1)
        chosen = _choose(controls(framework, threads, folder.resolve()), only)
        script = [module or f"starter.train_{framework}", *(arguments or SHORT), "--device", device]
        trainings = Trainings(folder, framework, script, jobs, Watch(not json_))
        results = run_controls(chosen, trainings)
        failed = [result for result in results if result.outcome == "fail"]
        kept = keep_runs(folder) if failed else None
    if json_:
        print_json({"framework": framework, "device": trainings.device, "controls": results})
    else:
        show_table(framework, trainings.device, results)
        count = Counter(result.outcome for result in results)
        print(", ".join(f"{count[outcome]} {outcome}" for outcome in OUTCOMES if count[outcome]))
    if failed:
        reasons = "; ".join(f"{result.name}: {result.says}" for result in failed)
        raise CheckFailed(f"{len(failed)} of {len(results)} controls failed: {reasons} (runs kept in {kept})")


class Trainings:
    """Runs variants of a training script, each once, and knows their hashes."""

    def __init__(self, folder: Path, framework: str, script: Sequence[str], jobs: int, watch: Watch) -> None:
        self.hashes: dict[Variant, str] = {}
        self.device = ""
        self._folder, self._framework, self._script = folder, framework, list(script)
        self._jobs, self._watch = jobs, watch

    def run(self, named: dict[Variant, str]) -> None:
        """Run variants, each under a name that is shown."""
        trainings = {
            variant: Training(
                name,
                self._command(variant),
                (
                    self._folder / f"{len(self.hashes) + at}-{name.replace(', ', '-').replace(' ', '-')}"
                ).resolve(),
                environment(variant, os.environ),
            )
            for at, (variant, name) in enumerate(named.items(), start=1)
        }
        variants = {child: variant for variant, child in trainings.items()}
        for finished in show(train(trainings.values(), self._jobs, self._watch), self._watch):
            self.hashes[variants[finished.child]] = finished.sha256
            if not self.device:
                manifest = json.loads((finished.child.folder / "manifest.json").read_text())
                self.device = manifest["device"]

    def _command(self, variant: Variant) -> list[str]:
        perturb = [
            "python",
            "-m",
            "samebits.proof.controls.perturb",
            "--framework",
            self._framework,
            *variant.flags,
        ]
        script = self._script
        if variant.hazards:
            script = [f"samebits.proof.hazards_{self._framework}", *script[-2:]]  # with the same --device
        return [*perturb, *script, *variant.arguments]


def run_controls(chosen: Sequence[Control], trainings: Trainings) -> list[Result]:
    """Run what the controls need, each training once."""
    trainings.run({Variant(): "baseline"})  # it also tells on which device
    named: dict[Variant, str] = {}
    for control in chosen:
        if control.cannot_bite(trainings.device):
            continue
        kinds = ("baseline", "with", "baseline without", "without")
        for variant, kind in zip(control.runs(), kinds, strict=True):
            if variant not in trainings.hashes:
                named.setdefault(variant, f"{control.name}, {kind}")
    trainings.run(named)
    return [_judge(control, trainings) for control in chosen]


def _judge(control: Control, trainings: Trainings) -> Result:
    reason = control.cannot_bite(trainings.device)
    if reason:
        return Result(control.name, control.what, "skipped", reason)
    hashes = [trainings.hashes[variant] for variant in control.runs()]
    baseline, protected, plain_baseline, unprotected = hashes
    if control.expected == "may" and baseline == protected and plain_baseline == unprotected:
        return Result(control.name, control.what, "skipped", "this training's sums are too short", *hashes)
    if control.expected in ("always", "may"):
        if baseline == protected:
            reason = "with the protection the weights are the baseline's, but must differ"
    elif baseline != protected:
        reason = "with the protection the weights are not the baseline's"
    if not reason and (plain_baseline == unprotected) != (control.expected == "never"):
        reason = "without the protection the weights are "
        reason += "not the baseline's" if control.expected == "never" else "the baseline's: it shows nothing"
    return Result(control.name, control.what, "fail" if reason else "ok", reason or "", *hashes)


def show_table(framework: str, device: str, results: Sequence[Result]) -> None:
    """One row a control, one hash a cell; the cells that are not their baseline's are marked."""
    headings = (
        "control",
        "perturbed by",
        "baseline",
        "with samebits",
        "plain baseline",
        "without",
        "outcome",
    )
    rows: list[list[Cell]] = []
    for result in results:
        cells = [short(result.baseline), _cell(result.protected, result.baseline)]
        cells += [short(result.plain_baseline), _cell(result.unprotected, result.plain_baseline)]
        rows.append([result.name, result.what, *cells, cell(result.outcome, result.says)])
    print_table(headings, rows, f"{framework} on {device}: ≠ marks weights that are not the baseline's")


def _cell(sha256: str, baseline: str) -> str:
    if not sha256:
        return ""
    return f"{'=' if sha256 == baseline else '≠'} {short(sha256)}"


def _choose(every: Sequence[Control], only: Sequence[str]) -> list[Control]:
    names = [control.name for control in every]
    for name in only:
        if name not in names:
            raise UsageError(f"there is no control {name!r} for this framework; there are {', '.join(names)}")
    return [control for control in every if not only or control.name in only]
