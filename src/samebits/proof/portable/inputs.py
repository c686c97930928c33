"""Exact inputs: integers hashed and scaled by powers of two, the same bits on every machine by construction.

A random generator would not do: it may itself be what differs.
"""

import math

import numpy as np
from numpy.typing import NDArray

SIZE = 4099  # a prime: vectors, and what is left over
ODD = np.uint64(0x9E3779B97F4A7C15)


def integers(size: int, salt: int = 0) -> NDArray[np.uint64]:
    """`size` whole numbers from 0 to 2**64 - 1: splitmix64 of their index."""
    with np.errstate(over="ignore"):
        value = (np.arange(size, dtype=np.uint64) + np.uint64(salt * 1_000_003 + 1)) * ODD
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return value ^ (value >> np.uint64(31))


def numbers(*shape: int, salt: int = 0, scale: int = 0) -> NDArray[np.float64]:
    """Multiples of 2**(scale - 23) between -2**scale and 2**scale: exact in float32, too."""
    drawn = (integers(math.prod(shape), salt) >> np.uint64(40)).astype(np.int64) - 2**23
    return np.ldexp(drawn.astype(np.float64), scale - 23).reshape(shape)


def positive(*shape: int, salt: int = 0, scale: int = 0) -> NDArray[np.float64]:
    """Multiples of 2**(scale - 24) above 0, up to 2**scale."""
    drawn = (integers(math.prod(shape), salt) >> np.uint64(40)).astype(np.int64) + 1
    return np.ldexp(drawn.astype(np.float64), scale - 24).reshape(shape)


def wide(size: int, salt: int = 0, exponent: int = 120) -> NDArray[np.float64]:
    """Above 0, of every order of magnitude from 2**-exponent to 2**exponent."""
    exponents = (integers(size, salt + 1) % np.uint64(2 * exponent)).astype(np.int64) - exponent
    return np.ldexp(positive(size, salt=salt) + 1, exponents)


def domain(kind: str) -> NDArray[np.float64]:
    """Two times SIZE numbers on which a function is defined: all, positive, unit (-1 to 1), from one."""
    return {
        "all": np.concatenate([numbers(SIZE, salt=1, scale=3), numbers(SIZE, salt=2, scale=7)]),
        "positive": np.concatenate([positive(SIZE, salt=3, scale=2), wide(SIZE, salt=4)]),
        "unit": numbers(2 * SIZE, salt=5),
        "from one": 1 + positive(2 * SIZE, salt=6, scale=6),
    }[kind]


def special() -> NDArray[np.float64]:
    """Zeros, infinities, NaN, the smallest and largest of float32, and neighbours of 1 and of pi / 2."""
    tiny = [2.0**-149, 2.0**-140, 2.0**-127, 2.0**-126]
    edges = [1 - 2.0**-24, 1.0, 1 + 2.0**-23, 88.5, 89.0, 104.0, 2.0**24, 2.0**64, 2.0**127]
    quarter_turns = [math.ldexp(13176794, -23), math.ldexp(13176795, -23), math.ldexp(13176795, -22)]
    above = [0.0, *tiny, *edges, *quarter_turns, math.inf]
    return np.array([*above, *(-value for value in above), math.nan])
