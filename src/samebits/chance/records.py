"""What this process drew that no seed decides: counted by place, and written where a parent collects it."""

import contextlib
import json
import math
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samebits.process.command_line import shortened


@dataclass(frozen=True)
class Source:
    """One source of chance at one place.

    Attributes:
        kind: for programs: "generator", "global generator", "seed", "completion", "listing", "set",
            "address", "memory", "file", "data".
        source: what it is, as a user knows it: `numpy.random.default_rng() without a seed`.
        file: the file that asked for it: of the user's code, or of the library; "" where that is not known.
        line: in this file, from 1; 0 where it is about the whole file.
        library: the installed package that asked for it in the user's name; "" where the user's code did.
        fix: what to do about it.
        certain: whether it is chance in any case; else it may decide nothing, and no run is refused for it.
    """

    kind: str
    source: str
    file: str
    line: int
    library: str
    fix: str
    certain: bool = True

    @property
    def yours(self) -> bool:
        """Whether the user's own code asked for it."""
        return not self.library

    @property
    def where(self) -> str:
        """The place: `train.py:12`, from the working folder, the project or where packages lie; or ""."""
        if not self.file:
            return ""
        if "-packages/" in self.file:
            file = self.file.rpartition("-packages/")[2]
        else:
            file = shortened(self.file, (Path.cwd(), ""))
        return f"{file}:{self.line}" if self.line else file


class Records:
    """The sources that were used so far.

    Processes that this one starts by a fork write into the same folders, under their own number. A count is
    written when it is a power of two, and at the end: a process that is killed has told at least half.
    """

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.counts: dict[Source, int] = {}
        self._lock = threading.Lock()
        self._name = _own_name()

    def add(self, source: Source, number: int = 1) -> None:
        """Count a source once more, or several times."""
        with self._lock:
            before = self.counts.get(source)
            self.counts[source] = (before or 0) + number
        if before is None or before.bit_length() != (before + number).bit_length():
            self._write([source])

    def write_to(self, folder: str) -> None:
        """From now on tell this folder, too; what was counted before is told at once."""
        os.makedirs(folder, exist_ok=True)
        open(os.path.join(folder, self._name), "a").close()  # this process was watched, whatever it used
        self.folders.append(folder)
        self.flush()

    def leave(self, folder: str) -> None:
        """Tell this folder no more."""
        if folder in self.folders:
            self.flush()
            self.folders.remove(folder)

    def flush(self) -> None:
        """Write every count."""
        self._write(list(self.counts))

    def forked(self) -> None:
        """This is a child now: it counts from nothing, under its own number."""
        self._lock = threading.Lock()
        self.counts, self._name = {}, _own_name()

    def _write(self, sources: Iterable[Source]) -> None:
        lines = "".join(f"{json.dumps([asdict(source), self.counts[source]])}\n" for source in sources)
        if not lines:
            return
        for folder in self.folders:
            # The folder is gone when its run has ended, and nobody will read it.
            with contextlib.suppress(OSError), open(os.path.join(folder, self._name), "a") as file:
                file.write(lines)

    def collected(self, folder: str) -> dict[Source, int]:
        """The counts of all processes that wrote to a folder; this one's without a detour."""
        return collect(Path(folder), self.counts, self._name)


def collect(folder: Path, counts: Mapping[Source, int] | None = None, name: str = "") -> dict[Source, int]:
    """The counts of all processes that wrote to a folder.

    Args:
        folder: where they wrote.
        counts: more of them: those of the process that wrote the file `name`.
        name: a file that is not read.
    """
    together = dict(counts or {})
    for path in sorted(folder.glob("*.jsonl")):
        if path.name != name:
            for source, number in read(path).items():
                together[source] = together.get(source, 0) + number
    # A child that only uses what its parent made counts nothing.
    return {source: max(1, number) for source, number in together.items()}


def read(path: Path) -> dict[Source, int]:
    """The counts of one process: the last that it told of each source."""
    counts: dict[Source, int] = {}
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError):  # a line that a killed process left half-written
                source, number = json.loads(line)
                counts[Source(**source)] = number
    return counts


def began(folder: str) -> float:
    """When the first process wrote to a folder, in seconds since 1970; infinity without one."""
    times = (re.fullmatch(r"\d+-(\d+)\.jsonl", name) for name in os.listdir(folder))
    return min((int(time[1]) / 10**9 for time in times if time is not None), default=math.inf)


def _own_name() -> str:
    return f"{os.getpid()}-{time.time_ns()}.jsonl"


def in_order(counts: dict[Source, int]) -> Iterator[tuple[Source, int]]:
    """The user's own first, by file and line."""
    return iter(sorted(counts.items(), key=lambda each: (not each[0].yours, each[0].file, each[0].line)))


def as_json(counts: dict[Source, int]) -> list[dict[str, Any]]:
    """What a manifest has as `chance`, and `samebits watch --json` prints."""
    return [
        {
            "kind": source.kind,
            "source": source.source,
            "where": source.where,
            "library": source.library or None,
            "count": number,
            "fix": source.fix,
            "certain": source.certain,
        }
        for source, number in in_order(counts)
    ]


RECORDS = Records()
