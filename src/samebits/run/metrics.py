"""The lines of metrics.jsonl: appended one by one, and taken back to where a checkpoint was made."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebits._files import cannot_write
from samebits._printable import described
from samebits.errors import UsageError


class Metrics:
    """A run's metrics so far, on disk and here.

    Args:
        path: the file; made by the first line.
        run: the run's folder, which an error names.

    Attributes:
        lines: those of the file.
        collected: what was kept for the next line's means, by name: numbers, or tensors of one element.
    """

    def __init__(self, path: Path, run: Path) -> None:
        self.path, self.run = path, run
        self.lines: list[dict[str, Any]] = []
        self.collected: dict[str, list[Any]] = {}
        self._bytes, self._sha256 = 0, hashlib.sha256()

    def collect(self, values: Mapping[str, Any]) -> None:
        """Keep values for the next line's means. Nothing is read from a device yet.

        Raises:
            UsageError: one is neither a number nor a tensor of one element.
        """
        for name, value in values.items():
            if not hasattr(value, "__float__") or any(size != 1 for size in getattr(value, "shape", ())):
                raise UsageError(
                    f"run.average takes numbers and tensors of one element, and {name} is {described(value)}"
                )
            if hasattr(value, "detach"):  # a copy: the next step may add to the tensor
                value = value.detach().clone()
            self.collected.setdefault(name, []).append(value)

    def take_means(self) -> dict[str, float]:
        """The mean of each value that was collected, correctly rounded; then nothing is collected."""
        collected, self.collected = self.collected, {}
        return {name: math.fsum(map(float, all_)) / len(all_) for name, all_ in collected.items()}

    def append(self, line: dict[str, Any]) -> dict[str, Any]:
        """Add a line. A number that is not finite becomes `null`: JSON has no other word for it.

        Returns:
            The line with the numbers as they are.

        Raises:
            UsageError: JSON cannot hold a value, or the line cannot be written.
        """
        line = {name: _plain(name, value) for name, value in line.items()}
        written = _finite(line)
        text = (json.dumps(written, allow_nan=False) + "\n").encode()
        try:
            with open(self.path, "ab") as file:
                file.write(text)
        except OSError as error:
            raise cannot_write(self.run, error) from None
        self.lines.append(written)
        self._bytes += len(text)
        self._sha256.update(text)
        return line

    def saved(self) -> dict[str, Any]:
        """For checkpoints: what was collected, and how far the file is: its bytes, and their SHA-256."""
        return {
            "collected": {name: list(map(float, values)) for name, values in self.collected.items()},
            "metrics": {"bytes": self._bytes, "sha256": self._sha256.hexdigest()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take back the lines that were added after `saved`: they will be added again."""
        self.collected = {name: list(values) for name, values in saved["collected"].items()}
        with open(self.path, "ab+") as file:
            file.truncate(saved["metrics"]["bytes"])
            file.seek(0)
            text = file.read()
        self.lines = [json.loads(line) for line in text.splitlines()]
        self._bytes, self._sha256 = len(text), hashlib.sha256(text)


def _plain(name: str, value: Any) -> Any:
    """What JSON can hold of a value: itself, or the number in a tensor or an array of one element."""
    if hasattr(value, "__float__") and all(size == 1 for size in getattr(value, "shape", (0,))):
        value = value.item() if hasattr(value, "item") else float(value)
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise UsageError(
            f"run.log: {name} is {described(value)}, which JSON cannot hold: give a number, text, None, or "
            "lists and dictionaries of these"
        ) from None
    return value


def _finite(value: Any) -> Any:
    """The value with None in place of each number in it that is not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
