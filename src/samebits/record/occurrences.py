"""How often each call of a layer or of an operation was there since the last step: a part of its identity."""

from collections import Counter
from collections.abc import Mapping
from typing import Any


class Occurrences:
    """Counts calls from 1, and from 1 again when an optimiser has made a step."""

    def __init__(self) -> None:
        self._after: Mapping[str, int] | None = None
        self._counts: Counter[tuple[Any, ...]] = Counter()

    def count(self, after: Mapping[str, int], *who: Any) -> int:
        """The number of this call.

        Args:
            after: the steps that each optimiser has made.
            who: what else the call is known by.
        """
        if self._after != after:
            self._after = after
            self.begin_step()
        self._counts[who] += 1
        return self._counts[who]

    def begin_step(self) -> None:
        """What was counted belongs to an earlier step."""
        self._counts.clear()
