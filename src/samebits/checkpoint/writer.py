"""Checkpoints written in the background: the training continues while disk and digest take their time."""

from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from samebits._files import flush_file
from samebits.checkpoint import files
from samebits.hashing.weights import Tensor


class Saver:
    """Writes one checkpoint at a time into a folder and deletes those that are not to be kept.

    Args:
        folder: where checkpoints lie.
        newest: how many of the newest are kept.
        steps: those of these steps are kept besides.
        metrics: a file that checkpoints refer to, flushed to disk before them.
    """

    def __init__(self, folder: Path, newest: int, steps: Collection[int], metrics: Path) -> None:
        self.folder, self.newest, self.steps, self.metrics = folder, newest, frozenset(steps), metrics
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="samebits-saving")
        self._writing: Future[None] | None = None

    def save(self, step: int, content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Begin to write, when the one before is written: two copies of the state are never held.

        Raises:
            UsageError: the one before could not be written.
        """
        self.wait()
        self._writing = self._pool.submit(self._save, step, content, tensors)

    def wait(self) -> None:
        """Return when everything is on disk.

        Raises:
            UsageError: it could not be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """End the thread; what is being written is written."""
        self._pool.shutdown()

    def _save(self, step: int, content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        if self.metrics.exists():
            flush_file(self.metrics)
        files.write(self.folder, step, content, tensors)
        files.prune(self.folder, self.newest, self.steps)
