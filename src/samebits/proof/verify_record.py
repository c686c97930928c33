"""Repeat what a record describes, and compare: `samebits verify` of a folder that `samebits record` wrote."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from samebits._files import shown
from samebits._printable import printable
from samebits._report import print_json
from samebits.diff.reader import Record
from samebits.errors import CheckFailed, UsageError
from samebits.fingerprint.facts import FOLLOWING_THE_HOST
from samebits.fingerprint.manifest import check_code
from samebits.process import variables
from samebits.proof import trust
from samebits.proof.smoke import Watch, keep_runs, runs_folder
from samebits.proof.trainings import Training, train
from samebits.proof.why import compare
from samebits.record.secrets import MASK

# torch writes the folders of its caches into its own environment. They decide no bits, and hold code.
CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


def is_record(path: Path) -> bool:
    """Whether a folder is a record, and no run."""
    folder = os.path.isdir(path)  # and not `is_dir`, to which long names are an error
    return folder and not (path / "manifest.json").exists() and any(path.glob("*.jsonl"))


def as_manifest(path: Path, own: str | None, option: str = "--command") -> dict[str, Any]:
    """What a record says of its training, under the names that a run's manifest has for it.

    Args:
        path: the record.
        own: the command that the user gives in place of the recorded one.
        option: with which they give it, see `trust.given_by`.

    Raises:
        UsageError: it is no record, or says nothing of a training, or nothing that could be used.
    """
    record = Record(path)
    first = next(iter(record.roots), record.processes[0])
    settings = record.settings
    if settings is None:
        raise UsageError(f"{path} has nothing to repeat: no training was recorded")
    code = settings.get("code") or {}
    check_code(code, path)
    if own is None and any(MASK in word for word in first.about["command"]):
        raise UsageError(
            f"{path}: a word of its command looks like a secret, and is not stored: give the whole command: "
            f"{trust.given_by(option, 'COMMAND')}"
        )
    return {
        "command": first.about["command"],
        "working_folder": first.about.get("folder"),
        "framework": settings["framework"],
        "settings": {},
        "code": code,
        "device": settings["device"],
        "fingerprint": settings["fingerprint"],
    }


def environment(manifest: Mapping[str, Any], path: Path) -> dict[str, str | None]:
    """The variables of determinism.env as they were when it was recorded.

    Raises:
        UsageError: one of them could make the training load a file or code.
    """
    was = manifest["fingerprint"].get("variables")
    was = was if isinstance(was, dict) else {}
    chosen = {
        row.name: value if isinstance(value := was.get(row.name), str) and value else None
        for row in variables.read()
        if f"variables.{row.name}" not in FOLLOWING_THE_HOST and row.name not in CACHES
    }
    chosen = {
        name: None if value and variables.PLACEHOLDER.search(value) else value
        for name, value in chosen.items()
    }
    ours = {row.name: row.value for row in variables.read()}
    trust.refuse_variables({name: value for name, value in chosen.items() if value != ours[name]}, path)
    return chosen


def repeat(
    path: Path,
    words: Sequence[str],
    outside: Mapping[str, str | None],
    place: Path | None,
    keep: bool,
    as_json: bool,
) -> None:
    """Run a command again, recorded, and compare the two records.

    Args:
        path: the record.
        words: the command.
        outside: its variables.
        place: where it is started; None: here.
        keep: keep the new record even if it is equal.
        as_json: print JSON.

    Raises:
        CheckFailed: they differ.
        UsageError: it cannot be repeated.
    """
    watch = Watch(not as_json)
    with runs_folder("verify") as folder:
        target = (folder / "repetition").resolve()
        child = Training("the repetition", words, target, outside, place, bare=True, recorded=True)
        with closing(train([child], watch=watch)) as training, watch:
            finished = next(training)
        watch.say(f"repeated in {finished.seconds:.1f} s")
        said = compare(path, child.record)
        same = said.result.place is None
        kept = keep_runs(folder) if keep or not same else None
        said = said.moved(folder, kept)
    if as_json:
        print_json({"same": same, "verdict": said.as_json(), "kept": kept and str(kept)})
    elif not same:
        print(printable("\n".join(["between the record (A) and its repetition (B):", *said.lines()])))
    if not same:
        raise CheckFailed(f"not the same bits: {said.result.place} (the repetition is kept in {kept})")
    if not as_json:
        print(f"same bits: {said.result.steps:,} steps, weights {finished.sha256}")
        if kept is not None:
            print(f"the repetition is kept in {shown(kept)}")
