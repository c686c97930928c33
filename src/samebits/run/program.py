"""A training as a program: a dataclass of settings whose fields are the options of its command line."""

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

from samebits.process.program import run_command
from samebits.run import signals
from samebits.run.options import NAMES

S = TypeVar("S")


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
    signal.signal(signal.SIGTERM, signals.terminating())
    kinds = typing.get_type_hints(settings)
    fields = sorted(dataclasses.fields(settings), key=lambda field: field.name in NAMES)  # type: ignore[arg-type]
    options = [_option(field, kinds[field.name]) for field in fields]  # the training's own come first
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
