"""Finds generators that a dataset or sampler keeps, and that no loader can seed."""

import random
from collections.abc import Mapping
from typing import Any

import numpy
import torch

KINDS = (
    torch.Generator,
    numpy.random.Generator,
    numpy.random.RandomState,
    numpy.random.BitGenerator,
    random.Random,
)
DEPTH = 6  # a Subset of a dataset with a Compose with a list of transforms with a generator is 5 deep
WIDTH = 64  # of a list: a list of transforms is short, and one of a million samples holds no generators


def find_generator(what: Any, name: str) -> str | None:
    """Look for a random generator among an object's attributes, their attributes, and so on.

    Args:
        what: a dataset or a sampler.
        name: what to call it.

    Returns:
        Such as "dataset.transform.rng is a numpy.random.Generator"; None if none was found.
    """
    seen: set[int] = set()
    level = [(name, what)]
    for _ in range(DEPTH):
        below = []
        for path, value in level:
            if id(value) in seen or value is torch.default_generator:
                continue
            seen.add(id(value))
            if isinstance(value, KINDS) and path != name:
                return f"{path} is a {type(value).__module__}.{type(value).__qualname__}"
            below += _children(path, value)
        level = below
    return None


def _children(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        return [(f"{path}[{number}]", one) for number, one in enumerate(value[:WIDTH])]
    if isinstance(value, Mapping):
        return [(f"{path}[{key!r}]", one) for key, one in list(value.items())[:WIDTH]]
    if isinstance(value, type | torch.Tensor | numpy.ndarray) or type(value).__module__ == "builtins":
        return []
    return [(f"{path}.{key}", one) for key, one in getattr(value, "__dict__", {}).items()]
