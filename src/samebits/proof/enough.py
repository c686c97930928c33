"""When a command that is recorded has written all that is needed, and how its record then ends."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from samebits.diff.align import STEP_NUMBER

WHY = "it was stopped: no later step was needed"


@dataclass
class Enough:
    """Looks, while a record is written, whether all its processes are past a step.

    Attributes:
        folder: of the record.
        optimizer: whose steps are counted.
        step: the last that is needed.
    """

    folder: Path
    optimizer: int
    step: int
    _read: dict[Path, int] = field(default_factory=dict)  # bytes of each file
    _past: dict[Path, bool] = field(default_factory=dict)

    def __call__(self) -> bool:
        """Whether each process that trains has written a later step."""
        for path in self.folder.glob("*.jsonl"):
            if not self._past.get(path):
                self._look(path)
        return bool(self._past) and all(self._past.values())

    def _look(self, path: Path) -> None:
        with open(path, "rb") as file:
            file.seek(self._read.get(path, 0))
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read[path] = self._read.get(path, 0) + len(line)
                if (made := STEP_NUMBER.match(line)) and int(made[1]) == self.optimizer:
                    self._past[path] = int(made[2]) > self.step

    def end(self) -> None:
        """End the files of processes that were stopped: after their last whole line, with the reason."""
        line = json.dumps({"event": "stopped", "why": WHY}, separators=(",", ":")).encode() + b"\n"
        for path in self.folder.glob("*.jsonl"):
            with open(path, "r+b") as file:
                begin, last = 0, b""
                for each in file:
                    if each.endswith(b"\n"):
                        begin, last = begin + len(each), each
                if last and not last.startswith(b'{"event":"end"'):
                    file.truncate(begin)
                    file.seek(begin)
                    file.write(line)
