"""Which lines inside steps two records have in common: one may be deeper, or look into other steps."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from samebits.diff.reader import AFTER, Event, kind_of
from samebits.record.format import INSIDE, LEVELS

STEPS_BEFORE = re.compile(rb'\{"event":"[a-z]{1,20}","after":(\{[^{}]{0,2000}\})')
Steps = Mapping[int, int]  # by the number of an optimiser


class Depth(NamedTuple):
    """How deep a record goes.

    Attributes:
        kinds: of the lines inside a step that it has.
        window: the steps that have them; None: all.
    """

    kinds: tuple[str, ...]
    window: range | None

    def has(self, after: Steps) -> bool:
        """Whether it has lines inside of what is computed after so many steps."""
        return self.window is None or any(count + 1 in self.window for count in (after.values() or [0]))


def depth_of(about: Event) -> Depth:
    """How deep a record goes, from its first line."""
    level, steps = about.get("level"), about.get("steps")
    kinds = INSIDE[: LEVELS.index(level)] if level in LEVELS else ()
    if isinstance(steps, list) and len(steps) == 2 and all(type(step) is int for step in steps):
        return Depth(kinds, range(steps[0], steps[1] + 1))
    return Depth(kinds, None)


def in_common(lines: Iterator[bytes], ours: Depth, theirs: Depth, ahead: Steps) -> Iterator[bytes]:
    """The lines of one record without those inside of steps into which the other one did not look.

    Args:
        lines: of the one.
        ours, theirs: how deep both go.
        ahead: by optimiser, how many steps the other one is ahead in its own count.
    """
    if ours == theirs and not any(ahead.values()):
        return lines
    return (line for line in lines if _both(line, theirs, ahead))


def _both(line: bytes, theirs: Depth, ahead: Steps) -> bool:
    kind = kind_of(line)
    if kind not in INSIDE:
        return True
    if kind not in theirs.kinds:
        return False
    if theirs.window is None or (match := STEPS_BEFORE.match(line)) is None:
        return True
    try:
        steps = json.loads(match[1])
    except ValueError:
        return True  # damaged: its reader says so
    if not AFTER[1](steps):
        return True  # likewise
    after = {int(name): count for name, count in steps.items()}
    return theirs.has({name: count + ahead.get(name, 0) for name, count in after.items()})
