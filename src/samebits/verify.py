"""Repeat a run from its manifest, here and now: the same bits, or what differs and from where on."""

import dataclasses
import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from samebits import code_state, command_line, door, engine, fingerprint_diff, git, variables
from samebits.children import Child, train
from samebits.compare import Comparison, compare_runs
from samebits.errors import CheckFailed, WrongUse
from samebits.files import sha256_file
from samebits.fingerprint import FOLLOWING_THE_HOST
from samebits.fingerprint_diff import Difference
from samebits.run_folder import read_manifest, shown
from samebits.smoke import Watch, keep_runs, runs_folder

HEX = 16  # digits of a hash that are shown in a sentence
FILES = 3  # that are named in a sentence
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
        child = Child(
            "the repetition",
            [door.entrypoint(), *training, *_device(manifest), *more],
            (folder / "repetition").resolve(),
            environment(manifest),
            _place(manifest),
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
    """Compare today's code with that of a manifest: commit, changes, and the files that ran.

    Nothing is said where a manifest has neither a commit nor files: a notebook's outside of git.

    Raises:
        WrongUse: what would be repeated is not the code that made the run.
    """
    was = manifest.get("code") or {}
    parts = [*(link.get("code") or {} for link in manifest.get("chain", ())), was]
    if other := code_state.together(parts):
        raise WrongUse(f"{run} was interrupted and resumed {other}: {ANYWAY}")
    folder = Path(_place(manifest) or ".", code_state.placed(str(was.get("folder") or "."))).resolve()
    checkout = git.checkout(folder)
    now = code_state.state(folder, checkout)
    files = code_state.changed_files(folder, was.get("files") or {})
    differ = f" ({_some(files)})" if files else ""
    commit, short = was.get("commit"), (was.get("commit") or "")[:HEX]
    if commit is not None and now["commit"] is None:
        raise WrongUse(f"{run} was made on commit {commit}, and {folder} is no git checkout of it: {ANYWAY}")
    if commit is not None and now["commit"] != commit:
        raise WrongUse(
            f"{run} was made on commit {commit}, here is {now['commit'][:HEX]}{differ}: "
            f"`{_git(checkout)} checkout {short}` gives it, {ANYWAY}"
        )
    if commit is not None and now["diff"] is not None and was.get("diff") is None:
        changed = differ or (f" ({_some(git.changes(checkout[0]))})" if checkout else "")
        raise WrongUse(
            f"{run} was made on commit {short} as it is, and files here differ from it{changed}: "
            f"`{_git(checkout)} stash --include-untracked` puts the changes away, {ANYWAY}"
        )
    if commit is not None and now["diff"] != was.get("diff"):
        here = f"others ({now['diff'][:HEX]})" if now["diff"] else "none"
        raise WrongUse(
            f"{run} was made with changes that no commit has ({was['diff'][:HEX]}), and here are "
            f"{here}{differ}: {ANYWAY}"
        )
    if files:
        raise WrongUse(f"{run} was made by other code than is in {folder}{differ}: {ANYWAY}")


def _place(manifest: Mapping[str, Any]) -> Path | None:
    """Where the repetition is started; None: here."""
    place = variables.find_root() / (manifest.get("working_folder") or "")
    return place if manifest.get("working_folder") and place.is_dir() else None


def _git(checkout: tuple[Path, str] | None) -> str:
    here = checkout is None or Path.cwd().resolve().is_relative_to(checkout[0])
    return "git" if here or checkout is None else shlex.join(["git", "-C", str(checkout[0])])


def _some(names: list[str]) -> str:
    more = f" and {len(names) - FILES} more" if len(names) > FILES else ""
    return ", ".join(names[:FILES]) + more


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
    """In what two manifests differ: code, settings, data, versions, machine."""
    facts = [fingerprint_diff.of_manifest(one) for one in (was, is_)]
    for one in facts:  # whether these are equal is the verdict's own subject
        del one[fingerprint_diff.WEIGHTS]
    found = [one for one in fingerprint_diff.differences(*facts) if one.fact not in FOLLOWING_THE_HOST]
    found = [one for one in found if one.rank != "none" or not one.fact.startswith("code.")]
    return iter(sorted(found, key=lambda one: not one.fact.startswith("code.")))


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
        print(f"environment  {one.fact}: {fingerprint_diff.change(one)} ({fingerprint_diff.WORDS[one.rank]})")
    if verdict.same:
        print(f"same bits: sha256 {verdict.run}; {_environment_in_words(verdict)}")
    if kept is not None and verdict.same:
        print(f"the repetition is kept in {shown(kept)}")


def _environment_in_words(verdict: Verdict) -> str:
    code = [one.fact.removeprefix("code.") for one in verdict.environment if one.fact.startswith("code.")]
    number = len(verdict.environment) - len(code)
    if number == 0 and not code and not verdict.same:
        return "code and environment are the same: the data changed, or the training does not repeat"
    files = [one.removeprefix("files.") for one in code if one.startswith("files.")]
    changed = f"the code is other code ({_some(files or code)}); " if code else ""
    return changed + {0: "the environment is the same", 1: "1 fact of the environment differs"}.get(
        number, f"{number} facts of the environment differ"
    )
