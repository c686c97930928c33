"""What is known of a value that was looked at, besides its digest."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class About:
    """What is known of a value besides its digest.

    Attributes:
        name: as the code writes it.
        kind: of what type it is, in a word.
        parent: the key of the object that has it; None for a variable.
        root: what kind of name it is: "local", "global", "attribute", "class", "closure", "default" …
        base: the last plain name in `name`: what a source file is searched for.
        owner: where it is searched for: a class or the code of a function.
        shown: it only ends in what is printed or logged.
        whole: the outermost of the framework's objects around, such as a model around a layer.
        fixed: what is inside is reported under this name and kind.
        carried: checkpoints hold it by themselves.
        held: an object around it is one that the run holds.
    """

    name: str
    kind: str
    parent: str | None
    root: str
    base: str
    owner: Any = None
    shown: bool = False
    whole: "About | None" = None
    fixed: bool = False
    carried: bool = False
    held: bool = False


def of_kind(about: About, kind: type | str) -> About:
    """The same, of this kind."""
    if about.fixed:
        return about
    return replace(about, kind=kind if isinstance(kind, str) else kind.__name__)
