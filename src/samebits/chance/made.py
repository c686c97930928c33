"""Generators that were made without a seed: whether they were used is known in the end."""

import contextlib
from collections.abc import Callable

from samebits.chance.never_fails import never_fails
from samebits.chance.places import Place
from samebits.chance.records import RECORDS, Source

KEPT = 64  # of one place that are looked at in the end; a place in a loop makes a million


class Made:
    """What was made at one place.

    Attributes:
        number: how often in this process.
        marks: what tells some of them apart, each with the function that says whether it was used: None where
            it is gone.
        sure: whether it counts even if it is gone by now.
    """

    def __init__(self) -> None:
        self.number = 0
        self.marks: dict[object, Callable[[], bool | None]] = {}
        self.sure = False


made: dict[Source, Made] = {}
prepare: list[Callable[[], None]] = []  # called before anybody is asked whether something was used


def note(source: Source, mark: object, used: Callable[[], bool | None], sure: bool = True) -> None:
    """Remember that a generator was made.

    Args:
        source: what and where.
        mark: which one.
        used: whether it was drawn from by now; None where it is gone.
        sure: whether it counts even if it is gone.
    """
    entry = made.setdefault(source, Made())
    entry.number += 1
    entry.sure = entry.sure or sure
    if len(entry.marks) < KEPT:
        entry.marks[mark] = used


def decided(mark: object) -> None:
    """Somebody gave it a seed or a state, before it was used or not: what comes now is decided."""
    for source, entry in list(made.items()):
        if entry.marks.pop(mark, None) is not None:
            entry.number -= 1
            if entry.number <= 0:
                del made[source]


@never_fails
def settle() -> None:
    """Count those that were drawn from; what is alive and untouched decides nothing."""
    if not made:
        return
    for look in prepare:
        look()
    with contextlib.suppress(RuntimeError):  # another thread makes one meanwhile
        for source, entry in list(made.items()):
            uses = [used() for used in entry.marks.values()]
            untouched = sum(use is False for use in uses)
            if True in uses or (entry.sure and untouched < max(1, entry.number)):
                RECORDS.add(source, entry.number)
                del made[source]


def forked() -> None:
    """What the parent made may be used here; it was counted there."""
    for entry in made.values():
        entry.number = 0


def source_at(where: Place, what: str, fix: str, kind: str = "generator") -> Source:
    """A source at a place, with the fix that the one can take who asked for it there."""
    if where.library:
        fix = f"give {where.library} a seed where you make its object, or seed it before that"
    return Source(kind, what, where.file, where.line, where.library, fix)
