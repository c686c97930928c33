"""What a process says about the operations that it executed twice, and how the parts of several are added."""

import contextlib
import dataclasses
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from samebits.hashing.compare import TensorDifference


class Place(NamedTuple):
    """Where an operation was called.

    Attributes:
        operation: its name, such as "aten::index_put_".
        line: of the user's code, "train.py:12"; of a backward call, the line of its forward call; or "".
        module: its path in the outermost model; "" for the model itself, or none.
        owner: the module's class, or "".
        direction: "forward", "backward", or "" in an optimiser and in what is called outside of modules.
    """

    operation: str
    line: str
    module: str = ""
    owner: str = ""
    direction: str = ""

    @property
    def words(self) -> str:
        """All of it: "aten::index_put_, backward of embed (Embedding), train.py:12"."""
        module = f"{self.module} ({self.owner})" if self.module else self.owner
        within = " of ".join(part for part in (self.direction, module) if part)
        return ", ".join(part for part in (self.operation, within, self.line) if part)


@dataclass
class Differing:
    """An output of an operation at one place that was another one the second time.

    Attributes:
        place: where.
        output: its name, or its number: "output 0".
        times: how often it differed.
        executions: how often the operation was executed there, twice each.
        step: the first in which it differed.
        largest: the difference with the most elements.
        distance: the largest difference of an element, in `largest.unit`s.
        instead: what to use instead.
    """

    place: Place
    output: str
    times: int
    executions: int
    step: int
    largest: TensorDifference
    distance: int
    instead: str

    def add(self, other: "Differing") -> None:
        """Add what the same output differed by in another process."""
        self.times += other.times
        self.executions += other.executions
        self.step = min(self.step, other.step)
        if other.largest.elements > self.largest.elements:
            self.largest = other.largest
        self.distance = max(self.distance, other.distance)

    @property
    def words(self) -> str:
        """How it differs: the most elements, and the largest distance."""
        return dataclasses.replace(self.largest, distance=self.distance).words


class Told:
    """What was compared in one process, or in all of them.

    Attributes:
        processes: in how many something was compared.
        steps: of optimisers, in the process that made the most.
        checked: of these, those in which something was compared.
        outputs: that were compared.
        kinds: the names of the operations whose outputs these are.
        left_out: by reason, how often which operation was executed once only.
        differing: what differed, by place and output.
    """

    def __init__(self) -> None:
        self.processes, self.steps, self.checked, self.outputs = 0, 0, 0, 0
        self.kinds: set[str] = set()
        self.left_out: dict[str, Counter[str]] = {}
        self.differing: dict[tuple[Place, str], Differing] = {}

    def add(self, other: "Told") -> None:
        """Add what another process compared."""
        self.processes += other.processes
        self.steps, self.checked = max(self.steps, other.steps), max(self.checked, other.checked)
        self.outputs += other.outputs
        self.kinds |= other.kinds
        for reason, names in other.left_out.items():
            self.left_out.setdefault(reason, Counter()).update(names)
        for key, each in other.differing.items():
            if key in self.differing:
                self.differing[key].add(each)
            else:
                self.differing[key] = each

    def as_json(self) -> dict[str, Any]:
        """As JSON that `read` takes."""
        return {
            "processes": self.processes,
            "steps": self.steps,
            "checked": self.checked,
            "outputs": self.outputs,
            "kinds": sorted(self.kinds),
            "left_out": {reason: dict(names) for reason, names in self.left_out.items()},
            "differing": [
                {**dataclasses.asdict(each), "place": each.place._asdict()}
                for each in self.differing.values()
            ],
        }


def _from_json(said: Mapping[str, Any]) -> Told:
    told = Told()
    for name in ("processes", "steps", "checked", "outputs"):
        setattr(told, name, said[name])
    told.kinds = set(said["kinds"])
    told.left_out = {reason: Counter(names) for reason, names in said["left_out"].items()}
    for each in said["differing"]:
        place, largest = Place(**each["place"]), TensorDifference(**each["largest"])
        told.differing[place, each["output"]] = Differing(**{**each, "place": place, "largest": largest})
    return told


class Process(Told):
    """What this process compares; written into a folder from time to time, and at the end.

    Args:
        folder: where each process has a file.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self.forked()

    def forked(self) -> None:
        """This is a new process: it counts from nothing."""
        super().__init__()
        self.lock = threading.Lock()
        self.executions: Counter[Place] = Counter()
        self._name = f"{os.getpid()}-{time.time_ns()}"

    def compared(self, place: Place, outputs: int) -> None:
        """Count an operation that was executed twice.

        Args:
            place: where.
            outputs: how many of it were compared.
        """
        with self.lock:
            self.processes = 1
            self.outputs += outputs
            self.kinds.add(place.operation)
            self.executions[place] += 1

    def not_covered(self, reason: str, name: str) -> None:
        """Count an operation that was executed once only."""
        with self.lock:
            self.left_out.setdefault(reason, Counter())[name] += 1

    def differs(self, place: Place, difference: TensorDifference, step: int, instead: str) -> bool:
        """Count an output that differs; returns whether it is the first time there.

        Args:
            place: where.
            difference: how; its name is the output's.
            step: in which.
            instead: what to use instead of the operation.
        """
        now = Differing(place, difference.name, 1, 0, step, difference, difference.distance, instead)
        with self.lock:
            before = self.differing.setdefault((place, difference.name), now)
            if before is not now:
                before.add(now)
        return before is now

    def write(self) -> None:
        """Write all of it; nothing where the folder is gone, since nobody will read it."""
        with self.lock:
            for each in self.differing.values():
                each.executions = self.executions[each.place]
            text = json.dumps(self.as_json())
        path = os.path.join(self.folder, self._name)
        with contextlib.suppress(OSError):
            with open(f"{path}.part", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(f"{path}.part", f"{path}.json")


def read(folder: Path) -> Told:
    """What all processes together told."""
    together = Told()
    for each in _each(folder):
        together.add(each)
    return together


def _each(folder: Path) -> Iterator[Told]:
    for path in sorted(folder.glob("*.json")):
        yield _from_json(json.loads(path.read_text(encoding="utf-8")))


def in_order(told: Told) -> Iterable[Differing]:
    """What differed, the first step first, and in the order of execution within a process."""
    return sorted(told.differing.values(), key=lambda each: each.step)
