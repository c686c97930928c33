"""Generators that are in other states in two records: since when, and who drew from them.

A generator is an input. Where no result differs, it does not matter that it is in another state.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest

from samebits.diff.reader import Event


@dataclass(frozen=True)
class Apart:
    """Since when a generator is in another state.

    Attributes:
        last: the last place where it was equal, in words; "" where it never was.
        since: the first place where it was not.
        used: whether numbers were drawn from it after that, in either record.
        moved: what was done when it became another one, in words; "" where that is not known.
        line: of the user's code, there.
    """

    last: str
    since: str
    used: bool = False
    moved: str = ""
    line: str = ""

    def __str__(self) -> str:
        if not self.last:
            return f"not equal at {self.since}"
        moved = f"; {self.moved}" if self.moved else ""
        return f"equal after {self.last}, not at {self.since}{moved}"


class Generators:
    """Which generators are in other states in the two records.

    Attributes:
        apart: by name.
    """

    def __init__(self) -> None:
        self.apart: dict[str, Apart] = {}
        self._equal: dict[str, str] = {}
        self._states: dict[str, tuple[str, str]] = {}  # where it was apart first

    def equal(self) -> tuple[str, ...]:
        """What may be said of them, as far as they matter."""
        if any(each.last or each.used for each in self.apart.values()):
            return ()
        return ("the generators in use",) if self.apart else ("generators",)

    def see(
        self,
        place: str,
        before: str,
        first: dict[str, str],
        second: dict[str, str],
        events: tuple[Event, Event],
        known: Container[str] | None = None,
    ) -> None:
        """Look at the states at a place.

        Args:
            place: in words.
            before: the last event that was the same in both, in words.
            first, second: the digests of the states, by generator.
            events: there, of both.
            known: the generators that the last same event has: one that is new was equal nowhere. None: all.
        """
        for name in first.keys() & second.keys():
            if first[name] == second[name]:
                self.apart.pop(name, None)
                self._equal[name] = place
            elif name not in self.apart:
                seen = known is None or name in known or name in self._equal
                last = (before or self._equal.get(name, "")) if seen else ""
                moved, line = where_moved(name, *events) if last else ("", "")
                self.apart[name] = Apart(last, place, False, moved, line)
                self._states[name] = first[name], second[name]
            elif self._states[name] != (first[name], second[name]):
                self.apart[name] = replace(self.apart[name], used=True)

    def draw(self, names: Iterable[str]) -> None:
        """Numbers are drawn from these."""
        for name in names:
            if name in self.apart:
                self.apart[name] = replace(self.apart[name], used=True)


def where_moved(name: str, first: Event, second: Event) -> tuple[str, str]:
    """During what a generator came to another state than in the other record, in words, and the line."""
    ours, theirs = ([move for move in each.get("moves", ()) if move[0] == name] for each in (first, second))
    edited = first["line"] != second["line"]  # one line that is not where it was: others are not, too
    places = [{(*move[2:],) for move in moves} for moves in (ours, theirs)]
    for a, b in zip_longest(ours, theirs):
        if a is not None and b is not None and a[1] == b[1] and (edited or a[2:] == b[2:]):
            continue
        if b is None or (a is not None and (*a[2:],) not in places[1] and (*b[2:],) in places[0]):
            return f"only in A it moved {_during(a)}", a[3]
        if a is None or ((*b[2:],) not in places[0] and (*a[2:],) in places[1]):
            return f"only in B it moved {_during(b)}", b[3]
        if a[2:] == b[2:]:
            return f"it moved in another way {_during(a)}", a[3]
        lines = a[3] if a[3] == b[3] else f"{a[3]} in A, {b[3]} in B"
        return f"it moved {_during(a)} in A, {_during(b)} in B", lines
    return "", ""


def _during(move: list[str]) -> str:
    _, _, what, line = move
    if not what.startswith("code"):
        return f"during {what} ({line})"
    return f"in {what}" if " " in what else f"in code at {line}"
