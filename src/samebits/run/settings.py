"""A frozen dataclass of settings whose fields become the command line's options."""

import argparse
import contextlib
import dataclasses
import enum
import inspect
import json
import math
import os
import signal
import sys
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from samebits.errors import UsageError
from samebits.process.program import run_command
from samebits.rng import seeds
from samebits.run import signals

S = TypeVar("S")


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    affects_weights: bool = True,
) -> Any:
    """A field of a settings class: its default, one line of help, and the range that it may take.

    `affects_weights=False` promises that the weights are the same whatever the value: golden hashes and
    comparisons of runs leave such a field out. A run says in one line when it sees that evaluation breaks
    the promise (docs/resume.md).

    >>> @dataclasses.dataclass(frozen=True)
    ... class Settings:
    ...     epochs: int = option(10, "passes over the training data", minimum=1)
    >>> Settings().epochs
    10
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "affects_weights": affects_weights}
    return dataclasses.field(default=default, metadata=metadata)


def main(
    train: Callable[[S], object], settings: type[S], arguments: list[str] | None = None
) -> typing.NoReturn:
    """Parse the command line into `settings`, call `train` with it, exit.

    A user's mistake ends in one line on stderr: status 2 for wrong use, 1 for a failed check. SIGTERM
    (`docker stop`, a scheduler's notice) unwinds like an exception: nothing half-written stays behind.

    Args:
        train: what to call with the settings.
        settings: a frozen dataclass whose fields were made by `option`.
        arguments: the command line; None takes the process's own.
    """
    signal.signal(signal.SIGTERM, signals.terminate)
    kinds = typing.get_type_hints(settings)
    options = [_option(field, kinds[field.name]) for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
    document = inspect.getdoc(train) or inspect.getdoc(inspect.getmodule(train)) or ""

    def callback(**values: Any) -> None:
        train(settings(**values))

    command = click.Command("train", params=list(options), callback=callback, help=document)
    program = f"python {sys.argv[0]}"
    module = getattr(sys.modules["__main__"], "__spec__", None)
    if module is not None:  # started with `python -m`
        program = f"python -m {module.name}"
    if word := os.environ.get("SAMEBITS_WORD"):  # by entrypoint, or by make
        program = f"./entrypoint {word}"
    sys.exit(run_command(command, program, arguments))


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
        return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
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
        shown = " ".join(f"{value!r}".split())[:80]
        raise UsageError(
            f"the setting {name} is {shown} ({type(value).__name__}), which the manifest cannot hold "
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


def changed(settings: Any) -> dict[str, Any]:
    """The settings that are not at their default, as plain JSON values; without defaults, the seed alone."""
    plain, values = as_json(settings), _values(settings)
    if not dataclasses.is_dataclass(settings):
        return {"seed": plain["seed"]}
    defaults = {field.name: _default(field) for field in dataclasses.fields(settings)}
    return {name: plain[name] for name, value in values.items() if value != defaults[name]}


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


class Number(click.FloatRange):
    """A float that is one: nan is in no range, and inf trains to nan."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        number = super().convert(value, parameter, context)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", parameter, context)
        return number


def _option(field: "dataclasses.Field[Any]", kind: Any) -> click.Option:
    flag = f"--{field.name.replace('_', '-')}"
    low, high = field.metadata.get("minimum"), field.metadata.get("maximum")
    if kind is bool:
        flag = f"{flag}/--no-{flag[2:]}"
    return click.Option(
        [flag, field.name],
        type=_click_type(kind, low, high),
        default=field.default,
        show_default=field.default is not None,
        help=field.metadata.get("help"),
    )


def _click_type(kind: Any, low: float | None, high: float | None) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):  # `Path | None`
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.get_args(kind))
    if kind is Path:
        return click.Path(path_type=Path)
    if kind is int and (low is not None or high is not None):
        return click.IntRange(low, high)  # type: ignore[arg-type]
    if kind is float:
        return Number(low, high)
    return kind
