"""Which samples a data loader asked for: what its sampler gave, batch by batch.

What a sample holds may be drawn anew each time, such as by augmentation. Then only this tells another order
from other contents.
"""

import operator
import weakref
from collections import deque
from typing import Any

from samebits.hashing.digest import ROW_DIGITS, digest
from samebits.record.training import MOST_ROWS

Asked = list[int | str]


class Samples:
    """What iterators of data loaders have asked for, and have not given yet: workers are ahead."""

    def __init__(self) -> None:
        self._ahead: weakref.WeakKeyDictionary[Any, tuple[Any, deque[Asked]]] = weakref.WeakKeyDictionary()

    def ask(self, iterator: Any, indices: Any) -> None:
        """A sampler has given the indices of a batch.

        Args:
            iterator: asks for it.
            indices: one for each sample, or one.
        """
        sampler = iterator._sampler_iter  # another one in each pass, where the iterator stays
        known = self._ahead.get(iterator)
        if known is None or known[0] is not sampler:
            known = self._ahead[iterator] = sampler, deque()
        known[1].append(_numbers(indices))

    def give(self, iterator: Any) -> Asked:
        """What the batch was asked for that an iterator gives; nothing where nobody knows."""
        _, ahead = self._ahead.get(iterator, (None, None))
        if not ahead or not getattr(iterator, "_in_order", True):
            return []
        return ahead.popleft()


def _numbers(indices: Any) -> Asked:
    """Indices as numbers; what is none by its digest. A stream has no indices."""
    each = indices if isinstance(indices, list | tuple) else [indices]
    if len(each) > MOST_ROWS:
        return [digest(indices)]
    return [] if all(index is None for index in each) else [_number(index) for index in each]


def _number(index: Any) -> int | str:
    try:
        return operator.index(index)
    except TypeError:
        return digest(index)[:ROW_DIGITS]
