"""What a run is told besides its training's settings: where it goes, when it is saved, how it resumes."""

import dataclasses
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from samebits._printable import described
from samebits.errors import UsageError
from samebits.run.option import option


@dataclass(frozen=True)
class RunSettings:
    """samebits' own settings. Yours inherit from it, and your command line has them as options.

    >>> @dataclass(frozen=True)
    ... class Settings(RunSettings):
    ...     learning_rate: float = option(3e-3, "AdamW's step size", minimum=0)
    >>> Settings(seed=7).checkpoint_every
    0

    Attributes:
        seed: from which every random stream is derived, in [0, 2**63).
        device: "auto" takes a GPU where there is one.
        evaluate_every: see `evaluated_epochs`.
        checkpoint_every: steps between two checkpoints; 0: one at each epoch's end.
        keep_checkpoints: how many of the newest checkpoints are kept.
        resume: what an interrupted run does; docs/resume.md.
        strict: fail where a run otherwise only says so: state that changes and that no checkpoint holds, and
            chance in the user's own code that no seed decides. SAMEBITS_STRICT=1 does the same.
        run: the run's folder; None: one in runs/, named by the settings that are not at their default.
    """

    seed: int = option(0, "root of every random stream", minimum=0)
    device: Literal["auto", "cpu", "cuda"] = option(
        "auto", "where to train; auto: a GPU if there is one", affects_weights=False
    )
    evaluate_every: int = option(
        1, "epochs between evaluations; 0: at the end", minimum=0, affects_weights=False
    )
    checkpoint_every: int = option(
        0, "steps between checkpoints; 0: at each epoch's end", minimum=0, affects_weights=False
    )
    keep_checkpoints: int = option(
        2, "how many of the newest checkpoints are kept", minimum=1, affects_weights=False
    )
    resume: Literal["auto", "previous", "never", "force"] = option(
        "auto",
        "an interrupted run: auto resumes it, previous skips a damaged checkpoint, never starts anew, "
        "force resumes although settings or versions differ",
        affects_weights=False,
    )
    strict: bool = option(False, "fail where a run otherwise warns", affects_weights=False)
    run: Path | None = option(None, "the run's folder (default: in runs/)", affects_weights=False)

    def evaluated_epochs(self, epochs: int) -> list[int]:
        """The epochs, counted from 1, after which to evaluate; the last of `epochs` always is one."""
        every = self.evaluate_every or epochs
        return sorted({*range(every, epochs + 1, every), epochs})


DEVICES = ("auto", "cpu", "cuda")
NAMES = tuple(field.name for field in dataclasses.fields(RunSettings))


@dataclass(frozen=True)
class Options:
    """What `open_run` was told, with defaults; as `RunSettings` describes them.

    Attributes:
        keep_steps: the steps whose checkpoints are made and kept besides.
    """

    folder: Path | None = None
    checkpoint_every: int = 0
    keep_checkpoints: int = 2
    keep_steps: Collection[int] = ()
    resume: str = "auto"
    strict: bool = False


def options(settings: Any, **given: Any) -> Options:
    """What counts: what was given, else what `RunSettings` say, else the default.

    A field of the same name in settings of another class is the training's own, and means nothing here.

    Raises:
        UsageError: a number is none, or too small, or the folder is no path.
    """
    chosen = {}
    if isinstance(settings, RunSettings):
        names = ("checkpoint_every", "keep_checkpoints", "resume", "strict")
        chosen = {"folder": settings.run, **{name: getattr(settings, name) for name in names}}
    told = Options(**chosen | {name: value for name, value in given.items() if value is not None})
    if os.environ.get("SAMEBITS_STRICT", "0") not in ("", "0"):
        told = dataclasses.replace(told, strict=True)
    _check("checkpoint_every", told.checkpoint_every, 0)
    _check("keep_checkpoints", told.keep_checkpoints, 1)
    if isinstance(told.keep_steps, str) or not isinstance(told.keep_steps, Collection):
        raise UsageError(f"keep_steps is {told.keep_steps!r}: give a list of steps")
    for step in told.keep_steps:
        _check("keep_steps", step, 1)
    if told.folder is not None and not (
        isinstance(told.folder, str | os.PathLike) and isinstance(os.fspath(told.folder), str)
    ):
        raise UsageError(f"folder is {described(told.folder)}: give a path as text, or None")
    return told


def checked_device(wanted: Any) -> str:
    """The device that a run is to have, if there is one of that kind.

    Raises:
        UsageError: there is none.
    """
    if wanted not in DEVICES:
        raise UsageError(
            f"device is {wanted!r}: give {', '.join(DEVICES)}; CUDA_VISIBLE_DEVICES chooses a GPU"
        )
    return str(wanted)


def _check(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise UsageError(f"{name} is {value!r}: give an integer from {least}")


def wanted_device(settings: Any) -> str:
    """The device that `RunSettings` say; "auto" for settings of another class."""
    return settings.device if isinstance(settings, RunSettings) else "auto"
