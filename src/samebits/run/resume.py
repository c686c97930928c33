"""Which checkpoint an interrupted run resumes from, and whether it may."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebits._files import shown
from samebits._json_files import (
    ANYTHING,
    COUNT,
    NUMBERS,
    SHA256,
    TABLE,
    TABLES,
    TEXT,
    TEXTS,
    YES_NO,
    Shape,
    parse,
)
from samebits._json_files import check as check_shape
from samebits._printable import printable, some
from samebits.checkpoint import files
from samebits.checkpoint.files import Checkpoint, Damaged
from samebits.errors import UsageError
from samebits.fingerprint.facts import FOLLOWING_THE_HOST
from samebits.run.folder import WorkingFolder

MODES = ("auto", "previous", "never", "force")
POSITION: Shape = (
    "an epoch and a batch, two whole numbers",
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(COUNT[1], value)),
)
# What a run relies on in a checkpoint, whoever wrote it: its digest says only that it was not changed since.
SHAPES: dict[str, Shape] = {
    "framework": TEXT,
    "device": TEXT,
    "settings": TABLE,
    "evaluating": TABLE,
    "changed_by_evaluation": TEXTS,
    "fingerprint": TABLE,
    "run": TEXT,
    "chain": TABLES,
    "epoch": COUNT,
    "loops": COUNT,
    "next": POSITION,
    "ended": YES_NO,
    "batches": SHA256,
    "batches_seen": YES_NO,
    "collected": TABLE,
    "metrics": TABLE,
    "state": TABLE,
    "unsaved": TABLES,
    "attributes": TABLE,
}
UNSAVED: dict[str, Shape] = {
    **dict.fromkeys(("name", "kind", "where", "fix"), TEXT),
    **dict.fromkeys(("shown", "within_epochs"), YES_NO),
}
PLACE: dict[str, Shape] = {"bytes": COUNT, "sha256": SHA256}  # how far the metrics were
ATTRIBUTES: dict[str, Shape] = {"version": COUNT, "values": TABLES, "beginning": TABLES, "reading": TEXT}
ATTRIBUTE: dict[str, Shape] = {"path": TEXT, "initial": SHA256, "words": TEXT, "value": TABLE}
STATE: dict[str, Shape] = {"objects": TABLE, "generators": TABLE}
OBJECT: dict[str, Shape] = {"class": TEXT, "state": ANYTHING}


def mode(chosen: str) -> str:
    """What the user wants: SAMEBITS_RESUME, or else what was chosen.

    auto: from the newest checkpoint; previous: passing over damaged ones; never: from the beginning, what is
    there set aside; force: although settings, locks or device have changed.
    """
    wanted = os.environ.get("SAMEBITS_RESUME") or chosen
    if wanted not in MODES:
        raise UsageError(f"resume is {wanted!r}: it must be one of {', '.join(MODES)}")
    return str(wanted)


def find_checkpoint(working: WorkingFolder, wanted: str) -> Checkpoint | None:
    """The checkpoint to resume from, None to start at the beginning.

    Raises:
        Damaged: the newest one is, and "previous" was not asked for.
        UsageError: it belongs to another run, or none is whole.
    """
    there = files.find(working.checkpoints)
    if wanted == "never" and list(working.checkpoints.glob("[!.]*")):
        print(f"samebits: the interrupted run is kept as {shown(working.set_aside())}", file=sys.stderr)
        return None
    for folder in there:
        try:
            checkpoint = files.read(folder)
            _check_content(checkpoint)
            check_metrics(working.metrics, checkpoint)
        except Damaged as error:
            if wanted != "previous":
                raise
            aside = _set_aside(folder)
            print(f"samebits: {printable(error.what)}; it is kept as {shown(aside)}", file=sys.stderr)
            continue
        if working.is_new:  # a power cut can take the name and leave the checkpoints
            working.name(checkpoint.content["run"])
        if checkpoint.content["run"] != working.run:
            raise UsageError(
                f"{folder} belongs to another run, started {checkpoint.content['chain'][0]['started']}: take "
                "it away, or `--resume never` starts from the beginning and keeps what is here"
            )
        return checkpoint
    working.clear()
    return None


def _check_content(checkpoint: Checkpoint) -> None:
    """Look whether a checkpoint has the types that a run relies on.

    Raises:
        UsageError: naming what has another.
    """
    content, where = checkpoint.content, checkpoint.folder / files.STATE
    check_shape(content, SHAPES, where)
    check_shape(content["metrics"], PLACE, f"{where}, metrics", whole=True)
    collected = content.get("collected", {})
    check_shape(collected, dict.fromkeys(collected, NUMBERS), f"{where}, collected")
    for link in content.get("chain", ()):
        check_shape(link, {"started": TEXT}, f"{where}, chain", whole=True)
    for value in content.get("unsaved", ()):
        check_shape(value, UNSAVED, f"{where}, unsaved", whole=True)
    if (attributes := content.get("attributes")) is not None:
        check_shape(attributes, ATTRIBUTES, f"{where}, attributes", whole=True)
        for value in (*attributes["values"], *attributes["beginning"]):
            check_shape(value, ATTRIBUTE, f"{where}, attributes", whole=True)
    if "state" in content:
        state = content["state"]
        check_shape(state, STATE, f"{where}, state", whole=True)
        check_shape(state["objects"], dict.fromkeys(state["objects"], TABLE), f"{where}, objects")
        for name, saved in state["objects"].items():
            check_shape(saved, OBJECT, f"{where}, {name}", whole=True)


def check_metrics(path: Path, checkpoint: Checkpoint) -> None:
    """The metrics up to a checkpoint must be those that it was made with.

    Raises:
        Damaged: they are not.
    """
    expected = checkpoint.content["metrics"]
    try:
        with open(path, "rb") as file:
            content = file.read(expected["bytes"])
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise Damaged(path, f"is not what it was at {checkpoint.folder.name}: its sha256 differs")
    try:
        tables = all(isinstance(parse(line), dict) for line in content.splitlines())
    except ValueError:
        tables = False
    if not tables:
        raise Damaged(path, "is not a file of JSON lines, each a table")


def differences(checkpoint: Checkpoint, now: Mapping[str, Any]) -> list[str]:
    """What can change bits and is not as it was, in lines: framework, device, settings, then fingerprint."""
    lines = []
    for name in ("framework", "device"):
        if checkpoint.content[name] != now[name]:
            lines.append(f"{name} was {checkpoint.content[name]} and is {now[name]}")
    for table, label in (("settings", "setting "), ("fingerprint", "")):
        was, is_ = checkpoint.content[table], json.loads(json.dumps(now[table]))
        for name in {**was, **is_}:
            if name not in FOLLOWING_THE_HOST and was.get(name) != is_.get(name):
                lines.append(f"{label}{name} was {was.get(name, 'absent')} and is {is_.get(name, 'absent')}")
    if changed := checkpoint.content["changed_by_evaluation"]:
        was, is_ = checkpoint.content["evaluating"], now["evaluating"]
        for name in {**was, **is_}:
            if was.get(name) != is_.get(name):
                lines.append(
                    f"setting {name} was {was.get(name, 'absent')} and is {is_.get(name, 'absent')}, and "
                    f"evaluation may have changed {', '.join(changed[:3])} after an epoch's last step"
                )
    return lines


def refuse_or_note(checkpoint: Checkpoint, now: Mapping[str, Any], wanted: str) -> list[str]:
    """The differences, if `force` allows them.

    Raises:
        UsageError: there are some, and it was not.
    """
    lines = differences(checkpoint, now)
    if lines and wanted != "force":
        raise UsageError(
            f"{checkpoint.folder} was made in another way: {some(lines, separator='; ')}. "
            "`--resume force` continues anyway and records it, `--resume never` starts from the beginning"
        )
    return lines


def _set_aside(folder: Path) -> Path:
    aside = folder.with_name(f"{folder.name}.damaged")
    number = 1
    while aside.exists():
        number += 1
        aside = folder.with_name(f"{folder.name}.damaged-{number}")
    os.rename(folder, aside)
    return aside
