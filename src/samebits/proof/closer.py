"""Whether a first difference can be placed more closely than at its step, and by which command."""

from pathlib import Path

from samebits._files import shown
from samebits.diff.place import Place
from samebits.diff.reader import Record
from samebits.errors import UsageError
from samebits.fingerprint.manifest import read_manifest
from samebits.process.command_line import hint, read
from samebits.proof import trust

# Places that operations of a step compute, from inputs that are equal. All others are inputs themselves.
COMPUTED = (
    "forward", "loss", "gradient", "clipping", "optimizer state", "parameter", "buffer", "evaluation",
    "metric", "weights",
)  # fmt: skip


def not_below(place: Place) -> str:
    """Why no operation of a step can be the reason for a difference, in words; "" where one can."""
    if place.what in ("model", "initial"):
        return "it is there before the first step, so no operation of a step is the reason: nothing ran again"
    if place.what not in COMPUTED:
        return "it is an input of the step, and no result of its operations: nothing ran again"
    return ""


def in_graphs(framework: str) -> str:
    """Why a framework's operations are not recorded, in words; "" where they are."""
    if framework in ("torch", ""):  # a record that does not say it cannot run again at all
        return ""
    return "cannot be placed below the step in graph mode: layers and operations are recorded in torch only"


def is_run(path: Path) -> bool:
    """Whether it is the folder of a finished run, and no record."""
    return path.is_dir() and (path / "manifest.json").exists()


def command_of(path: Path) -> tuple[str, ...]:
    """The recorded command of a training; () where there is not one.

    Raises:
        UsageError: the folder cannot be read.
    """
    if is_run(path):
        return tuple(read_manifest(path).get("command") or ())
    roots = Record(path).roots
    return tuple(roots[0].about["command"]) if len(roots) == 1 else ()


def framework_of(path: Path) -> str:
    """The framework of a training; "" where its record does not say it.

    Raises:
        UsageError: the folder cannot be read.
    """
    if is_run(path):
        return str(read_manifest(path)["framework"])
    return str((Record(path).settings or {}).get("framework", ""))


def bisection(first: Path, second: Path, place: Place | None) -> str:
    """The command that goes down to the operation, as it can be typed; "" where it would say nothing more.

    Args:
        first, second: two records, or two finished runs.
        place: their first difference.
    """
    try:
        if place is None or not_below(place) or framework_of(first) != "torch":
            return ""
        commands = [read({"command": list(command_of(path))}, path) for path in (first, second)]
    except UsageError:
        return ""
    words = ["samebits", "bisect", shown(first), shown(second)]
    if any(trust.doubt(command, Path.cwd()) for command in commands):
        if commands[0] != commands[1]:
            return ""
        words += ["--", *commands[0]]
    return hint(*words)
