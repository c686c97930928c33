"""A frozen dataclass of settings whose fields become the command line's options."""

import dataclasses
import inspect
import math
import os
import signal
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from samebits import interruption
from samebits.cli import run_command

S = TypeVar("S")


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    innocent: bool = False,
) -> Any:
    """A field of a settings class: its default, one line of help, and the range that it may take.

    `innocent=True` promises that the weights are the same whatever the value: golden hashes and
    comparisons of runs leave such a field out.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Settings:
    ...     epochs: int = option(10, "passes over the training data", minimum=1)
    >>> Settings().epochs
    10
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "innocent": innocent}
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
    signal.signal(signal.SIGTERM, interruption.terminate)
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


def as_json(settings: Any) -> dict[str, Any]:
    """The settings as plain JSON values, in the order of their fields."""
    values = dataclasses.asdict(settings)
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def deciding(settings: Any) -> dict[str, Any]:
    """The settings that decide the weights' bits, as plain JSON values."""
    innocent = {f.name for f in dataclasses.fields(settings) if f.metadata.get("innocent")}
    return {name: value for name, value in as_json(settings).items() if name not in innocent}


def changed(settings: Any) -> dict[str, Any]:
    """The settings that are not at their default, as plain JSON values."""
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    return {name: value for name, value in as_json(settings).items() if value != defaults[name]}


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
