"""The states of generators in a training in Keras, as digests; no draw is made, and nothing is imported.

Python's, NumPy's and TensorFlow's seeds for eager operations are read by the host. TensorFlow's global
generator and Keras's seed generators are variables, which a graph may change while it runs: it reads them.
"""

import struct
import sys
from typing import Any

from samebits.hashing.digest import digest

KERAS = "keras"  # the generator of what draws without a seed of its own


def of_host() -> dict[str, str]:
    """The digests of Python's and NumPy's states, by "python" and "numpy", where they were imported."""
    states = {}
    if (python := sys.modules.get("random")) is not None:
        states["python"] = _of_python(python.getstate())
    if (numpy := sys.modules.get("numpy.random")) is not None:
        states["numpy"] = digest(numpy.get_state(legacy=False))
    return states


def _of_python(state: Any) -> str:
    """A digest of each of its 625 words would take longer than a step of a small model."""
    version, words, half = state
    return digest((version, struct.pack(f"={len(words)}I", *words), half))


def variables() -> dict[str, Any]:
    """The variables of the global generators that exist, by "keras" and "tensorflow"."""
    from keras.src.backend.common import global_state

    states = {}
    if (generator := global_state.get_global_attribute("global_seed_generator")) is not None:
        states[KERAS] = generator.state
    if "tensorflow" in sys.modules:
        from tensorflow.python.ops import stateful_random_ops

        known = stateful_random_ops.global_generator
        if known is not None and "_state_var" in vars(known):
            states["tensorflow"] = known.state
    return states


def seeds_of_eager_operations() -> str:
    """The digest of the seed of `tf.random.set_seed`, and of what has been drawn from it for operations."""
    from tensorflow.python.eager import context

    eager = context.context()
    drawn = getattr(eager, "_rng", None)
    return digest((eager._seed, _of_python(drawn.getstate()) if drawn else None))
