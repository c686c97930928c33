"""Pairs of events of two processes that stand for the same thing: by what they are, never by their line.

A step is known by its optimiser and that one's own count, an evaluation by the steps before it, a model by
its class and the order in which models were seen, a line inside a step by its module and how often that was
called. Lines that are equal are not even parsed.
"""

import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from samebits.diff.reader import DamagedError, Event, Names, Process, kind_of, parse_event
from samebits.diff.window import depth_of, in_common
from samebits.record.format import DIGITS, INSIDE

COMPUTED = ("initial", "step", "evaluation")
KEPT = ("names", "settings")  # that are remembered, though they are the same
STEP = b'{"event":"step",'
STEP_NUMBER = re.compile(
    rb'\{"event":"step","optimizer":(\d{1,9}),"class":"[^"]{0,200}","step":(\d{1,12})[,}]'
)
AT, MOVES = b',"generators":', b',"moves":'
LINE_OF_CODE = re.compile(rb'"line":"[^"\\]*"')
IDENTITY = ("evaluation", "thread", "direction", "module", "model", "name", "occurrence")  # within a step
WINDOW = 64  # events ahead in which the other record's event is looked for
MOST = 100_000  # files and listings that are remembered
LINE = "line number"  # of an event in its file, beside what the file says of it
Key = tuple[object, ...]


class Pair(NamedTuple):
    """Two events that stand for the same thing; None: the other record has no such event.

    Attributes:
        moved: both have it, and it stands before another event in one and after it in the other.
    """

    first: Event | None
    second: Event | None
    moved: bool = False


class Within(Protocol):
    """Is told of the lines inside a step that differ.

    Attributes:
        apart: whether something is known that differs inside the step that is read now.
    """

    @property
    def apart(self) -> bool: ...

    def see(self, pair: Pair) -> None:
        """Two lines that differ, or one without a counterpart."""


class Side:
    """One of two processes that are compared, as far as it was read.

    Args:
        process: what is read.
        shift: by optimiser, how many steps were made before its first.
        origin: the same for the later one of the two: where the comparison begins. What was evaluated there
            before an interruption has no counterpart after it.

    Attributes:
        names: the `names` events, by their number.
        files: the first reading of each file, by path.
        listings: the listings of each folder, in order.
        settings: what can change bits.
        others: events of other kinds: chance, stopped, end.
        unlike: whether its counterpart has digests of another kind, which could not be compared.
    """

    def __init__(
        self, process: Process, shift: dict[int, int] | None = None, origin: dict[int, int] | None = None
    ) -> None:
        self.process = process
        self.shift, self.origin = shift or {}, origin or {}
        self.names = Names()
        self.files: dict[str, Event] = {}
        self.listings: dict[str, list[Event]] = {}
        self.settings: Event | None = None
        self.others: dict[str, Event] = {}
        self.queue: deque[tuple[Key, Event]] = deque()
        self.lines: Iterator[bytes] = process.lines()
        self.over = self.unlike = False
        self._seen: Counter[Key] = Counter()  # models, and evaluations after the last step that had one
        self._evaluated: Key = ()

    def take(self, line: bytes) -> None:
        """Put a line where it belongs."""
        try:
            self._take(parse_event(line), len(line))
        except DamagedError as error:
            self.process.note(f"line {self.process.seen} is damaged ({error})", damaged=True)
            self.over = True

    def _take(self, event: Event, size: int) -> None:
        kind = event["event"]
        event[LINE] = self.process.seen
        if kind in COMPUTED or kind in INSIDE:
            if key := self.key(event):
                self.queue.append((key, event))
        elif kind == "names":
            self.names.add(event, size)
        elif kind == "file" and len(self.files) < MOST:
            self.files.setdefault(event["path"], event)
        elif kind == "listing" and len(self.listings) < MOST:
            self.listings.setdefault(event["path"], []).append(event)
        elif kind == "settings":
            self.settings = self.settings or event
        else:
            self.others[kind] = event

    def key(self, event: Event) -> Key | None:
        """What an event is matched by; None: it has no counterpart in a run that nothing interrupted."""
        kind = event["event"]
        if kind == "step":
            return kind, event["optimizer"], self.step(event)
        if kind in INSIDE:
            total = self.total(event)
            outside = event.get("evaluation") or not event["direction"]  # such as what makes the model
            if outside and self._at_origin(total):
                return None
            who = (event.get(name, "") for name in IDENTITY)
            return kind, *sorted(total.items()), *who
        if kind == "evaluation":
            total = self.total(event)
            if self._at_origin(total):
                return None
            base: Key = (kind, *sorted(total.items()))
            if base != self._evaluated:
                del self._seen[self._evaluated]
                self._evaluated = base
        elif self.origin:
            return None
        else:
            base = (kind, event["model"])
        self._seen[base] += 1
        return (*base, self._seen[base])

    def total(self, event: Event) -> dict[int, int]:
        """The steps before an event, by optimiser, counted from the beginning of the training."""
        after = {int(name): count for name, count in event["after"].items()}
        return {name: after.get(name, 0) + self.shift.get(name, 0) for name in after.keys() | self.shift}

    def _at_origin(self, total: dict[int, int]) -> bool:
        return bool(self.origin) and all(total.get(name, 0) == count for name, count in self.origin.items())

    def step(self, event: Event) -> int:
        """A step's number, counted from the beginning of the training."""
        return int(event["step"]) + self.shift.get(event["optimizer"], 0)

    def fill(self, count: int) -> None:
        """Read until so many events wait, or all are read."""
        while not self.over and len(self.queue) < count:
            line = next(self.lines, None)
            if line is None:
                self.over = True
            else:
                self.take(line)

    def fill_events(self, count: int) -> None:
        """Read until so many events wait beside the lines inside of steps, or many lines."""
        waiting = sum(key[0] not in INSIDE for key, _ in self.queue)
        while not self.over and waiting < count and len(self.queue) < MOST:
            self.fill(len(self.queue) + 1)
            waiting += self.queue[-1][0][0] not in INSIDE


class Aligner:
    """Pairs the events of two processes.

    Args:
        first, second: the two sides.
        inside: is told of the lines inside a step that differ; None: nobody asks.

    Attributes:
        first, second: the two sides.
        steps, events: how many were the same in every byte, so far.
        last: the line of the last event that was the same in both, as it was written; None: there is none.
        apart: the generators that are known to be in other states: their two digests where nobody draws from
            them, None where somebody does. Lines that differ in nothing else are the same.
    """

    def __init__(self, first: Side, second: Side, inside: Within | None = None) -> None:
        self.first, self.second, self._inside = first, second, inside
        depths = [depth_of(side.process.about) for side in (first, second)]
        for at, (side, other) in enumerate(((first, second), (second, first))):
            numbers = side.shift.keys() | other.shift
            ahead = {name: side.shift.get(name, 0) - other.shift.get(name, 0) for name in numbers}
            side.lines = in_common(side.lines, depths[at], depths[1 - at], ahead)
        self.steps = self.events = 0
        self.last: bytes | None = None
        self.apart: dict[bytes, tuple[bytes, bytes] | None] = {}
        self._stood: tuple[object, list[tuple[bytes, bytes, int]]] = (None, [])

    def pairs(self) -> Iterator[Pair]:
        """Each pair whose lines differ, and each event without a counterpart, in order."""
        first, second = self.first, self.second
        while True:
            if not first.queue and not second.queue and not (first.over or second.over):
                self._skip_equal()
            first.fill(1)
            second.fill(1)
            if not first.queue and not second.queue:
                return
            pair = self._next()
            if (pair.first or pair.second or {})["event"] not in INSIDE:
                yield pair
            elif self._inside is not None:
                self._inside.see(pair)

    def _skip_equal(self) -> None:
        first, second = self.first, self.second
        for line in first.lines:
            match = next(second.lines, None)
            kind = "step" if line.startswith(STEP) else kind_of(line)
            if match is None or not self._same(line, match, kind):
                first.take(line)
                if match is None:
                    second.over = True
                else:
                    second.take(match)
                return
            if kind in COMPUTED:
                self.last = line
                self.events += 1
                self.steps += kind == "step"
            elif kind in KEPT:
                first.take(line)
                second.take(line)
                if first.over or second.over:  # one of them is damaged
                    return
        first.over = True

    def _same(self, line: bytes, match: bytes, kind: str) -> bool:
        """Whether two lines tell nothing new; equal ones do where generators were apart."""
        if kind in INSIDE:
            return line == match or _without_code(line) == _without_code(match)
        if kind not in COMPUTED:
            return line == match
        if self._inside is not None and self._inside.apart:
            return False  # what the step says decides, and it is to be seen
        if not self.apart:
            return line == match or _without_code(line) == _without_code(match)
        return line != match and (
            self._same_but_for_generators(line, match)
            or self._same_but_for_generators(_without_code(line), _without_code(match))
        )

    def _same_but_for_generators(self, line: bytes, match: bytes) -> bool:
        """Whether two lines differ in what is known of the generators, and in nothing else."""
        part = line.rfind(AT)  # these are written last
        if part < 0 or not match.startswith(line[: part + len(AT)]):
            return False
        end = line.find(MOVES, part)  # between these places nothing is known of how they moved
        if end < 0:
            end = len(line)
            if len(match) != end:
                return False
        elif not match.startswith(MOVES, end):
            return False
        at = part
        for name, place in self._states(line, part, end):
            state, another = line[place : place + DIGITS], match[place : place + DIGITS]
            if state == another or line[at:place] != match[at:place]:
                return False
            known = self.apart[name]
            if known is not None and known != (state, another):
                return False
            at = place + DIGITS
        return line[at:end] == match[at:end]

    def _states(self, line: bytes, part: int, end: int) -> list[tuple[bytes, int]]:
        """Where the states of the generators that are apart stand in a line: names and places, in order.

        They stand where they stood in the line before, as far from the end of the states.
        """
        apart, states = self._stood
        if apart is self.apart and all(line.startswith(key, end - back) for _, key, back in states):
            return [(name, end - back + len(key)) for name, key, back in states]
        stand = []
        for name in self.apart:
            key = b'"' + name + b'":"'
            at = line.find(key, part, end)
            while at >= 0:
                stand.append((end - at, name, key))
                at = line.find(key, at + 1, end)
        stand.sort(reverse=True)
        self._stood = self.apart, [(name, key, back) for back, name, key in stand]
        return [(name, end - back + len(key)) for back, name, key in stand]

    def _next(self) -> Pair:
        first, second = self.first, self.second
        if not first.queue:
            return Pair(None, second.queue.popleft()[1])
        if not second.queue:
            return Pair(first.queue.popleft()[1], None)
        if first.queue[0][0] == second.queue[0][0]:
            return Pair(first.queue.popleft()[1], second.queue.popleft()[1])
        inside = [side.queue[0][0][0] in INSIDE for side in (first, second)]
        if inside[0] is not inside[1]:  # one of both has come to the end of this step
            if inside[0]:
                return Pair(first.queue.popleft()[1], None)
            return Pair(None, second.queue.popleft()[1])
        for side in (first, second):
            side.fill_events(1 if inside[0] else WINDOW)
        there = _place(first.queue[0][0], second)
        here = _place(second.queue[0][0], first)
        if there is None:
            return Pair(first.queue.popleft()[1], None)
        if here is None:
            return Pair(None, second.queue.popleft()[1])
        match = second.queue[there][1]
        del second.queue[there]
        return Pair(first.queue.popleft()[1], match, moved=True)


def _without_code(line: bytes) -> bytes:
    """What was computed: a line without the user's line of code, which is another one where code was added.

    How generators moved is written last, and has such lines, too; where it matters their states differ.
    """
    return LINE_OF_CODE.sub(b"", line.partition(MOVES)[0].rstrip(b"}"), count=1)


def _place(key: Key, side: Side) -> int | None:
    """Where an event waits; a line inside of a step does before the end of its step, or nowhere."""
    for number, (each, _) in enumerate(side.queue):
        if each == key:
            return number
        if key[0] in INSIDE and each[0] not in INSIDE:
            return None
    return None
