"""Finds generators that a dataset, a sampler or a function keeps, and that no loader can seed."""

import functools
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy

from samebits.framework import tensor_bytes_of_imported
from samebits.rng import generators

DEPTH = 6  # a Subset of a dataset with a Compose with a list of transforms with a generator is 5 deep
WIDTH = 64  # of a list: a list of transforms is short, and one of a million samples holds no generators
CALLED = ("__getitem__", "__getitems__", "__iter__", "__call__", "forward")  # for a sample


def find_generator(what: Any, name: str) -> str | None:
    """Look for a random generator among an object's attributes, their attributes, and so on.

    Of a function, and of the methods that give a sample: what it was closed over, its defaults, and the
    globals that its code names.

    Args:
        what: a dataset, a sampler, a function.
        name: what to call it.

    Returns:
        Such as "dataset.transform.rng is a numpy.random.Generator"; None if none was found.
    """
    seen: set[int] = set(map(id, _globals()))
    kinds = _kinds()
    level = [(name, what)]
    for _ in range(DEPTH):
        below = []
        for path, value in level:
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, kinds) and path != name:
                return f"{path} is a {type(value).__module__}.{type(value).__qualname__}"
            below += _children(path, value)
        level = below
    return None


def _globals() -> list[Any]:
    """The generators that loaders seed."""
    return [generator for _, row in generators.imported() for generator in row.shared()]


def _kinds() -> tuple[type, ...]:
    return tuple(kind for _, row in generators.imported() for kind in row.kinds())


def _children(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        return [(f"{path}[{number}]", item) for number, item in enumerate(value[:WIDTH])]
    if isinstance(value, Mapping):
        return [(f"{path}[{key!r}]", item) for key, item in list(value.items())[:WIDTH]]
    if isinstance(value, FunctionType):
        return [(f"{path}'s {key}", item) for key, item in _kept_by_function(value)]
    if isinstance(value, MethodType):
        return [(path, value.__self__), (f"{path}'s function", value.__func__)]
    if isinstance(value, functools.partial):
        return [(f"{path}'s function", value.func), (path, value.args), (path, value.keywords)]
    if isinstance(value, type | numpy.ndarray) or type(value).__module__ == "builtins" or _is_tensor(value):
        return []
    own = [(f"{path}.{key}", item) for key, item in getattr(value, "__dict__", {}).items()]
    for name in CALLED:
        if isinstance(method := getattr(type(value), name, None), FunctionType):
            own += [(f"{path}.{name}'s {key}", item) for key, item in _kept_by_function(method)]
    return own


def _kept_by_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from (function.__kwdefaults__ or {}).items()
    yield "defaults", function.__defaults__ or ()
    kinds = _kinds()
    for name in _names(function.__code__):
        if isinstance(generator := function.__globals__.get(name), kinds):  # other globals are code, or data
            yield name, generator


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_tensor(value: Any) -> bool:
    return any(room.is_tensor(value) for room in tensor_bytes_of_imported())
