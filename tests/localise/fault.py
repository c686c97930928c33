"""What a fault of the catalogue is."""

from dataclasses import dataclass, field
from typing import Literal

ANY = -1  # the step cannot be known before, such as that of a race

Data = Literal["", "backwards", "other file", "stale"]


@dataclass(frozen=True)
class Fault:
    """One small change to a training, and what must be said first about two runs of it.

    Several places or causes stand where several words are right: an operation that computes other numbers is
    seen in the output, the loss or the gradient, wherever its bits differ first.

    Attributes:
        kind: in words; the faults of one kind stand together in the table.
        script: the training that is changed.
        place: where the runs differ first: the kinds of `samebits diff --json`.
        step: of the place; None before the first step; ANY where it cannot be known.
        cause: the kinds of the cause that must come first.
        says: what must stand in that cause: a name of a file, of a call or of a tensor.
        shared: changes of both runs, made first, that are no fault.
        change: old text of the script to new text; each old text stands there once.
        both: both runs have the change; else A is the training as it is.
        common: arguments of both runs.
        arguments: added to B's command.
        environment: variables of A and of B.
        data: what is done to B's data.
        files: further files beside the script: name to text.
        resumed: B's command is stopped with these arguments, and then resumed with --resume.
        before: arguments of a run before B, which is not recorded and leaves its files.
    """

    kind: str
    script: str
    place: tuple[str, ...]
    step: int | None
    cause: tuple[str, ...]
    says: str = ""
    shared: dict[str, str] = field(default_factory=dict)
    change: dict[str, str] = field(default_factory=dict)
    both: bool = False
    common: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: tuple[dict[str, str], dict[str, str]] = ({}, {})
    data: Data = ""
    files: dict[str, str] = field(default_factory=dict)
    resumed: tuple[str, ...] = ()
    before: tuple[str, ...] | None = None

    @property
    def framework(self) -> str:
        return "Keras" if self.script.startswith("keras_") else "torch"
