"""The manifest of a finished run, as anybody reads it: whoever wrote it, it is checked before it is used."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebits._formats import refuse_other
from samebits._json_files import (
    COUNT,
    NAME,
    SHA256,
    TABLE,
    TABLES,
    TEXT,
    TEXTS,
    YES_NO,
    Content,
    Shape,
    one_of,
    optional,
    read_json,
)
from samebits._json_files import check as check_shape
from samebits.errors import UsageError
from samebits.fingerprint.facts import flatten
from samebits.process.variables import PROFILES

# What readers rely on, whoever wrote the file.
THREADS = re.compile("[1-9][0-9]{0,2}")
# It is given to git, which takes what begins with "-" for an option, and shown in commands to type.
COMMIT: Shape = (
    "a commit's hash",  # or a name: an image may be built by hand
    lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9A-Za-z][0-9A-Za-z._/-]{0,99}", value)),
)
CODE: dict[str, Shape] = {
    "folder": TEXT,
    "script": optional(TEXT),
    "commit": optional(COMMIT),
    "dirty": optional(YES_NO),
    "diff": optional(TEXT),
    "files": TABLE,
    "samebits": TABLE,
}
SHAPES: dict[str, Shape] = {
    "framework": NAME,  # this and the device name entries of golden.toml
    "device": NAME,
    "profile": one_of(*PROFILES),
    "command": optional(TEXTS),
    "working_folder": optional(TEXT),
    "threads": ("a number from 1 to 999, as text", lambda v: TEXT[1](v) and bool(THREADS.fullmatch(v))),
    "seed": ("a whole number", lambda value: type(value) is int),
    "settings": TABLE,
    "deciding_settings": TABLE,
    "code": optional(TABLE),
    "allowed": TEXTS,
    "fingerprint": TABLE,
    "metrics": TABLE,
    "metrics_sha256": SHA256,
    "steps": COUNT,
    "chain": TABLES,
    "unsaved": TABLES,
    "unsaved_not_looked_at": optional(TEXTS),
    "first_steps": TABLE,
    "weights_sha256": SHA256,
}


def read_manifest(folder: str | os.PathLike[str], any_format: bool = False) -> Content:
    """The manifest of a finished run: of its folder, or a manifest.json that came alone.

    Whoever wrote it: what is returned has the types that its readers rely on, and nothing in it has been
    used yet. To ask for a name that it lacks raises UsageError, too.

    Args:
        folder: either.
        any_format: also one that this version does not know, unchecked; its weights' hash is in every format.

    Raises:
        UsageError: the folder is no run, one of a format that this version does not know, or what stands in
            its manifest is of another type.
    """
    try:
        path = Path(folder) if Path(folder).is_file() else Path(folder) / "manifest.json"
        values = read_json(path)
    except (OSError, ValueError):
        raise UsageError(f"{folder} is not a finished run: it has no readable manifest.json") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path} is not a run's manifest")
    if any_format:
        return Content(values, path)
    refuse_other(path, values.get("format"))
    check_shape(values, SHAPES, path)
    for link in (values, *values.get("chain", ())):
        check_shape(link, {"code": SHAPES["code"]}, f"{path}, chain")
        check_code(link.get("code") or {}, path)
    begun = values.get(FIRST_STEPS, {})
    check_shape(begun, dict.fromkeys(begun, TEXT), f"{path}, {FIRST_STEPS}")
    check_shape(values.get("fingerprint", {}), {"variables": TABLE}, f"{path}, fingerprint")
    variables = values.get("fingerprint", {}).get("variables", {})
    check_shape(variables, dict.fromkeys(variables, optional(TEXT)), f"{path}, variables")
    return Content(values, path)


def check_code(code: Mapping[str, Any], path: Path) -> None:
    """What a run or a record says of its code has the types that its readers rely on.

    Raises:
        UsageError: it does not.
    """
    check_shape(code, CODE, f"{path}, code")
    files = code.get("files", {})
    check_shape(files, dict.fromkeys(files, SHA256), f"{path}, code.files")


FIRST_STEPS = (
    "first_steps"  # what a run records by itself, as a few digests; that of each epoch's end among them
)
EPOCHS = "weights after each epoch"
WEIGHTS = "weights_sha256"  # beside the facts of a run and of a golden entry; not one itself


def of_manifest(manifest: Mapping[str, Any]) -> dict[str, str]:
    """A manifest's flattened fingerprint, with settings, code and weights beside it."""
    settings = dict(flatten(manifest.get("deciding_settings") or {}))
    return {
        "framework": str(manifest["framework"]),
        WEIGHTS: str(manifest["weights_sha256"]),
        **{f"setting {name}": value for name, value in settings.items()},
        **dict(flatten({"code": manifest.get("code") or {}})),
        **dict(flatten(manifest["fingerprint"])),
    }
