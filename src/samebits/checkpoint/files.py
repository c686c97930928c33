"""A checkpoint on disk: a folder that is there whole or not at all, and that tells when it was damaged.

    step-00000120/tensors.safetensors   every tensor of the state
    step-00000120/state.json            the rest, and both files' SHA-256

Reading one makes numbers, text and tensors of it and runs no code, whoever wrote it.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits._files import cannot_write, flush_file, sha256_file
from samebits._formats import FORMAT, refuse_other
from samebits._json_files import COUNT, SHA256, Content, read_json
from samebits._json_files import check as check_shape
from samebits.errors import UsageError
from samebits.hashing.weights import Stored, Tensor, read_header, save_tensors

TENSORS, STATE = "tensors.safetensors", "state.json"
NAME = re.compile(r"step-(\d{8,})")


class Damaged(UsageError):  # noqa: N818 - reads as what it is at every `raise`
    """A checkpoint is not as it was written.

    Attributes:
        what: what is damaged and how, without what to do about it.
    """

    def __init__(self, path: Path, how: str) -> None:
        self.what = f"{path} {how}"
        super().__init__(
            f"{self.what}; `--resume previous` continues from the newest complete checkpoint before it, "
            "`--resume never` starts from the beginning; neither deletes anything"
        )


@dataclass(frozen=True)
class Checkpoint:
    """One that was read and is whole.

    Attributes:
        content: what `write` was given, as JSON gives it back.
        tensors: where each tensor lies.
    """

    folder: Path
    content: dict[str, Any]
    tensors: dict[str, Stored]


def write(folder: Path, step: int, content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """Write a checkpoint beside its place, flush it to disk, rename it.

    Args:
        folder: where the checkpoints of a run lie; made when it is not there.
        step: how many steps the run has taken.
        content: plain JSON.
        tensors: read here one by one, and not copied.

    Raises:
        UsageError: it cannot be written; nothing is left behind, and no former checkpoint is touched.
    """
    place = folder / f"step-{step:08}"
    beside = folder / f".{place.name}.partial"
    try:
        shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
        beside.mkdir(parents=True)
        sha256 = save_tensors(tensors, beside / TENSORS)
        body = {"format": FORMAT, "step": step, "tensors_sha256": sha256, **content}
        with open(beside / STATE, "w", encoding="utf-8") as file:
            json.dump({"sha256": _digest(body), "content": body}, file)
            file.flush()
            os.fsync(file.fileno())
        flush_file(beside)
        if place.exists():  # the same step of the same run: whole, or it would have been set aside
            shutil.rmtree(place)
        os.rename(beside, place)
        flush_file(folder)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(place, error) from None
        raise
    return place


def find(folder: Path) -> list[Path]:
    """The checkpoints in a folder, whole or damaged, the newest first."""
    with contextlib.suppress(OSError):
        paths = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
        return sorted(paths, key=_step, reverse=True)
    return []


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint and compare every byte of it with its digests.

    Raises:
        Damaged: it is not as it was written.
        UsageError: another version of samebits wrote it.
    """
    try:
        whole = read_json(folder / STATE)
        content, sha256 = whole["content"], whole["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Damaged(folder / STATE, "cannot be read as what it is") from None
    if not isinstance(content, dict) or _digest(content) != sha256:
        raise Damaged(folder / STATE, "is not what was written: its sha256 differs")
    content = Content(content, folder / STATE)
    begins_anew = "; `--resume never` starts from the beginning and keeps what is here"
    refuse_other(folder / STATE, content.get("format"), begins_anew)
    check_shape(content, {"step": COUNT, "tensors_sha256": SHA256}, folder / STATE)
    if content["step"] != _step(folder):
        raise Damaged(folder / STATE, f"is the state of step {content['step']}: somebody moved it")
    try:
        sha256 = sha256_file(folder / TENSORS)
    except OSError as error:
        raise Damaged(folder / TENSORS, f"cannot be read: {error.strerror}") from None
    if sha256 != content["tensors_sha256"]:
        raise Damaged(folder / TENSORS, "is not what was written: its sha256 differs")
    return Checkpoint(folder, content, read_header(folder / TENSORS))


def prune(folder: Path, newest: int, steps: Collection[int]) -> None:
    """Delete all checkpoints but the newest ones and those of `steps`."""
    for old in find(folder)[newest:]:
        if _step(old) not in steps:
            doomed = old.with_name(f".{old.name}.partial")  # first out of sight: never half a checkpoint
            with contextlib.suppress(OSError):
                os.rename(old, doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def _step(folder: Path) -> int:
    match = NAME.fullmatch(folder.name)
    assert match is not None
    return int(match[1])


def _digest(content: Mapping[str, Any]) -> str:
    """Of the parsed content: how it is spaced does not matter, any other change does."""
    text = json.dumps(content, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
