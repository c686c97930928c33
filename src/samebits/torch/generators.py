"""The global generators that a dataset may draw from, seeded and put back as fast as can be.

`samebits.rng.isolation` does the same for every generator there is; here it is for every batch and sample.
"""

import ctypes
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy
import torch
from numpy.random.bit_generator import ISeedSequence

WORDS = 624  # of 32 bits: the state of a Mersenne twister, with a position beside them
TWISTER = (WORDS + 1) * 4  # bytes


def seed_globals(digest: bytes) -> None:
    """Seed Python's, NumPy's and torch's (CPU) global generators, each from other bits of a SHA-256: 6 µs.

    From other bits because NumPy's and torch's are both Mersenne twisters, which one seed would make agree.
    torch's is the seed that `derive_seed` returns for the same path.
    """
    for_torch, for_numpy, for_python = struct.unpack_from(">QII", digest)
    torch.default_generator.manual_seed(for_torch >> 1)
    numpy.random.seed(for_numpy)
    seed_python(for_python)


@contextmanager
def restored_globals() -> Iterator[None]:
    """A block that leaves Python's, NumPy's and torch's (CPU) global generators as it found them: 15 µs."""
    python, of_torch, restore_numpy = random.getstate(), torch.default_generator.get_state(), save_numpy()
    try:
        yield
    finally:
        restore_numpy()
        torch.default_generator.set_state(of_torch)
        random.setstate(python)


def seed_python(word: int) -> None:
    """Seed Python's global generator with 32 bits, as `numpy.random.seed` would seed NumPy's: 2 µs.

    `random.seed` takes 6 µs, most of what a sample's seeding would cost: it mixes an array where NumPy mixes
    one word. Both are Mersenne twisters, so NumPy makes the state, and its words are copied.
    """
    SCRATCH._legacy_seeding(word)
    words = SCRATCH.ctypes.state_address
    if PYTHONS_TWISTER:
        ctypes.memmove(PYTHONS_TWISTER + 4, words, WORDS * 4)
        ctypes.memmove(PYTHONS_TWISTER, words + WORDS * 4, 4)
        GLOBAL.gauss_next = None
    else:
        random.setstate((3, struct.unpack(f"={WORDS + 1}I", ctypes.string_at(words, TWISTER)), None))


def find_pythons_twister() -> int:
    """The address of the twister behind `random`, its position before its words; 0 if it lies otherwise."""
    head = object.__basicsize__
    if type(GLOBAL).__basicsize__ < head + TWISTER:
        return 0
    position, *words = struct.unpack(f"=i{WORDS}I", ctypes.string_at(id(GLOBAL) + head, TWISTER))
    return id(GLOBAL) + head if (*words, position) == random.getstate()[1] else 0


GLOBAL: Any = random._inst  # whose methods `random.random` and the others are
SCRATCH = numpy.random.MT19937()
PYTHONS_TWISTER = find_pythons_twister()


def save_numpy() -> Callable[[], None]:
    """Remember the state of NumPy's global generator; returns the function that puts it back.

    `numpy.random.get_state` and `set_state` convert 624 words one by one, which takes 80 µs: too much for
    every batch. Here the Mersenne twister's memory is copied, and NumPy's functions handle only the rest of
    the state, half a pair of normal numbers, while something else stands in for the twister. This leans on
    NumPy's inside; the test compares it with the functions.
    """
    rand: Any = numpy.random.mtrand._rand
    bits = rand._bit_generator
    if type(bits) is not numpy.random.MT19937:  # the program gave NumPy another one
        state = numpy.random.get_state(legacy=False)
        return lambda: numpy.random.set_state(state)
    address = bits.ctypes.state_address
    memory = ctypes.string_at(address, TWISTER)
    rand._bit_generator = SimpleNamespace(state={"bit_generator": "MT19937", "state": None})
    try:
        half = rand.get_state(legacy=False)
    finally:
        rand._bit_generator = bits

    def restore() -> None:
        ctypes.memmove(address, memory, TWISTER)
        rand._bit_generator = SimpleNamespace()
        try:
            rand.set_state(half)
        finally:
            rand._bit_generator = bits

    return restore


class Words(ISeedSequence):
    """A SHA-256 in place of NumPy's SeedSequence, which takes 8 µs to mix what is mixed already."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest  # 32 bytes: the four words of 64 bits that PCG64 asks for

    def generate_state(self, n_words: int, dtype: Any = numpy.uint32) -> Any:
        return numpy.frombuffer(self.digest, dtype, n_words)


def own_generator(digest: bytes) -> numpy.random.Generator:
    """A new NumPy generator whose stream a SHA-256 decides: 2 µs."""
    return numpy.random.Generator(numpy.random.PCG64(Words(digest)))  # type: ignore[arg-type]
