"""Finds out from which global generators a function draws, by calling it."""

import pickle
from collections.abc import Callable
from typing import Any

from samebits.rng import generators
from samebits.rng.isolation import isolated_rng


def moved_generators(act: Callable[[], Any]) -> list[str]:
    """Call `act` and tell whose global generators it moved.

    Returns:
        Some of "Python", "NumPy", "torch", "TensorFlow" and "Keras". All of them are afterwards as before.
    """
    with isolated_rng():
        before = _states()
        act()
        return [owner for owner, state in _states().items() if before.get(owner) != state]


def _states() -> dict[str, bytes]:
    return {row.owner: pickle.dumps(row.state()) for _, row in generators.imported()}
