"""TensorFlow's generators: its global `tf.random.Generator`, and the seeds of eager operations.

TensorFlow offers no way to read these, so this file, and no other, looks into `tensorflow.python`.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from tensorflow.python.eager import context
from tensorflow.python.framework import ops
from tensorflow.python.ops import stateful_random_ops

from samebits.rng.live_objects import instances


class LaterGenerator(stateful_random_ops.Generator):
    """A `tf.random.Generator` that makes its variable when it is first used.

    A variable starts TensorFlow's devices, after which memory growth or threads can no longer be set. Without
    a global generator of its own TensorFlow would make one from the operating system's randomness.
    """

    def __init__(self, seed: int) -> None:
        self.__dict__["_later_seed"] = seed  # past TensorFlow's tracking of attributes

    def __getattr__(self, name: str) -> Any:
        # Python asks here for what is missing: before the first use, everything.
        if name.startswith("__") or name == "_later_seed" or is_made(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with ops.init_scope():
            self.__dict__.update(vars(stateful_random_ops.Generator.from_seed(self._later_seed)))
        return getattr(self, name)


def is_made(generator: stateful_random_ops.Generator) -> bool:
    """Whether the generator has a state already."""
    return "_state_var" in vars(generator)


def seed_global_generator(seed: int) -> None:
    """Make `tf.random.get_global_generator()` start from `seed`; functions that captured it follow."""
    generator = stateful_random_ops.global_generator
    if generator is None or not is_made(generator):
        stateful_random_ops.set_global_generator(LaterGenerator(seed))
    else:
        generator.reset_from_seed(seed)


def save_eager_seeds() -> Callable[[], None]:
    """Remember from which seeds eager operations draw; returns the function that puts them back."""
    eager = context.context()
    seed, seeds = eager._seed, getattr(eager, "_rng", None)
    state = seeds.getstate() if seeds else None

    def restore() -> None:
        now = getattr(eager, "_rng", None)
        if (eager._seed, now and now.getstate()) == (seed, state):
            return  # clearing the kernels would reset those of operations with a seed of their own
        eager._seed = seed
        if seeds is None:
            del eager._rng
        else:
            seeds.setstate(state)
            eager._rng = seeds
        # A kernel that drew inside would continue from there when its seed comes round again.
        eager.clear_kernel_cache()

    return restore


def get_state() -> dict[str, Any]:
    """The states of the global generator and of what gives eager operations their seeds, as plain data."""
    eager, generator = context.context(), stateful_random_ops.global_generator
    seeds = getattr(eager, "_rng", None)
    state: dict[str, Any] = {"seed": eager._seed, "random": seeds.getstate() if seeds else None}
    if generator is not None and is_made(generator):
        state["generator"] = {"algorithm": int(generator.algorithm), "state": generator.state.numpy()}
    else:
        state["generator"] = None if generator is None else {"later_seed": generator._later_seed}
    return state


def put_state(state: Mapping[str, Any]) -> None:
    """Give back what `get_state` told."""
    eager, stored = context.context(), state["generator"]
    eager._seed = state["seed"]
    if state["random"] is not None:
        eager._rng = random.Random()
        eager._rng.setstate(state["random"])
    eager.clear_kernel_cache()  # kernels draw from where they are, and would continue there
    if stored is None:
        stateful_random_ops.global_generator = None
    elif "later_seed" in stored:
        stateful_random_ops.set_global_generator(LaterGenerator(stored["later_seed"]))
    else:
        generator = stateful_random_ops.global_generator
        if generator is None or int(generator.algorithm) != stored["algorithm"]:
            generator = stateful_random_ops.Generator(state=stored["state"], alg=stored["algorithm"])
            stateful_random_ops.set_global_generator(generator)
        generator.reset(stored["state"])


def save_generators() -> Callable[[], None]:
    """Remember all live `tf.random.Generator`s and the global one; returns the function that restores."""
    current = stateful_random_ops.global_generator
    unused = [g for g in instances(LaterGenerator) if not is_made(g)]
    states = [(g, g.state.numpy()) for g in instances(stateful_random_ops.Generator) if is_made(g)]

    def restore() -> None:
        stateful_random_ops.global_generator = current
        for generator, state in states:
            generator.reset(state)
        for generator in unused:
            if is_made(generator):
                generator.reset_from_seed(generator._later_seed)

    return restore
