"""Finds out from which global generators a function draws, by calling it."""

import pickle
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

from samebits.isolation import isolated_rng


def moved_generators(act: Callable[[], Any]) -> list[str]:
    """Call `act` and tell whose global generators it moved.

    Returns:
        Some of "Python", "NumPy", "torch", "TensorFlow" and "Keras". All of them are afterwards as before.
    """
    with isolated_rng():
        before = dict(_states())
        act()
        return [owner for owner, state in _states() if before.get(owner) != state]


def _states() -> Iterator[tuple[str, bytes]]:
    yield "Python", pickle.dumps(random.getstate())
    if numpy := sys.modules.get("numpy"):
        yield "NumPy", pickle.dumps(numpy.random.get_state(legacy=False))
    if torch := sys.modules.get("torch"):
        yield "torch", torch.default_generator.get_state().numpy().tobytes()
    if "tensorflow" in sys.modules:
        from samebits import tensorflow_generators

        yield "TensorFlow", pickle.dumps(tensorflow_generators.get_state())
    if keras := sys.modules.get("keras"):
        from keras.src.backend.common import global_state
        from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

        generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
        state = None if generator is None else keras.ops.convert_to_numpy(generator.state)
        yield "Keras", pickle.dumps(state)
