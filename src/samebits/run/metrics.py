"""The lines of metrics.jsonl: appended one by one, and taken back to where a checkpoint was made."""

import hashlib
import json
from pathlib import Path
from typing import Any

from samebits._files import cannot_write


class Metrics:
    """A run's metrics so far, on disk and here.

    Args:
        path: the file; made by the first line.
        run: the run's folder, which an error names.
    """

    def __init__(self, path: Path, run: Path) -> None:
        self.path, self.run = path, run
        self.lines: list[dict[str, Any]] = []
        self._bytes, self._sha256 = 0, hashlib.sha256()

    def append(self, line: dict[str, Any]) -> None:
        """Add a line.

        Raises:
            UsageError: it cannot be written.
        """
        text = (json.dumps(line) + "\n").encode()
        try:
            with open(self.path, "ab") as file:
                file.write(text)
        except OSError as error:
            raise cannot_write(self.run, error) from None
        self.lines.append(line)
        self._bytes += len(text)
        self._sha256.update(text)

    def place(self) -> dict[str, Any]:
        """How far the file is: its bytes, and their SHA-256."""
        return {"bytes": self._bytes, "sha256": self._sha256.hexdigest()}

    def go_back(self, place: dict[str, Any]) -> None:
        """Take back the lines that were added after `place`: they will be added again."""
        with open(self.path, "ab+") as file:
            file.truncate(place["bytes"])
            file.seek(0)
            text = file.read()
        self.lines = [json.loads(line) for line in text.splitlines()]
        self._bytes, self._sha256 = len(text), hashlib.sha256(text)
