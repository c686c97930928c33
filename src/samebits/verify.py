"""Repeat a run from its manifest, here and now: the same bits, or what differs and from where on."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from samebits import command_line, door, engine, fingerprint_diff, variables
from samebits.children import Child, train
from samebits.compare import Comparison, compare_runs
from samebits.errors import CheckFailed, WrongUse
from samebits.files import sha256_file
from samebits.fingerprint import FOLLOWING_THE_HOST, flatten
from samebits.fingerprint_diff import Difference
from samebits.git import git_state
from samebits.run_folder import read_manifest, shown
from samebits.smoke import Watch, keep_runs, runs_folder

HEX = 16  # digits of a hash that are shown in a sentence
ANYWAY = "--anyway repeats it here nevertheless"
AS_RECORDED = ("record", "portable", "merge")  # policies that leave a choice to the user, which decides bits


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a repetition showed.

    Attributes:
        run, repeat: the weights' hashes.
        metrics: whether metrics.jsonl has the same bytes.
        faults: what is wrong with the run's own files.
        environment: in what settings and fingerprint differ.
        comparison: bit by bit, where the run's files are there.
        former, latter: the last lines of metrics, where they are all that is there of the run's.
    """

    run: str
    repeat: str
    metrics: bool
    faults: tuple[str, ...]
    environment: tuple[Difference, ...]
    comparison: Comparison | None
    former: Mapping[str, Any]
    latter: Mapping[str, Any]

    @property
    def same(self) -> bool:
        return self.run == self.repeat and self.metrics and not self.faults

    def lines(self) -> Iterator[str]:
        """What differs between the two, for people."""
        yield from self.faults
        if self.comparison is not None:
            yield from self.comparison.lines()
            return
        yield f"weights  {'the same' if self.run == self.repeat else 'another hash'}"
        if self.metrics:
            yield "metrics  the same"
            return
        names = [name for name in {**self.former, **self.latter} if name != "batches"]
        parted = [name for name in names if self.former.get(name) != self.latter.get(name)]
        values = ", ".join(
            f"{name}: {self.former.get(name, 'absent')} and {self.latter.get(name, 'absent')}"
            for name in parted
        )
        yield f"metrics  another hash; the last line has {values or 'the same numbers'}"
        data = "the same" if self.former.get("batches") == self.latter.get("batches") else "other data"
        yield f"batches  {data} in the last line"


@click.command("verify")
@click.option("--anyway", is_flag=True, help="Also with other code than the manifest tells of.")
@click.option("--keep", is_flag=True, envvar="KEEP", help="Keep the repetition also when it is equal.")
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("more", metavar="[-- ARGS...]", nargs=-1, type=click.UNPROCESSED)
def command(run: Path, more: tuple[str, ...], anyway: bool, keep: bool, as_json: bool) -> None:
    """Repeat RUN, a run's folder or its manifest.json alone, and compare the bits.

    ARGS are added to its command: say there where the data lies on this machine. A run that was interrupted
    is repeated without interruption. Exit status 0: the same bits; 1: other bits; 2: it cannot be repeated.
    """
    manifest = read_manifest(run)
    if not anyway:
        refuse_other_code(manifest, run)
    training = command_line.read(manifest, run)
    if manifest["device"] == "cuda" and not engine.driver():
        raise WrongUse(
            f"{run} was trained on a GPU and no NVIDIA driver answers here; `make doctor` says more"
        )
    with runs_folder("verify") as folder:
        place = variables.find_root() / (manifest.get("working_folder") or "")
        child = Child(
            "the repetition",
            [door.entrypoint(), *training, *_device(manifest), *more],
            (folder / "repetition").resolve(),
            environment(manifest),
            place if manifest.get("working_folder") and place.is_dir() else None,
        )
        watch = Watch(not as_json)
        with closing(train([child], watch=watch)) as training_, watch:
            finished = next(training_)
        watch.say(f"repeated in {finished.seconds:.1f} s")
        verdict = compare(manifest, run, child.folder)
        kept = keep_runs(folder) if keep or not verdict.same else None
    report(verdict, kept, as_json)
    if not verdict.same:
        what = "other weights" if verdict.run != verdict.repeat else "the same weights, but not the same run"
        raise CheckFailed(
            f"not the same bits: {what}; {_environment_in_words(verdict)} (the repetition is kept in {kept})"
        )


def refuse_other_code(manifest: Mapping[str, Any], run: Path) -> None:
    """Nothing is said of a manifest without a commit: its run was no checkout's.

    Raises:
        WrongUse: what would be repeated is not the code that made the run.
    """
    links = [manifest.get("git"), *(link.get("git") for link in manifest.get("chain", ()))]
    was = manifest.get("git")
    if was is None:
        return
    commits = list(dict.fromkeys(link["commit"] for link in links if link))
    now = git_state()
    if len(commits) > 1:
        several = ", ".join(commit[:HEX] for commit in commits)
        raise WrongUse(f"{run} was interrupted and went on on another commit ({several}): {ANYWAY}")
    if now is None:
        raise WrongUse(
            f"{run} was made on commit {was['commit']}, and here is no git checkout of it: {ANYWAY}"
        )
    if now["commit"] != was["commit"]:
        raise WrongUse(
            f"{run} was made on commit {was['commit']}, here is {now['commit'][:HEX]}: "
            f"`git checkout {was['commit'][:HEX]}` gives it, {ANYWAY}"
        )
    if now["dirty"] and not was["dirty"]:
        raise WrongUse(
            f"{run} was made on commit {was['commit'][:HEX]} as it is, and files here differ from it: "
            f"`git stash --include-untracked` puts the changes away, {ANYWAY}"
        )
    if was["dirty"] and (was.get("diff") is None or was["diff"] != now["diff"]):
        here = f"others ({now['diff'][:HEX]})" if now["dirty"] else "none"
        raise WrongUse(
            f"{run} was made with changes that no commit has ({(was.get('diff') or 'unknown')[:HEX]}), "
            f"and here are {here}: {ANYWAY}"
        )


def environment(manifest: Mapping[str, Any]) -> dict[str, str | None]:
    """The variables to repeat a run with: its own choices, and nothing of this shell's that decides bits."""
    recorded = manifest["fingerprint"].get("variables", {})
    allowed = manifest.get("allowed", [])
    changes = door.outside()
    for row in variables.read():
        chosen = row.name in allowed or (row.policy in AS_RECORDED and row.name in recorded)
        if chosen and f"variables.{row.name}" not in FOLLOWING_THE_HOST:
            value = recorded.get(row.name)
            changes[row.name] = value if value and not variables.PLACEHOLDER.search(value) else None
        if row.kind == "entries":  # the project's own folders, wherever it lies here
            root = str(variables.find_root())
            changes[row.name] = (recorded.get(row.name) or "").replace("${SAMEBITS_ROOT}", root) or None
    threads = manifest.get("threads") or str(recorded.get("OMP_NUM_THREADS") or 1).partition(",")[0]
    changes["SAMEBITS_THREADS"], changes["SAMEBITS_ALLOW"] = threads, ",".join(allowed) or None
    changes["PROFILE"] = manifest.get("profile")
    return changes


def _device(manifest: Mapping[str, Any]) -> list[str]:
    """What `auto` chose for the run is chosen for its repetition."""
    return ["--device", manifest["device"]] if "device" in manifest.get("settings", {}) else []


def compare(manifest: Mapping[str, Any], run: Path, repetition: Path) -> Verdict:
    """Compare a run, or its manifest alone, with its repetition."""
    again = read_manifest(repetition)
    weights, metrics = run / "weights.safetensors", run / "metrics.jsonl"
    there = weights.is_file() and metrics.is_file()
    faults = [
        f"{shown(path)} is not what its manifest tells of: its sha256 differs"
        for path, name in ((weights, "weights_sha256"), (metrics, "metrics_sha256"))
        if path.is_file() and sha256_file(path) != manifest.get(name)
    ]
    return Verdict(
        manifest["weights_sha256"],
        again["weights_sha256"],
        manifest.get("metrics_sha256") == again["metrics_sha256"],
        tuple(faults),
        tuple(differences(manifest, again)),
        compare_runs(run, repetition) if there else None,
        manifest.get("metrics", {}),
        again["metrics"],
    )


def differences(was: Mapping[str, Any], is_: Mapping[str, Any]) -> Iterator[Difference]:
    """In what two manifests differ: settings, then the facts of the fingerprint, what changes bits first."""
    here, there = dict(flatten(was["deciding_settings"])), dict(flatten(is_["deciding_settings"]))
    for name in {**here, **there}:
        one, other = here.get(name, "absent"), there.get(name, "absent")
        if one != other:
            yield Difference(f"setting {name}", one, other, "changes", "another training")
    facts = map(fingerprint_diff.of_manifest, (was, is_))
    yield from (one for one in fingerprint_diff.differences(*facts) if one.fact not in FOLLOWING_THE_HOST)


def report(verdict: Verdict, kept: Path | None, as_json: bool) -> None:
    """Print a verdict."""
    if as_json:
        comparison = verdict.comparison
        result = {
            "same": verdict.same,
            "sha256": {"run": verdict.run, "repetition": verdict.repeat},
            "metrics": verdict.metrics,
            "faults": list(verdict.faults),
            "environment": [dataclasses.asdict(difference) for difference in verdict.environment],
            "difference": comparison and comparison.as_json(),
            "kept": kept and str(kept),
        }
        print(json.dumps(result, indent=2))
        return
    if not verdict.same:
        print(*verdict.lines(), sep="\n")
    for one in verdict.environment:
        values = f"{one.first or 'not set'} → {one.second or 'not set'}"
        print(f"environment  {one.fact}: {values} ({fingerprint_diff.WORDS[one.rank]})")
    if verdict.same:
        print(f"same bits: sha256 {verdict.run}; {_environment_in_words(verdict)}")
    if kept is not None and verdict.same:
        print(f"the repetition is kept in {shown(kept)}")


def _environment_in_words(verdict: Verdict) -> str:
    number = len(verdict.environment)
    if number == 0 and not verdict.same:
        return "the environment is the same: the code or the data changed, or the training does not repeat"
    return {0: "the environment is the same", 1: "1 fact of the environment differs"}.get(
        number, f"{number} facts of the environment differ"
    )
