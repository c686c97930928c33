"""The rows of Keras and of TensorFlow in the registry `samebits.rng.generators`.

Importing this imports neither: each row is asked for only when its library is there.
"""

import sys
from collections.abc import Mapping
from typing import Any

from samebits.rng.generators import Generators, Restore
from samebits.rng.live_objects import instances


def _seed_tensorflow(seed: int) -> None:
    import tensorflow

    from samebits.keras import tensorflow_generators

    tensorflow.random.set_seed(seed)
    tensorflow_generators.seed_global_generator(seed)


def _save_tensorflow() -> Restore:
    from samebits.keras import tensorflow_generators

    eager, generators = tensorflow_generators.save_eager_seeds(), tensorflow_generators.save_generators()

    def restore() -> None:
        generators()
        eager()

    return restore


def _state_of_tensorflow() -> dict[str, Any]:
    from samebits.keras import tensorflow_generators

    return tensorflow_generators.get_state()


def _put_tensorflow(state: Mapping[str, Any]) -> None:
    from samebits.keras import tensorflow_generators

    tensorflow_generators.put_state(state)


TENSORFLOW = Generators(
    owner="TensorFlow",
    seed=_seed_tensorflow,
    save=_save_tensorflow,
    state=_state_of_tensorflow,
    put=_put_tensorflow,
    draw=lambda: sys.modules["tensorflow"].random.uniform(()),
    kinds=lambda: (sys.modules["tensorflow"].random.Generator,),
)


def _names() -> tuple[str, str]:
    """Under which names Keras keeps its global seed generator, and the seed to make it with."""
    from keras.src.random import seed_generator
    from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED

    # Keras 3.10 writes the name where it uses it.
    return getattr(seed_generator, "GLOBAL_SEED_GENERATOR", "global_seed_generator"), GLOBAL_RANDOM_SEED


def _get(name: str) -> Any:
    from keras.src.backend.common import global_state

    return global_state.get_global_attribute(name)


def _set(name: str, value: Any) -> None:
    from keras.src.backend.common import global_state

    global_state.set_global_attribute(name, value)


def _seed_keras(seed: int) -> None:
    # What `keras.utils.set_random_seed` does, less what the other rows do: it takes 32 bits only.
    generator, number = _names()
    _set(number, seed)
    # Keras makes it anew when it is first used, with a seed that it draws from Python's.
    _set(generator, None)


def _save_keras() -> Restore:
    import keras
    import numpy

    attributes = {name: _get(name) for name in _names()}
    variables = [generator.state for generator in instances(keras.random.SeedGenerator)]
    states = [(variable, numpy.array(keras.ops.convert_to_numpy(variable))) for variable in variables]

    def restore() -> None:
        for variable, state in states:
            variable.assign(state)
        for name, value in attributes.items():
            _set(name, value)

    return restore


def _state_of_keras() -> dict[str, Any]:
    import keras

    generator, number = map(_get, _names())
    state = None if generator is None else keras.ops.convert_to_numpy(generator.state)
    return {"seed": number, "generator": state}


def _put_keras(state: Mapping[str, Any]) -> None:
    import keras

    generator, number = _names()
    _set(number, state["seed"])
    made = None
    if state["generator"] is not None:
        made = _get(generator) or keras.random.SeedGenerator(0)  # without a seed it would draw from Python's
        made.state.assign(state["generator"])
    _set(generator, made)


KERAS = Generators(
    owner="Keras",
    seed=_seed_keras,
    save=_save_keras,
    state=_state_of_keras,
    put=_put_keras,
    draw=lambda: sys.modules["keras"].random.uniform(()),
    kinds=lambda: (sys.modules["keras"].random.SeedGenerator,),
)
