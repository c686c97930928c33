"""The settings of a run: which are accepted, and what of them decides the weights."""

import argparse
import contextlib
import dataclasses
import enum
import json
import math
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebits._printable import described
from samebits.errors import UsageError
from samebits.rng import seeds
from samebits.run.options import RunSettings


def accepted(settings: Any) -> Any:
    """The settings of a run as an object with attributes, if a manifest can hold them.

    Args:
        settings: a dataclass's instance, an `argparse.Namespace`, or a mapping of names to values.

    Raises:
        UsageError: it is something else, has no `seed` that is an integer, or a value is not plain.
    """
    if isinstance(settings, Mapping):
        settings = types.SimpleNamespace(**{str(name): value for name, value in settings.items()})
    as_json(settings)
    if not hasattr(settings, "seed"):
        raise UsageError("the settings have no `seed`, from which every generator is seeded: add seed=0")
    seeds.checked(settings.seed)
    return settings


def as_json(settings: Any) -> dict[str, Any]:
    """The settings as plain JSON values, in the order of their fields.

    Numbers, text, booleans, None, lists, tuples and dictionaries of these; a path as its text, an enum's
    member as its name, a dataclass or a namespace as a dictionary, NumPy's numbers as Python's.

    Raises:
        UsageError: naming the first setting that is nothing of these, or no finite number (JSON has none).
    """
    return {name: _plain(name, value) for name, value in _values(settings).items()}


def _values(settings: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        names = [field.name for field in dataclasses.fields(settings)]
        if missing := [name for name in names if not hasattr(settings, name)]:
            raise UsageError(f"the setting {missing[0]} has no value: give it one when the settings are made")
        return {name: getattr(settings, name) for name in names}
    if isinstance(settings, argparse.Namespace | types.SimpleNamespace):
        return dict(vars(settings))
    kind = settings.__name__ if isinstance(settings, type) else f"of type {type(settings).__name__}"
    raise UsageError(f"the settings are {kind}: give a dataclass's instance, an argparse.Namespace or a dict")


def _plain(name: str, value: Any) -> Any:
    """What JSON gives back, which is what comparisons with a file see: a tuple is a list there."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(
            f"the setting {name} is {value}, which JSON cannot hold: give a finite number or None"
        )
    try:
        return json.loads(json.dumps(value, default=_known, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the setting {name} is {described(value)}, which the manifest cannot save "
            f"({error}): give numbers, text, None, or lists and dictionaries of these, or its name as text"
        ) from None


def _known(value: Any) -> Any:
    """What `json` does not know by itself."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Mapping):
        return dict(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.bool_ | numpy.number):
        return value.item()
    with contextlib.suppress(UsageError):
        return _values(value)
    raise TypeError(f"{type(value).__name__} is not plain")


def deciding(settings: Any) -> dict[str, Any]:
    """The settings that decide the weights' bits, as plain JSON values."""
    left_out = without_effect(settings)
    return {name: value for name, value in as_json(settings).items() if name not in left_out}


def without_effect(settings: Any) -> list[str]:
    """The names of the settings that promise `affects_weights=False`."""
    if not dataclasses.is_dataclass(settings):
        return []
    return [f.name for f in dataclasses.fields(settings) if not f.metadata.get("affects_weights", True)]


def telling(settings: Any) -> dict[str, Any]:
    """The settings that tell runs apart, as plain JSON values: those that are not at their default.

    Not paths, not how the run resumes, not whether it is strict; without defaults, the seed alone.
    """
    plain, values = as_json(settings), _values(settings)
    if not dataclasses.is_dataclass(settings):
        return {"seed": plain["seed"]}
    defaults = {field.name: _default(field) for field in dataclasses.fields(settings)}
    if isinstance(settings, RunSettings):
        del values["resume"], values["strict"]
    return {
        name: plain[name]
        for name, value in values.items()
        if value != defaults[name] and not isinstance(value, Path)
    }


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
