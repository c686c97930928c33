"""What both frameworks' plain scripts have in common: the global generators, and no seeding but the first."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np


class GlobalGenerator:
    """Looks like a `numpy.random.Generator` and draws from the process's global generators.

    Whole numbers come from Python's generator and the rest from NumPy's: augmentation in the wild mixes them.
    """

    def integers(self, low: int, high: int, size: int) -> np.ndarray:
        return np.array([random.randrange(low, high) for _ in range(size)])

    def __getattr__(self, name: str) -> Any:
        return getattr(np.random, name)


@contextlib.contextmanager
def nothing(*arguments: Any) -> Iterator[None]:
    """In the place of `isolated_rng` and `stream`."""
    yield


def do_nothing(*arguments: Any, **options: Any) -> None:
    """In the place of what seeds or switches something."""


def patch(place: Any, **replacements: Any) -> None:
    """Replace functions of a module or a class by our own; fails when one does not exist."""
    for name, replacement in replacements.items():
        getattr(place, name)
        setattr(place, name, replacement)
