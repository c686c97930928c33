"""Blocks that leave every generator as they found it."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from samebits import process
from samebits.seeds import SEEDERS, derive_seed, on_import, seed_imported

Restore = Callable[[], None]


@contextmanager
def isolated_rng() -> Iterator[None]:
    """A block after which every generator is as it was before, also when the block raises.

    >>> with isolated_rng():
    ...     accuracy = evaluate(model)  # whatever it draws, the training after it does not notice

    Restored are the global generators of Python and NumPy, torch's on the CPU and on every GPU, Keras's
    global seed generator and every live `keras.random.SeedGenerator` (each dropout layer has one), every live
    `tf.random.Generator`, and the seeds of eager TensorFlow operations. Generators that are made inside the
    block are left alone. A framework first imported inside is left as `seed_everything`, if it was called
    before the block, would have left it.

    Not supported, because TensorFlow keeps their state inside kernels, where nothing can read it: eager
    operations with a seed of their own (`tf.random.normal(shape, seed=3)`), legacy random operations inside a
    `tf.function`, and going again through a shuffled `tf.data` pipeline that was made before the block. Use
    `tf.random.stateless_*`, a `tf.random.Generator`, or `keras.random`.

    A block costs about 0.1 ms, and about 0.2 s in a program that uses TensorFlow or Keras, whose generators
    have to be looked for.
    """
    process.check(strict=False)
    with ExitStack() as stack:
        # Restored last to first, and Python's after all others. What fails does not keep the rest from its
        # turn.
        stack.callback(_seed_newcomers, set(sys.modules) & set(SEEDERS), on_import.seed)
        for name, save in SAVERS.items():
            if name in sys.modules:
                stack.callback(save())
        yield


@contextmanager
def restored_generators() -> Iterator[None]:
    """A block that leaves what `seed_step` seeds as it was: the generators of Python, NumPy and torch."""
    with ExitStack() as stack:
        for name in ("random", "numpy.random", "torch"):
            if name in sys.modules:
                stack.callback(SAVERS[name]())
        yield


@contextmanager
def stream(seed: int, *path: str | int) -> Iterator[None]:
    """An `isolated_rng` block whose global generators start from `derive_seed(seed, *path)`.

    >>> with stream(seed, "initialisation"):
    ...     model = Net()

    Raises:
        WrongUse: as `derive_seed`.
    """
    derived = derive_seed(seed, *path)
    with isolated_rng():
        seed_imported(derived)
        yield


def instances(kind: type) -> list[Any]:
    """Every live object of a class or a class below it: one pass of the garbage collector, about 0.1 s."""
    kinds = [kind]
    for one in kinds:  # the list grows while it is read
        kinds += one.__subclasses__()
    # An object refers to its class, and the collector looks for that faster than Python can look at each
    # object.
    return [found for found in gc.get_referrers(*kinds) if type(found) in kinds]


def _seed_newcomers(known: set[str], seed: int | None) -> None:
    """Put back the seed that later imports get, and give it to what has been imported since."""
    on_import.seed = seed
    if seed is not None:
        for name, seeder in SEEDERS.items():
            if name in sys.modules and name not in known:
                seeder(seed)


def _save_python() -> Restore:
    import random

    state = random.getstate()
    return lambda: random.setstate(state)


def _save_numpy() -> Restore:
    import numpy

    state = numpy.random.get_state(legacy=False)
    return lambda: numpy.random.set_state(state)


def _save_torch() -> Restore:
    import torch

    cpu = torch.default_generator.get_state()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    # Before CUDA starts, torch keeps the seeds that GPUs are to get as calls that wait.
    waiting = vars(torch.cuda._lazy_seed_tracker).copy()

    def restore() -> None:
        torch.default_generator.set_state(cpu)
        if gpus is not None:
            torch.cuda.set_rng_state_all(gpus)
        elif not torch.cuda.is_initialized():
            vars(torch.cuda._lazy_seed_tracker).update(waiting)
        else:  # CUDA started inside the block; without a waiting seed it would have started with a random one
            for call in filter(None, waiting["call_order"]):
                call[0]()

    return restore


def _save_tensorflow() -> Restore:
    from samebits import tensorflow_generators

    eager, generators = tensorflow_generators.save_eager_seeds(), tensorflow_generators.save_generators()

    def restore() -> None:
        generators()
        eager()

    return restore


def _save_keras() -> Restore:
    import keras
    import numpy
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
    from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED

    names = (GLOBAL_SEED_GENERATOR, GLOBAL_RANDOM_SEED)
    attributes = {name: global_state.get_global_attribute(name) for name in names}
    variables = [generator.state for generator in instances(keras.random.SeedGenerator)]
    states = [(variable, numpy.array(keras.ops.convert_to_numpy(variable))) for variable in variables]

    def restore() -> None:
        for variable, state in states:
            variable.assign(state)
        for name, value in attributes.items():
            global_state.set_global_attribute(name, value)

    return restore


SAVERS: dict[str, Callable[[], Restore]] = {  # each remembers the state now and returns what puts it back
    "random": _save_python,
    "numpy.random": _save_numpy,
    "torch": _save_torch,
    "tensorflow": _save_tensorflow,
    "keras": _save_keras,
}
