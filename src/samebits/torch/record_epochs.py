"""Which epoch a step belongs to: how often its data loader was read before, where that is certain."""

import weakref
from typing import Any

from torch.utils.data import dataloader


class Pass:
    """One iterator of a data loader.

    Attributes:
        number: that of its epoch, from 1; None where an earlier pass that trained was broken off.
        trains: whether a step followed one of its batches.
        over: whether it came to its end.
        left: how many batches it has still to give; None where nobody knows.
    """

    def __init__(self, number: int | None, left: int | None) -> None:
        self.number, self.trains, self.over, self.left = number, False, False, left


class Epochs:
    """The passes through each data loader.

    An epoch is a pass that trained and came to its end. So a batch that is only looked at, or an evaluation
    on the same loader, counts as none. After a pass that trained and was broken off, nobody knows what the
    script calls an epoch.

    Attributes:
        begun: how many passes.
    """

    def __init__(self) -> None:
        self.begun = 0
        self._current: weakref.WeakKeyDictionary[Any, Pass] = weakref.WeakKeyDictionary()  # of each loader
        self._of: weakref.WeakKeyDictionary[Any, Pass] = weakref.WeakKeyDictionary()  # of each iterator
        self._recent: list[Pass] = []  # that gave a batch since the last step or evaluation
        self._ended: list[Pass] = []  # since the last step; a loop may read a batch ahead
        self._last: list[Pass] = []  # those of the last step

    def begin(self, loader: Any, iterator: Any) -> None:
        """A loader is read from its beginning."""
        self.begun += 1
        before = self._current.get(loader)
        number: int | None = 1
        if before is not None:
            number = before.number
            if before.trains:
                number = None if number is None or not before.over else number + 1
        self._current[loader] = self._of[iterator] = Pass(number, _length(iterator))

    def batch(self, iterator: Any, over: bool) -> None:
        """An iterator has given a batch, or came to its end."""
        known = self._of.get(iterator)
        if known is None:
            return
        if not over and known.left is not None:
            known.left -= 1
        if over or known.left == 0:  # a loop that counts does not ask for more
            known.over = True
            self._ended.append(known)
        if not over and known not in self._recent:
            self._recent.append(known)

    def evaluate(self) -> None:
        """A model was called without gradients: the batches before were for that."""
        self._recent = []

    def step(self) -> int | None:
        """The epoch of a step; None where it is not certain."""
        passes = self._recent or [each for each in self._last if not each.over or each in self._ended]
        self._recent, self._ended, self._last = [], [], passes
        for each in passes:
            each.trains = True
        numbers = {each.number for each in passes}
        return numbers.pop() if len(numbers) == 1 else None


def _length(iterator: Any) -> int | None:
    """How many batches an iterator of torch's gives; a stream's own length may be wrong."""
    of_map = getattr(iterator, "_dataset_kind", None) == dataloader._DatasetKind.Map
    try:
        return len(iterator) if of_map else None
    except (TypeError, NotImplementedError):  # of a sampler that has none, as torch allows
        return None
