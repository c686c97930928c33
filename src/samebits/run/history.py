"""The order of a loader that keeps its place to itself, so that no checkpoint holds it.

A `tf.data` pipeline shuffles anew each time that it is read, a loader may own a generator, a Python generator
may be read a little further in each epoch. What can be read again from its beginning is read again when a run
resumes, and compared with the digests in metrics.jsonl. What cannot is refused by name.
"""

import gc
import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import GeneratorType
from typing import Any

from samebits import _progress
from samebits.checkpoint.state import TrainingState
from samebits.errors import UsageError
from samebits.framework import FRAMEWORKS
from samebits.hashing.batches import NONE, batch_digest, chained

DEPTH = 5  # of iterators in iterators: an islice of a map of a generator that reads another one is 4 deep
PACKAGES = tuple(f"{package}." for row in FRAMEWORKS.values() for package in row.packages)


class History:
    """Of the loaders that one run's epochs read.

    Args:
        state: what the run saves.
    """

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._before: list[Callable[[], Any]] = []  # the iterators that the epoch before read

    def refuse_same(self, loader: Any, epoch: int) -> None:
        """Refuse an iterator that the epoch before has read, too: its place is in no checkpoint.

        Raises:
            UsageError: naming it.
        """
        parts = list(_parts(loader))
        held = any(map(self._state.holds_a_place, parts))
        iterators = [part for part in parts if isinstance(part, Iterator) and not held]
        for part in iterators:
            if any(part is before() for before in self._before):
                raise UsageError(
                    f"run.batches: epoch {epoch} continues to read {_called(part)} where epoch {epoch - 1} "
                    "ended, and no checkpoint has that place: give a new one in each epoch, or a list"
                )
        self._before = list(map(_remembered, iterators))

    def read_again(self, loader: Any, epochs: int, lines: Sequence[Mapping[str, Any]], steps: int) -> None:
        """Where a resumed run's loader may have a history, read the epochs again that are done.

        Afterwards all generators are as before. A loader whose batches are other ones because it draws from
        a generator that is restored, as a shuffled DataLoader does, is accepted: it gives the right batches
        from here on.

        Args:
            loader: about to be read for the first time in this process.
            epochs: how many are done.
            lines: of metrics.jsonl so far.
            steps: as many batches they had, all together.

        Raises:
            UsageError: it gives other batches than before, and draws from no generator that is restored.
        """
        if isinstance(loader, Iterator) or self._state.order_is_saved(loader):
            return
        digests = {line["epoch"]: line["batches"] for line in lines if "batches" in line and "epoch" in line}
        expected = [bytes.fromhex(digests[epoch]) for epoch in sorted(digests) if epoch <= epochs]
        if not expected or (len(expected) > 1 and len(set(expected)) == 1):
            return  # the same batches in each epoch: no history
        name = type(loader).__name__
        print(f"reads epochs 1 to {epochs} of {name} again: no checkpoint has its place", flush=True)
        with self._state.unmoved() as moved:
            for epoch, digest in enumerate(expected, 1):
                batches = _progress.bar(loader, f"epoch {epoch}, again")
                number = _read(batches, digest, steps + epochs)
                if (
                    number and (number - 1) * len(expected) != steps
                ):  # not left by `break`, which counts no step
                    next(batches, None)  # so it asked for the end
                if not number:
                    if moved():
                        return
                    raise UsageError(
                        f"run.batches: {name} gives other batches in epoch {epoch} than in the run that "
                        "stopped: its order depends on something that is in no checkpoint. Give a loader of "
                        "samebits or a list, or add what decides the order to run.checkpoint(…). "
                        "`--resume never` starts from the beginning"
                    )


def _read(batches: Iterator[Any], digest: bytes, most: int) -> int:
    """Read as many batches as have a digest together; how many they are, 0 where there are none such."""
    so_far = NONE
    for number, batch in enumerate(itertools.islice(batches, most), 1):
        if (so_far := chained(so_far, batch_digest(batch))) == digest:
            return number
    return 0


def _remembered(iterator: Any) -> Callable[[], Any]:
    """What gives the iterator, as long as somebody else has it.

    Python's own, such as `cycle`, know no weak references. They are kept, but not what would keep others.
    """
    if type(iterator).__weakrefoffset__:
        return weakref.ref(iterator)
    keeps = any(isinstance(part, Iterator) and type(part).__weakrefoffset__ for part in _parts(iterator))
    return lambda: None if keeps else iterator


def _parts(value: Any, depth: int = DEPTH) -> Iterator[Any]:
    """An iterator and what it reads, as far as that can be seen."""
    if type(value).__module__.startswith(PACKAGES):
        return
    yield value
    if not isinstance(value, Iterator) or not depth:
        return
    if isinstance(value, GeneratorType):
        inner = list(value.gi_frame.f_locals.values()) if value.gi_frame else []
    elif type(value).__module__ in ("builtins", "itertools"):
        inner = gc.get_referents(value)
        inner += [part for own in inner if type(own) is tuple for part in own]  # zip has one
    else:
        inner = list(getattr(value, "__dict__", {}).values())
    for part in inner:
        yield from _parts(part, depth - 1)


def _called(iterator: Any) -> str:
    if isinstance(iterator, GeneratorType):
        code = iterator.gi_code
        return f"the generator {code.co_name} ({Path(code.co_filename).name}:{code.co_firstlineno})"
    return f"the same {type(iterator).__name__}"
