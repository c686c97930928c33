"""Repeat a run from its manifest, here and now: the same bits, or what differs and from where on."""

import dataclasses
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from samebits import container_engine
from samebits._files import sha256_file, shown
from samebits._printable import DIGITS, printable, some
from samebits._report import print_json
from samebits.chance import of_run
from samebits.errors import CheckFailed, UsageError
from samebits.fingerprint import code_state, diff, git, golden
from samebits.fingerprint.diff import Difference
from samebits.fingerprint.facts import FOLLOWING_THE_HOST, flatten
from samebits.fingerprint.manifest import FIRST_STEPS, THREADS, WEIGHTS, of_manifest, read_manifest
from samebits.hashing.compare import Comparison, check_run, compare_runs, holding_nan, not_numbers
from samebits.process import command_line, variables
from samebits.proof import trust, verify_record
from samebits.proof.smoke import Watch, keep_runs, runs_folder
from samebits.proof.trainings import Training, train
from samebits.proof.why import Why, between

ANYWAY = "--anyway repeats it here in spite of that"
FILES = {"weights.safetensors": "weights_sha256", "metrics.jsonl": "metrics_sha256"}  # and their hashes
AS_RECORDED = ("record", "portable", "merge")  # policies that leave a choice to the user, which decides bits


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a repetition showed.

    Attributes:
        run, repeat: the weights' hashes.
        metrics: whether metrics.jsonl has the same bytes.
        environment: in what settings and fingerprint differ.
        comparison: bit by bit, where the run's files are there.
        former, latter: the last lines of metrics, where they are all that is there of the run's.
        not_numbers: how many NaN each tensor of the repetition holds.
        chance: what no seed decides in either, as their manifests have it; a line each.
        files: those of them that are files older than the runs: equal bits may come from them alone.
        why: where they differ first, and why; None where the run's files are not there.
        since: where they differ first, as far as the manifests alone say it.
    """

    run: str
    repeat: str
    metrics: bool
    environment: tuple[Difference, ...]
    comparison: Comparison | None
    former: Mapping[str, Any]
    latter: Mapping[str, Any]
    not_numbers: Mapping[str, int]
    chance: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    why: Why | None = None
    since: str = ""

    @property
    def same(self) -> bool:
        return self.run == self.repeat and self.metrics

    def lines(self) -> Iterator[str]:
        """What differs between the two, for people."""
        if self.why is not None:
            yield "between the run (A) and its repetition (B):"
            yield from self.why.lines()
            return
        yield from self._by_manifests()
        yield from (f"chance   {line}" for line in self.chance)

    def _by_manifests(self) -> Iterator[str]:
        """What the manifests alone say."""
        if self.since:
            yield self.since
        yield f"weights  {'the same' if self.run == self.repeat else 'another hash'}"
        if self.metrics:
            logged = set(self.latter) - {"epoch", "batches"}
            yield f"metrics  {'the same' if logged else 'none were logged'}"
            return
        names = [name for name in {**self.former, **self.latter} if name != "batches"]
        parted = [name for name in names if self.former.get(name) != self.latter.get(name)]
        values = ", ".join(
            f"{name}: {self.former.get(name, 'absent')} and {self.latter.get(name, 'absent')}"
            for name in parted
        )
        yield f"metrics  another hash; the last line has {values or 'the same numbers'}"
        if "batches" not in {**self.former, **self.latter}:
            yield "batches  none were recorded in the last line"
            return
        data = "the same" if self.former.get("batches") == self.latter.get("batches") else "other data"
        yield f"batches  {data} in the last line"


@click.command("verify")
@click.option("--anyway", is_flag=True, help="Repeat it even if the code differs from the manifest.")
@click.option("--keep", is_flag=True, envvar="KEEP", help="Keep the repetition even if it is equal.")
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="Print the result as one JSON object.")
@click.option("--command", "own", metavar="TEXT", help="Use this command instead of the manifest's.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("more", metavar="[-- ARGS...]", nargs=-1, type=click.UNPROCESSED)
def command(
    run: Path, more: tuple[str, ...], anyway: bool, keep: bool, as_json: bool, own: str | None
) -> None:
    """Repeat RUN, a run's folder or its manifest.json alone, and compare the bits.

    ARGS are added to its command, for example to say where the data is on this machine. An interrupted run is
    repeated without the interruption. If the command does more than start Python on a file of this checkout,
    it is shown, and runs only after a `yes` at a terminal or if you give it as --command.

    RUN may also be a folder that `samebits record` wrote: its command is recorded again, and compared.

    Exit status 0: the same bits; 1: other bits; 2: it cannot be repeated.
    """
    recorded = verify_record.is_record(run)
    manifest: Mapping[str, Any] = verify_record.as_manifest(run, own) if recorded else read_manifest(run)
    beside = "" if anyway else refuse_other_code(manifest, run)
    if not recorded:
        check_files(manifest, run)
    place = trust.working_folder(manifest, run)
    words = command_of(manifest, run, place or Path.cwd(), own)
    outside = (verify_record.environment if recorded else environment)(manifest, run)
    if manifest["device"] == "cuda" and not container_engine.driver():
        raise UsageError(
            f"{run} was trained on a GPU and no NVIDIA driver answers here; `make doctor` says more"
        )
    if recorded:
        verify_record.repeat(run, [*words, *more], outside, place, keep, as_json)
        return
    with runs_folder("verify") as folder:
        child = Training(
            "the repetition",
            [*words, *more],
            (folder / "repetition").resolve(),
            outside,
            place,
        )
        watch = Watch(not as_json)
        if beside:
            watch.say(f"the run imported the same files; {beside}")
        watch.say(f"repeating: {shlex.join([*words, *more])}")
        with closing(train([child], watch=watch)) as training_, watch:
            finished = next(training_)
        watch.say(f"repeated in {finished.seconds:.1f} s")
        verdict = compare(manifest, run, child.folder)
        kept = keep_runs(folder) if keep or not verdict.same else None
        if verdict.why is not None:
            verdict = dataclasses.replace(verdict, why=verdict.why.moved(folder, kept))
    report(verdict, kept, as_json)
    if not verdict.same:
        what = "other weights" if verdict.run != verdict.repeat else "the same weights, but not the same run"
        raise CheckFailed(
            f"not the same bits: {what}; {_environment_in_words(verdict)}{beside and '; '}{beside} "
            f"(the repetition is kept in {kept})"
        )


def check_files(manifest: Mapping[str, Any], run: Path) -> None:
    """Look at all that the comparison will read, before the training begins.

    Raises:
        UsageError: the manifest lacks something, or a file of the run is not the manifest's.
    """
    for name in ("framework", "device", "fingerprint", "settings", "deciding_settings", "weights_sha256"):
        manifest[name]  # names what is missing
    dict(flatten(manifest["fingerprint"]))
    if not run.is_dir():
        return
    for name in FILES:
        path, sha256 = run / name, manifest.get(FILES[name])
        if path.is_file() and sha256_file(path) != sha256:
            raise UsageError(
                f"{shown(path)} is damaged: its sha256 is not the manifest's. `samebits verify "
                f"{shlex.quote(shown(run / 'manifest.json'))}` compares with the manifest alone"
            )
    if _files(run):
        check_run(run)


def _files(run: Path) -> bool:
    return all((run / name).is_file() for name in FILES)


def command_of(
    manifest: Mapping[str, Any], run: Path, place: Path, own: str | None, option: str = "--command"
) -> list[str]:
    """The command that repeats a run: the manifest's when it is safe or wanted, or the user's `own`.

    Args:
        manifest: of the run.
        run: for messages.
        place: where it will be started.
        own: the user's command; None: they gave none.
        option: with which they give it.

    Raises:
        UsageError: it is neither, or `own` is no command.
    """
    if own is not None:
        try:
            words = shlex.split(own)
        except ValueError as error:
            raise UsageError(f"{option} is {own!r}, which is no command: {error}") from None
        if not words:
            raise UsageError(f"{option} is empty: give the command that trains")
        return words
    words = command_line.read(manifest, run)
    if why := trust.doubt(words, place):
        trust.refuse_unless_wanted(words, why, run, option)
    return [*words, *_device(manifest, words)]


def refuse_other_code(manifest: Mapping[str, Any], run: Path) -> str:
    """Compare today's code with that of a manifest: the files that ran, else the commit and its changes.

    A manifest that names the files that ran is repeated where these are the same, whatever else the
    repository holds. Nothing is said where it has neither a commit nor files: a notebook's outside of git.

    Returns:
        What of the repository differs although the files that ran do not, in words; empty: nothing.

    Raises:
        UsageError: what would be repeated is not the code that made the run.
    """
    was = manifest.get("code") or {}
    parts = [*(link.get("code") or {} for link in manifest.get("chain", ())), was]
    if other := code_state.together(parts):
        raise UsageError(f"{run} was interrupted and resumed {other}: {ANYWAY}")
    folder = Path(_place(manifest) or ".", command_line.lengthened(str(was.get("folder") or "."))).resolve()
    checkout = git.checkout(folder)
    now = code_state.state(folder, checkout)
    files = code_state.changed_files(folder, was.get("files") or {})
    commit, short = was.get("commit"), (was.get("commit") or "")[:DIGITS]
    if was.get("files") and not files:
        return _beside(was, now, checkout)
    differ = f" ({some(files)})" if files else ""
    if commit is not None and now["commit"] is None:
        raise UsageError(
            f"{run} was made on commit {commit}, and {folder} is no git checkout of it: {ANYWAY}"
        )
    if commit is not None and now["commit"] != commit:
        raise UsageError(
            f"{run} was made on commit {commit}, here is {now['commit'][:DIGITS]}{differ}: "
            f"`{_git(checkout)} checkout {short}` gives it, {ANYWAY}"
        )
    if commit is not None and now["diff"] is not None and was.get("diff") is None:
        changed = differ or (f" ({some(git.changes(checkout[0]))})" if checkout else "")
        raise UsageError(
            f"{run} was made on commit {short} as it is, and files here differ from it{changed}: "
            f"commit them, then `{_git(checkout)} checkout {short}` gives the code of the run, {ANYWAY}"
        )
    if commit is not None and now["diff"] != was.get("diff"):
        here = f"others ({now['diff'][:DIGITS]})" if now["diff"] else "none"
        raise UsageError(
            f"{run} was made with changes that no commit has ({was['diff'][:DIGITS]}), and here are "
            f"{here}{differ}: {ANYWAY}"
        )
    if files:
        raise UsageError(f"{run} was made by other code than is in {folder}{differ}: {ANYWAY}")
    return ""


def _beside(was: Mapping[str, Any], now: Mapping[str, Any], checkout: tuple[Path, str] | None) -> str:
    """In what a repository differs whose files that ran are the run's, in words."""
    commit, here = was.get("commit"), now["commit"]
    if checkout is None or commit is None or (here, now["diff"]) == (commit, was.get("diff")):
        return ""
    names = set(git.changes(checkout[0]))
    if here != commit:
        names |= set((git.git(checkout[0], "diff", "--name-only", commit, here) or "").splitlines())
    return f"other files differ from commit {commit[:DIGITS]}" + (
        f" ({some(sorted(names))})" if names else ""
    )


def _place(manifest: Mapping[str, Any]) -> Path | None:
    """Where the repetition is started; None: here."""
    place = variables.find_root() / (manifest.get("working_folder") or "")
    return place if manifest.get("working_folder") and os.path.isdir(place) else None  # or too long a name


def _git(checkout: tuple[Path, str] | None) -> str:
    here = checkout is None or Path.cwd().resolve().is_relative_to(checkout[0])
    return "git" if here or checkout is None else shlex.join(["git", "-C", str(checkout[0])])


def environment(manifest: Mapping[str, Any], run: Path) -> dict[str, str | None]:
    """The variables to repeat a run with: its own choices, and nothing of this shell's that decides bits.

    Raises:
        UsageError: one of them could make the training load a file or code.
    """
    recorded = manifest["fingerprint"].get("variables", {})
    allowed = manifest.get("allowed", [])
    changes: dict[str, str | None] = {}
    for row in variables.read():
        chosen = row.name in allowed or (row.policy in AS_RECORDED and row.name in recorded)
        if chosen and f"variables.{row.name}" not in FOLLOWING_THE_HOST:
            value = recorded.get(row.name)
            changes[row.name] = value if value and not variables.PLACEHOLDER.search(value) else None
    trust.refuse_variables(dict.fromkeys(allowed) | changes, run)
    threads = manifest.get("threads") or str(recorded.get("OMP_NUM_THREADS") or 1).partition(",")[0]
    if not THREADS.fullmatch(threads):
        raise UsageError(f"{run} was made with OMP_NUM_THREADS={threads!r}, which is no number from 1 to 999")
    changes["SAMEBITS_THREADS"], changes["SAMEBITS_ALLOW"] = threads, ",".join(allowed) or None
    changes["PROFILE"] = manifest.get("profile")
    return changes


def _device(manifest: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """What `auto` chose for the run is chosen for its repetition; a command that names its device stays.

    As one word, which parsers of every kind take.
    """
    if manifest["settings"].get("device") != "auto" or any(
        word.partition("=")[0] == "--device" for word in words
    ):
        return []
    return [f"--device={manifest['device']}"]


def compare(manifest: Mapping[str, Any], run: Path, repetition: Path) -> Verdict:
    """Compare a run, or its manifest alone, with its repetition."""
    again = read_manifest(repetition)
    metrics = manifest.get("metrics_sha256") == again["metrics_sha256"]
    same = metrics and manifest["weights_sha256"] == again["weights_sha256"]
    return Verdict(
        manifest["weights_sha256"],
        again["weights_sha256"],
        metrics,
        tuple(differences(manifest, again)),
        compare_runs(run, repetition) if _files(run) else None,
        manifest.get("metrics", {}),
        again["metrics"],
        not_numbers(repetition / "weights.safetensors"),
        of_run.lines_of((manifest, again)),
        of_run.lines_of((manifest, again), kinds=("file", "data")),
        between(run, repetition) if _files(run) and not same else None,
        golden.since(*(each.get(FIRST_STEPS, {}) for each in (manifest, again))),
    )


def differences(was: Mapping[str, Any], is_: Mapping[str, Any]) -> Iterator[Difference]:
    """In what two manifests differ: code, settings, data, versions, machine."""
    facts = [of_manifest(manifest) for manifest in (was, is_)]
    for side in facts:  # whether these are equal is the verdict's own subject
        del side[WEIGHTS]
    differences = [each for each in diff.differences(*facts) if each.fact not in FOLLOWING_THE_HOST]
    differences = [each for each in differences if each.rank != "none" or not each.fact.startswith("code.")]
    return iter(sorted(differences, key=lambda each: not each.fact.startswith("code.")))


def report(verdict: Verdict, kept: Path | None, as_json: bool) -> None:
    """Print a verdict."""
    if as_json:
        comparison = verdict.comparison
        result = {
            "same": verdict.same,
            "sha256": {"run": verdict.run, "repetition": verdict.repeat},
            "metrics": verdict.metrics,
            "environment": verdict.environment,
            "not_numbers": verdict.not_numbers,
            "chance": verdict.chance,
            "difference": comparison and comparison.as_json(),
            "verdict": verdict.why and verdict.why.as_json(),
            "first_difference": verdict.since or None,
            "kept": kept and str(kept),
        }
        print_json(result)
        return
    if not verdict.same:
        print(printable("\n".join(verdict.lines())))
    else:
        print(printable("".join(f"chance   {line}\n" for line in verdict.files)), end="")
    for difference in verdict.environment:
        changed = diff.change(difference)
        print(printable(f"environment  {difference.fact}: {changed} ({diff.WORDS[difference.rank]})"))
    if verdict.same and verdict.not_numbers:
        print(printable(f"the weights {holding_nan(verdict.not_numbers)}"))
    if verdict.same:
        print(f"same bits: sha256 {verdict.run}; {_environment_in_words(verdict)}")
    if kept is not None and verdict.same:
        print(f"the repetition is kept in {shown(kept)}")


def _environment_in_words(verdict: Verdict) -> str:
    facts = [difference.fact for difference in verdict.environment]
    code = [fact.removeprefix("code.") for fact in facts if fact.startswith("code.")]
    number = len(verdict.environment) - len(code)
    if number == 0 and not code and not verdict.same:
        return "code and environment are the same: the data changed, or the training does not repeat"
    files = [name.removeprefix("files.") for name in code if name.startswith("files.")]
    changed = f"the code is other code ({some(files or code)}); " if code else ""
    return changed + {0: "the environment is the same", 1: "1 fact of the environment differs"}.get(
        number, f"{number} facts of the environment differ"
    )
