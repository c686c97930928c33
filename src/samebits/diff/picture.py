"""What a picture of two records shows: every step of both, and not only the first difference."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from samebits._printable import some
from samebits.diff.align import COMPUTED, KEPT, STEP_NUMBER, Aligner, Pair, Side
from samebits.diff.grid import (
    DIFFERS,
    ONLY_FIRST,
    ONLY_SECOND,
    UNUSED,
    Columns,
    Grid,
    Row,
    columns,
    size_of,
    size_of_numbers,
)
from samebits.diff.judge import modes
from samebits.diff.reader import DamagedError, Event, Process, kind_of, parse_event
from samebits.diff.signature import Signature, signature
from samebits.diff.tensors import Tensors, compare, module_of
from samebits.diff.values import Both, read_step
from samebits.diff.words import generator_words
from samebits.errors import UsageError
from samebits.hashing.compare import TensorDifference
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER
from samebits.record.values import file_name, value_files

INPUTS, RESULTS, PARAMETERS = "inputs", "results", "parameters"
GRADIENT, WEIGHT, STATE = "gradient", "weight", "optimiser's state"
AFTER = re.compile(rb'"after":\{([^{}]{0,2000})\}')
COUNTS = re.compile(rb'"(\d{1,9})":(\d{1,12})')
BEFORE, AROUND = 20, 79  # steps before and from the first difference on, in the view of what is around it
MOST_SIGNATURES = 1000  # that are remembered
FEW = 100  # columns: as many need no view of their own for what is around the first difference


class Walk(Aligner):
    """Goes through two processes as `diff` does, and says of lines that are equal, too, that they are there.

    Args:
        first, second: the processes.
        equal: is called with each such line of what was computed, and its kind.
        shown: says of two lines that differ whether they show nothing new.
    """

    def __init__(
        self,
        first: Side,
        second: Side,
        equal: Callable[[bytes, str], None],
        shown: Callable[[bytes, bytes], bool],
    ) -> None:
        super().__init__(first, second)
        self._equal, self._shown = equal, shown

    def _skip_equal(self) -> None:
        first, second = self.first, self.second
        for line in first.lines:
            match, kind = next(second.lines, None), kind_of(line)
            if line == match:
                if kind in COMPUTED:
                    self._equal(line, kind)
                elif kind in KEPT:
                    first.take(line)
                    second.take(match)
                continue
            if match is not None and kind == "step" and self._shown(line, match):
                continue
            first.take(line)
            if match is None:
                second.over = True
            else:
                second.take(match)
            return
        first.over = True


def steps_of(process: Process, shift: Mapping[int, int]) -> tuple[int, int]:
    """The first and the last step of a process, counted from the beginning of the training.

    Args:
        process: which.
        shift: by optimiser, how many steps were made before its first.
    """
    numbers = (
        int(match[2]) + shift.get(int(match[1]), 0)
        for line in process.lines()
        if (match := STEP_NUMBER.match(line))
    )
    low, high = 1 << 62, 0
    for number in numbers:
        low, high = min(low, number), max(high, number)
    return (low, high) if high else (0, 0)


def views(first: int, last: int, step: int | None) -> list[Columns]:
    """All steps, and those around the first difference where all are too many to see it.

    Args:
        first, last: steps, both included.
        step: of the first difference; None: there is none.
    """
    whole = columns("all steps", first, last)
    if step is None or not first <= step <= last or (whole.each == 1 and whole.count <= FEW):
        return [whole]
    return [whole, columns(f"around step {step:,}", max(first, step - BEFORE), min(last, step + AROUND))]


class Picture:
    """The grid of two processes.

    Args:
        first, second: the processes, already read up to where the comparison begins.
        shown: the ranges of steps.
        continued: another process continues what one of them did: where it ends is no difference.
    """

    def __init__(self, first: Side, second: Side, shown: list[Columns], continued: bool = False) -> None:
        self.grid = Grid(shown)
        self._ours, self._theirs = first, second
        self._start, self._continued = shown[0].first, continued
        self._known: set[str] = set()  # sources whose rows are there
        self._apart: dict[str, tuple[str, str] | None] = {}  # states of generators; None: they were equal
        self._were_equal = False
        self._files = [
            {path.name for path in value_files(side.process.path.parent)} for side in (first, second)
        ]
        self._column: tuple[object, ...] = ()
        self._signatures: set[Signature] = set()  # of the pairs that were seen in this column
        walk = Walk(first, second, self._same, self._shown)
        for pair in walk.pairs():
            self._pair(pair)

    # ------------------------------------------------------------ what is there
    def _same(self, line: bytes, kind: str) -> None:
        self._apart, self._were_equal = {}, True
        if kind == "step" and (match := STEP_NUMBER.match(line)):
            source = f"step {int(match[1])}"
            step = int(match[2]) + self._ours.shift.get(int(match[1]), 0)
        elif kind == "evaluation" and (match := AFTER.search(line)):
            source = kind
            counts = {int(number): int(count) for number, count in COUNTS.findall(match[1])}
            step = self._after(counts)
        else:
            source, step = "", self._start
        if source not in self._known:
            try:
                self._add(parse_event(line), self._ours)
            except DamagedError:
                return
        if source:
            self.grid.see(source, step)

    def _shown(self, line: bytes, match: bytes) -> bool:
        """Whether two `step` lines differ as others have in the same column: they show nothing new."""
        first, second = STEP_NUMBER.match(line), STEP_NUMBER.match(match)
        if first is None or second is None or first.groups() != second.groups():
            return False
        if self._ours.shift != self._theirs.shift or (alike := signature(line, match)) is None:
            return False
        optimizer, number = int(first[1]), int(first[2])
        names = (file_name(side.process.path.stem, optimizer, number) for side in (self._ours, self._theirs))
        if all(name in files for name, files in zip(names, self._files, strict=True)):
            return False
        step = number + self._ours.shift.get(optimizer, 0)
        column = (optimizer, *(view.column(step) for view in self.grid.views))
        if column != self._column:
            self._column, self._signatures = column, set()
        if alike in self._signatures:
            return True
        if len(self._signatures) < MOST_SIGNATURES:
            self._signatures.add(alike)
        return False

    def _after(self, counts: Mapping[int, int]) -> int:
        shift = self._ours.shift
        return max((count + shift.get(number, 0) for number, count in counts.items()), default=self._start)

    def _add(self, event: Event, side: Side) -> str:
        """The rows of an event; returns its source."""
        kind, line = event["event"], event["line"]
        if kind == "initial":
            source = f"initial {event['model']}"
            self.grid.see(source, self._start)
        else:
            source = kind if kind == "evaluation" else f"step {event['optimizer']}"
            if source in self._known:
                return source
            self._known.add(source)
        if kind == "evaluation":
            self.grid.row(RESULTS, "evaluation", source, line=line)
        elif kind == "step":
            of = self._of(event)
            for name in ("batch", "learning rate"):
                self.grid.row(INPUTS, f"{name}{of}", source, line=line)
            if any("outputs" in call for call in event["calls"]):
                self.grid.row(RESULTS, f"model's output{of}", source, line=line)
            if event["losses"]:
                self.grid.row(RESULTS, f"loss{of}", source, line=line)
        for name in _states(event)[1]:
            self.grid.row(INPUTS, generator_words(name), source, line=line)
        for part in ("parameters", "buffers"):
            for name in side.names.of(event, part).get("names", ()):
                row = self.grid.row(PARAMETERS, name, source, module_of(name), line)
                row.buffer = part == "buffers"
        return source

    def _of(self, event: Event) -> str:
        return f" of optimiser {event['optimizer']}" if event["optimizer"] else ""

    # ------------------------------------------------------------ what differs
    def _pair(self, pair: Pair) -> None:
        first, second = pair.first, pair.second
        if first is None or second is None:
            event = first or second
            assert event is not None
            if self._continued and (self._theirs if second is None else self._ours).over:
                return
            side, what = (self._ours, ONLY_FIRST) if first is not None else (self._theirs, ONLY_SECOND)
            source = self._add(event, side)
            self.grid.see(source, self._step(event, side), what)
            return
        source = self._add(first, self._ours)
        self._add(second, self._theirs)
        step, line = self._step(first, self._ours), first["line"]
        self.grid.see(source, step)

        def differs(section: str, name: str, what: int = DIFFERS, words: str = "") -> None:
            self.grid.mark(self.grid.row(section, name, source), "", step, what, words, line)

        if pair.moved:
            differs(INPUTS, "control flow", words="another place in the order of events")
        for states, others in zip(_states(first), _states(second), strict=True):
            for name in states.keys() & others.keys():
                if what := self._generator(name, states[name], others[name]):
                    words = "another state, from which nobody draws" if what == UNUSED else ""
                    differs(INPUTS, generator_words(name), what, words)
        if first["event"] == "evaluation":
            _evaluation(first, second, differs)
        elif first["event"] == "initial":
            for part in ("parameters", "buffers"):
                self._tensors(first, second, part, WEIGHT, step, source, None, first[part], second[part])
        else:
            self._of_step(first, second, step, source, differs)

    def _generator(self, name: str, state: str, another: str) -> int:
        """What a generator's cell shows; 0 where it is in the same state."""
        known = self._apart.get(name, None if self._were_equal else (state, another))
        if state == another:
            self._apart[name] = None
            return 0
        self._apart[name] = state, another
        return UNUSED if known == (state, another) else DIFFERS

    def _step(self, event: Event, side: Side) -> int:
        if event["event"] == "step":
            return side.step(event)
        if event["event"] == "evaluation":
            counts = {int(name): count for name, count in event["after"].items()}
            return self._after(counts)
        return self._start

    def _of_step(self, first: Event, second: Event, step: int, source: str, differs: Any) -> None:
        of, both = self._of(first), self._values(first, second)
        _calls(first, second, of, both, differs)
        for number, (loss, other) in enumerate(zip(first["losses"], second["losses"], strict=False)):
            if loss[0] != other[0]:
                sizes = _sizes(both, f"losses/{number}/")
                what = size_of(sizes[0]) if sizes else size_of_numbers(loss[1], other[1])
                differs(RESULTS, f"loss{of}", what, f"{loss[1]} in A, {other[1]} in B")
        if first["lrs"] != second["lrs"]:
            a, b = (" ".join(map(str, event["lrs"][:3])) for event in (first, second))
            numbers = next(pair for pair in _longest(first["lrs"], second["lrs"]) if pair[0] != pair[1])
            differs(INPUTS, f"learning rate{of}", size_of_numbers(*numbers), f"{a} in A, {b} in B")
        if first["skipped"] != second["skipped"]:
            differs(INPUTS, "control flow", words=f"the step is skipped in {'AB'[second['skipped']]} only")
        for when, (a, b) in _gradients(first, second):
            self._tensors(first, second, f"gradients/{when}", GRADIENT, step, source, both, a, b)
        for kind, part in (("parameters", WEIGHT), ("buffers", WEIGHT), ("state", STATE)):
            self._tensors(first, second, kind, part, step, source, both, first[kind], second[kind])

    def _values(self, first: Event, second: Event) -> Both | None:
        sides = (self._ours, self._theirs)
        for side, event, files in zip(sides, (first, second), self._files, strict=True):
            if file_name(side.process.path.stem, event["optimizer"], event["step"]) not in files:
                return None
        try:
            return read_step(self._ours.process, self._theirs.process, first, second)
        except UsageError:  # the verdict has said so, or it is not at the first difference
            return None

    def _tensors(
        self,
        first: Event,
        second: Event,
        kind: str,
        part: str,
        step: int,
        source: str,
        both: Both | None,
        a: str,
        b: str,
    ) -> None:
        if a == b and first["names"] == second["names"]:
            return
        table = kind if kind in ("buffers", "state") else "parameters"
        names = (side.names.of(event, table) for side, event in ((self._ours, first), (self._theirs, second)))
        first_names, second_names = names
        tensors = compare(a, first_names, b, second_names)
        for name, what, words in _cells(tensors, both, kind):
            owner, key = name, ""
            if kind == "state":
                owner, _, key = name.rpartition(".")
                owner, key = (owner, key) if (PARAMETERS, owner) in self.grid.rows else (name, "")
            row: Row = self.grid.row(PARAMETERS, owner, source, module_of(owner))
            where = {"gradients/" + AT_OPTIMIZER: "at the optimiser", "buffers": "buffer"}.get(kind, key)
            self.grid.mark(row, part, step, what, ": ".join(filter(None, (where, words))), first["line"])


def _cells(tensors: Tensors, both: Both | None, kind: str) -> Iterator[tuple[str, int, str]]:
    """(name, what its cell shows, words) of each tensor that differs."""
    for name in tensors.differ:
        difference = both.difference(f"{kind}/{name}") if both is not None else None
        yield name, size_of(difference) if difference else DIFFERS, difference.words if difference else ""
    shapes = dict(tensors.shapes)
    yield from ((name, DIFFERS, words) for name, words in shapes.items() if name not in tensors.differ)
    yield from ((name, ONLY_FIRST, "") for name in tensors.only_first)
    yield from ((name, ONLY_SECOND, "") for name in tensors.only_second)


def _states(event: Event) -> tuple[dict[str, str], dict[str, str]]:
    states: dict[str, Any] = event["generators"]
    return (states.get("before", {}), states.get("after", {})) if event["event"] == "step" else ({}, states)


def _gradients(first: Event, second: Event) -> Iterator[tuple[str, tuple[str, str]]]:
    seen = first["gradients"], second["gradients"]
    whole = all(AFTER_BACKWARD in each for each in seen)
    for when in (AFTER_BACKWARD, AT_OPTIMIZER):
        a, b = (each.get(when, each.get(AFTER_BACKWARD, "") if whole else "") for each in seen)
        yield when, (a, b)


def _evaluation(first: Event, second: Event, differs: Any) -> None:
    what = {
        "models": "the models that are called",
        "count": "the number of calls",
        "training": "the model's mode",
        "arguments": "its batches",
        "outputs": "the model's output",
    }
    if not _alike(first, second):
        what = {name: text for name, text in what.items() if name not in ("arguments", "outputs")}
    words = [text for name, text in what.items() if first[name] != second[name]]
    if words:
        differs(RESULTS, "evaluation", words=some(words, 5))


def _alike(a: Event, b: Event) -> bool:
    """Whether the digests of both are of the same kind; others say nothing about each other."""
    return bool(a.get("digest") == b.get("digest"))


def _calls(first: Event, second: Event, of: str, both: Both | None, differs: Any) -> None:
    calls = first["calls"], second["calls"]
    if [call["module"] for call in calls[0]] != [call["module"] for call in calls[1]]:
        differs(INPUTS, "control flow", words=f"{len(calls[0]):,} calls in A, {len(calls[1]):,} in B")
    for number, (a, b) in enumerate(zip(*calls, strict=False)):
        if mode := modes(a, b):
            differs(INPUTS, "control flow", words=mode)
        given = not number or (a.get("rows") and b.get("rows"))  # else it was computed, or is a target
        row = (INPUTS, f"batch{of}") if given else (RESULTS, f"model's output{of}")
        alike = _alike(a, b)
        if (alike and a["arguments"] != b["arguments"]) or a["shapes"] != b["shapes"]:
            _of_call(
                row, f"calls/{number}/arguments/", both, differs, "" if given else f"given to {a['module']}"
            )
        if alike and "outputs" in a and "outputs" in b and a["outputs"] != b["outputs"]:
            returned = (RESULTS, f"model's output{of}")
            _of_call(returned, f"calls/{number}/outputs/", both, differs, f"of {a['module']}")


def _of_call(row: tuple[str, str], prefix: str, both: Both | None, differs: Any, words: str) -> None:
    sizes = _sizes(both, prefix)
    if not sizes:
        differs(*row, words=words)
    for difference in sizes:
        differs(*row, size_of(difference), ": ".join(filter(None, (words, difference.words))))


def _sizes(both: Both | None, prefix: str) -> list[TensorDifference]:
    return list(both.differences(prefix)) if both is not None else []


def _longest(first: list[Any], second: list[Any]) -> Iterator[tuple[Any, Any]]:
    yield from zip(first, second, strict=False)
    yield len(first), len(second)
