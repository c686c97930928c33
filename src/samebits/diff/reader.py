"""Reads a record: processes and their events, one line at a time, whoever wrote them.

A file is good up to its first line that is not what the format says. What follows is not read, and a note
says so. Nothing here holds more than one line, so a record may be larger than memory.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from samebits._json_files import (
    ANYTHING,
    COUNT,
    TABLE,
    TABLES,
    TEXT,
    TEXTS,
    YES_NO,
    Shape,
    check,
    optional,
    parse,
)
from samebits.errors import UsageError
from samebits.hashing.digest import VERSION
from samebits.record.format import DIGITS, FORMAT, MISSING

Event = dict[str, Any]

MOST_NAMES = 64 * 1024**2  # bytes of tables of names; one of a thousand tensors has 60 thousand
LONGEST = 1 << 26  # bytes of a line; a step of a model of ten thousand tensors has two million
TAIL = 1 << 20  # bytes at the end of a file in which its last lines are looked for
KIND = re.compile(rb'\{"event": ?"([a-z]{1,20})"')
STRING = re.compile(rf"(?:[0-9a-f]{{{DIGITS}}}|{re.escape(MISSING)})*")


class DamagedError(ValueError):
    """A line is not what the format says."""


# ---------------------------------------------------------------- the shapes that readers rely on
DIGEST: Shape = (
    "a digest",
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{16,64}", value)),
)
DIGESTS: Shape = ("digests", lambda value: isinstance(value, str) and bool(STRING.fullmatch(value)))
VALUE: Shape = ("a number, or a text for one that JSON lacks", lambda value: type(value) in (int, float, str))
STEP: Shape = ("a whole number from 1", lambda value: type(value) is int and value >= 1)


def _list_of(shape: Shape) -> Shape:
    return f"a list: {shape[0]}", lambda value: isinstance(value, list) and all(map(shape[1], value))


def _table_of(shape: Shape) -> Shape:
    return (
        f"a table: {shape[0]}",
        lambda value: isinstance(value, dict) and all(map(shape[1], value.values())),
    )


AFTER: Shape = (
    "a table of optimisers' numbers and their steps",
    lambda value: _table_of(COUNT)[1](value) and all(re.fullmatch(r"[0-9]{1,9}", name) for name in value),
)
# A jagged tensor has rows of several lengths: -1 stands for those.
SIZES = _list_of(_list_of(("a size from 0, or -1", lambda value: type(value) is int and value >= -1)))
INSIDE: Mapping[str, Shape] = {
    "after": AFTER,
    "direction": TEXT,
    "module": TEXT,
    "class": TEXT,
    "model": TEXT,
    "occurrence": STEP,
    "line": TEXT,
    "inputs": DIGESTS,
    "outputs": DIGESTS,
    "shapes": SIZES,
    "dtypes": TEXTS,
}
SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "record": {
        "format": ANYTHING,
        "digest": ANYTHING,
        "level": TEXT,
        "command": TEXTS,
        "pid": COUNT,
        "parent": COUNT,
        "role": TEXT,
    },
    "settings": {"framework": TEXT, "device": TEXT, "fingerprint": TABLE, "code": optional(TABLE)},
    "file": {"path": TEXT, "size": COUNT, "digest": optional(DIGEST)},
    "listing": {"path": TEXT, "count": COUNT, "digest": DIGEST, "set": DIGEST},
    "chance": {"sources": TABLES},
    "names": {"id": COUNT, "kind": TEXT, "owner": TEXT, "names": TEXTS, "shapes": SIZES, "dtypes": TEXTS},
    "initial": {
        "model": TEXT,
        "line": TEXT,
        "names": _table_of(COUNT),
        "parameters": DIGESTS,
        "buffers": DIGESTS,
        "generators": _table_of(DIGEST),
    },
    "step": {
        "optimizer": COUNT,
        "class": TEXT,
        "step": STEP,
        "skipped": YES_NO,
        "line": TEXT,
        "calls": TABLES,
        "losses": _list_of(
            ("a digest and a value", lambda value: isinstance(value, list) and len(value) == 2)
        ),
        "generators": _table_of(_table_of(DIGEST)),
        "lrs": _list_of(optional(VALUE)),
        "names": _table_of(COUNT),
        "gradients": _table_of(DIGESTS),
        "parameters": DIGESTS,
        "buffers": DIGESTS,
        "state": DIGESTS,
    },
    "epoch": {"epoch": COUNT, "step": COUNT, "names": _table_of(COUNT), "parameters": DIGESTS},
    "evaluation": {
        "after": AFTER,
        "count": COUNT,
        "models": TEXTS,
        "training": _list_of(YES_NO),
        "arguments": DIGEST,
        "outputs": DIGEST,
        "line": TEXT,
        "generators": _table_of(DIGEST),
    },
    "layer": {**INSIDE, "training": YES_NO, "settings": TEXT},
    "operation": INSIDE,
    "unseen": {"what": TEXT},
    "stopped": {"why": TEXT},
    "end": {"steps": COUNT, "exception": optional(TEXT)},
}
NAMED = ("names", "shapes", "dtypes", "digests")  # what a table says of each of its tensors
MOVES = _list_of(("a generator's move", lambda value: isinstance(value, list) and len(value) == 4))
MAY_BE_INSIDE: Mapping[str, Shape] = {
    "evaluation": YES_NO,
    "thread": TEXT,
    "digest": TEXT,
    "generators": _table_of(
        ("the states before and after", lambda value: _list_of(DIGEST)[1](value) and len(value) == 2)
    ),
}
SAMPLES = _list_of(_list_of(("a number or a text", lambda value: type(value) in (int, str))))
MAY_HAVE: Mapping[str, Mapping[str, Shape]] = {
    "record": {"folder": optional(TEXT)},
    "initial": {"moves": MOVES},
    "step": {"moves": MOVES, "epoch": optional(COUNT), "held": COUNT, "samples": SAMPLES},
    "evaluation": {"moves": MOVES, "digest": TEXT, "other_mode": TEXTS},
    "names": {"digests": TEXTS},
    "layer": {**MAY_BE_INSIDE, "weights": DIGESTS, "of": TEXTS},
    "operation": {**MAY_BE_INSIDE, "name": TEXT, "settings": TEXT, "of": TEXTS},
}
CALL: Mapping[str, Shape] = {
    "module": TEXT,
    "training": YES_NO,
    "other_mode": TEXTS,
    "autocast": TEXT,
    "arguments": DIGEST,
    "outputs": DIGEST,
    "digest": TEXT,
    "shapes": SIZES,
    "rows": optional(("digests of rows", lambda value: isinstance(value, str) and len(value) % 16 == 0)),
}


def kind_of(line: bytes) -> str:
    """The name of a line's event; "" where it has none."""
    match = KIND.match(line)
    return match[1].decode() if match else ""


def parse_event(line: bytes) -> Event:
    """An event that has the shape that its readers rely on; of an unknown kind, any table.

    Raises:
        DamagedError: it is none.
    """
    try:
        event = parse(line)
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise DamagedError("no event")
        check(event, SHAPES.get(event["event"], {}), event["event"], whole=True)
        check(event, MAY_HAVE.get(event["event"], {}), event["event"])
        for call in event.get("calls", ()) if event["event"] == "step" else ():
            check(call, CALL, "a call", whole=False)
            if not {"module", "training", "arguments", "shapes"} <= call.keys():
                raise DamagedError("a call without arguments")
        columns = [event[each] for each in NAMED if each in event] if event["event"] == "names" else []
        if len({len(column) for column in columns}) > 1:
            raise DamagedError("names without shapes")
    except (ValueError, UsageError) as error:
        raise DamagedError(str(error)) from None
    return event


class Names(dict[int, Event]):
    """The `names` events of a process, by their number: only so many, whatever its file says."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def add(self, event: Event, size: int) -> None:
        """Remember one.

        Args:
            event: to be remembered.
            size: of its line in bytes.

        Raises:
            DamagedError: they are more than any training has.
        """
        self._bytes += size
        if self._bytes > MOST_NAMES:
            raise DamagedError(f"more than {MOST_NAMES:,} bytes of tables of names")
        self[event["id"]] = event

    def of(self, event: Event, kind: str) -> Event:
        """The table of an event's tensors of a kind, such as "parameters"; empty where there is none."""
        return self.get(event.get("names", {}).get(kind, -1), {})


class Process:
    """What one process wrote.

    Attributes:
        path: its file.
        about: its first line.
        notes: what was not read, and why: in words; complete when the lines have been read.
        damaged: those of the notes that name a damaged line. One that is cut off is none: its process was
            killed while it wrote.
        seen: the line that was read last, counted from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.damaged: list[str] = []
        self.seen = 0
        self.about: Event = {}
        with open(path, "rb") as file:
            if first := _whole_line(file):
                self.about = parse_event(first)

    @property
    def identity(self) -> tuple[str, int | None]:
        """Its role and its rank: what a process of the other record is matched by."""
        rank = self.about.get("rank")
        return str(self.about.get("role", "main")), rank if type(rank) is int else None

    def lines(self) -> Iterator[bytes]:
        """Each whole line after the first, without its end; ends where a line is cut off."""
        self.seen = 1
        with open(self.path, "rb") as file:
            file.readline(LONGEST)
            while line := file.readline(LONGEST):
                if not line.endswith(b"\n"):
                    long = len(line) == LONGEST
                    why = f"is longer than {LONGEST:,} bytes" if long else "is cut off"
                    self.note(f"line {self.seen + 1} {why}", damaged=long)
                    return
                self.seen += 1
                yield line[:-1]

    def named(self, kind: str) -> Iterator[tuple[Event, Event]]:
        """Each event of a kind, and the table of its parameters; ends at a damaged line."""
        names = Names()
        for line in self.lines():
            if kind_of(line) not in ("names", kind):
                continue
            try:
                event = parse_event(line)
                if event["event"] == "names":
                    names.add(event, len(line))
                    continue
            except DamagedError:
                return
            yield event, names.of(event, "parameters")

    def note(self, what: str, damaged: bool) -> None:
        """Something was not read."""
        self.notes.append(f"{self.path.name}, {what}: compared up to there")
        self.damaged += self.notes[-1:] if damaged else []

    def last(self, *kinds: str) -> list[Event]:
        """Those of the last lines that are of these kinds, in order; what is damaged is left out."""
        with open(self.path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            lines = file.read(TAIL).split(b"\n")[size > TAIL :]
        events = []
        for line in lines:
            if kind_of(line) in kinds:
                try:
                    events.append(parse_event(line))
                except DamagedError:
                    continue
        return events

    def trains(self) -> bool:
        """Whether it computed anything that is compared."""
        return any(kind_of(line) in ("initial", "step", "evaluation") for line in self.lines())


def _whole_line(file: BinaryIO) -> bytes:
    line = file.readline(LONGEST)
    return line[:-1] if line.endswith(b"\n") else b""


class Record:
    """What one command wrote: the processes in the order in which they began.

    Args:
        path: the folder, or the file of one process.

    Raises:
        UsageError: it is no record, one of another format, or one without a process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        files = [path] if path.is_file() else sorted(path.glob("*.jsonl"), key=_by_number)
        self.processes: list[Process] = []
        self.notes: list[str] = []
        for file in files:
            self._add(file)
        if not self.processes:
            why = f": {self.notes[0]}" if self.notes else f": no process has written there{_hint(path)}"
            raise UsageError(f"{path} is not a record that can be read{why}")

    @property
    def roots(self) -> list[Process]:
        """The processes that no other recorded process has started: their commands made the record."""
        pids = {process.about["pid"] for process in self.processes}
        return [process for process in self.processes if process.about["parent"] not in pids]

    @property
    def settings(self) -> Event | None:
        """What can change bits, of the first process that says it; None: none does, or it is damaged."""
        for process in self.processes:
            for line in process.lines():
                if kind_of(line) == "settings":
                    try:
                        return parse_event(line)
                    except DamagedError:
                        break
        return None

    def _add(self, file: Path) -> None:
        if not file.is_file():  # a pipe would wait for ever
            return
        try:
            process = Process(file)
        except DamagedError as error:
            self.notes.append(f"{file.name} is damaged in its first line ({error})")
            return
        except OSError as error:
            self.notes.append(f"{file.name} cannot be read ({error.strerror})")
            return
        about = process.about
        if not about:  # it has computed nothing, or was killed at once
            return
        if about["event"] != "record":
            self.notes.append(f"{file.name} does not begin as a record does")
        elif (about["format"], about["digest"]) != (FORMAT, VERSION):
            raise UsageError(
                f"{file} has format {about['format']!r} with digests of version {about['digest']!r}, this "
                f"version of samebits reads {FORMAT} with {VERSION}: record it again"
            )
        else:
            self.processes.append(process)


def _hint(path: Path) -> str:
    return "" if path.is_dir() else " (there is no such folder)"


def _by_number(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d{1,18}", path.stem)]
