"""The global generators of a program, one row an owner: how they are seeded, read, put back and recognised.

Whoever seeds, isolates, saves or looks for generators asks these rows. A new framework is a row in its own
room and an entry in `ROWS`.
"""

import importlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Restore = Callable[[], None]


@dataclass(frozen=True)
class Generators:
    """The global generators of one owner.

    Attributes:
        owner: as users know it, such as "NumPy".
        seed: gives them a seed, an integer in [0, 2**63).
        save: remembers the state now, that of live generators of the owner's own kinds included, and returns
            the function that puts it back.
        state: the state of the global ones as plain data and NumPy arrays; a checkpoint holds it.
        put: gives back what `state` returned.
        draw: draws one number.
        kinds: the classes of generators that a program makes for itself.
        shared: the global ones as objects, where they are some: a loader seeds them.
        seed_step: `seed` for every training step, as fast as can be; None where steps need no seed, because
            nothing but the layers that own a generator moves it.
    """

    owner: str
    seed: Callable[[int], None]
    save: Callable[[], Restore]
    state: Callable[[], Any]
    put: Callable[[Any], None]
    draw: Callable[[], object]
    kinds: Callable[[], tuple[type, ...]]
    shared: Callable[[], tuple[Any, ...]] = tuple
    seed_step: Callable[[int], None] | None = None


# By the module whose import brings the generators: the module that has their row, in a variable ROW. The
# order counts: what is imported later may draw from the generators of what stands above it.
ROWS = {
    "random": "samebits.rng.generators:PYTHON",
    "numpy.random": "samebits.rng.generators:NUMPY",
    "torch": "samebits.torch.global_generators:TORCH",
    "tensorflow": "samebits.keras.global_generators:TENSORFLOW",
    "keras": "samebits.keras.global_generators:KERAS",
}


def row(module: str) -> Generators:
    """The row of the generators that the import of `module` brings; the import must have ended."""
    place, _, name = ROWS[module].partition(":")
    generators: Generators = getattr(importlib.import_module(place), name)
    return generators


def imported() -> Iterator[tuple[str, Generators]]:
    """The rows of what this program has imported, each with its module, in the order of `ROWS`."""
    for module in ROWS:
        if module in sys.modules:
            yield module, row(module)


def _save_python() -> Restore:
    state = random.getstate()
    return lambda: random.setstate(state)


PYTHON = Generators(
    owner="Python",
    seed=random.seed,
    save=_save_python,
    state=random.getstate,
    put=random.setstate,
    draw=random.random,
    kinds=lambda: (random.Random,),
    shared=lambda: (getattr(random, "_inst", None),),
    seed_step=random.seed,
)


def _numpy() -> Any:
    # From the table: NumPy's own attribute is missing until the import of numpy.random ends, and seeding is
    # called at that moment.
    return sys.modules["numpy.random"]


def _seed_numpy(seed: int) -> None:
    # NumPy's global generator takes 32 bits as they are, and more as an array of 32-bit words.
    _numpy().seed(seed if seed < 2**32 else [seed % 2**32, seed >> 32])


def _save_numpy() -> Restore:
    state = _state_of_numpy()
    return lambda: _numpy().set_state(state)


def _state_of_numpy() -> Any:
    return _numpy().get_state(legacy=False)


def _kinds_of_numpy() -> tuple[type, ...]:
    numpy = _numpy()
    return numpy.Generator, numpy.RandomState, numpy.BitGenerator


NUMPY = Generators(
    owner="NumPy",
    seed=_seed_numpy,
    save=_save_numpy,
    state=_state_of_numpy,
    put=lambda state: _numpy().set_state(state),
    draw=lambda: _numpy().random(),
    kinds=_kinds_of_numpy,
    shared=lambda: (_numpy().mtrand._rand,),
    seed_step=_seed_numpy,
)
