"""Blocks that leave every generator as they found it."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from samebits.process import check
from samebits.rng import generators
from samebits.rng.seeds import derive_seed, on_import, seed_imported


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
    check.this_process(strict=False)
    with ExitStack() as stack:
        # Restored last to first, and Python's after all others. What fails does not keep the rest from its
        # turn.
        stack.callback(_seed_newcomers, set(sys.modules) & set(generators.ROWS), on_import.seed)
        for _, row in generators.imported():
            stack.callback(row.save())
        yield


@contextmanager
def restored_generators() -> Iterator[None]:
    """A block that leaves what `seed_step` seeds as it was: the generators of Python, NumPy and torch."""
    with ExitStack() as stack:
        for _, row in generators.imported():
            if row.seed_step is not None:
                stack.callback(row.save())
        yield


@contextmanager
def stream(seed: int, *path: str | int) -> Iterator[None]:
    """An `isolated_rng` block whose global generators start from `derive_seed(seed, *path)`.

    >>> with stream(seed, "initialisation"):
    ...     model = Net()

    Raises:
        UsageError: as `derive_seed`.
    """
    derived = derive_seed(seed, *path)
    with isolated_rng():
        seed_imported(derived)
        yield


def _seed_newcomers(known: set[str], seed: int | None) -> None:
    """Put back the seed that later imports get, and give it to what has been imported since."""
    on_import.seed = seed
    if seed is not None:
        for module, row in generators.imported():
            if module not in known:
                row.seed(seed)
