"""JSON out of files that anybody may have written: read within bounds, its shape checked before its use."""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samebits.errors import UsageError

DEEPEST = 100  # lists and tables within each other; a manifest has five, a checkpoint a dozen
DIGITS = 300  # of a whole number: more fit into no float
Shape = tuple[str, Callable[[Any], bool]]  # in words, and whether a value has it


def _is_text(value: Any) -> bool:
    """Text that can name a file or stand in a command: JSON takes a NUL, and half a character."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


TEXT: Shape = ("text", _is_text)
NAME: Shape = ("a plain name", lambda value: _is_text(value) and bool(re.fullmatch(r"[A-Za-z0-9_-]+", value)))
TEXTS: Shape = ("a list of text", lambda value: isinstance(value, list) and all(map(TEXT[1], value)))
COUNT: Shape = ("a whole number", lambda value: type(value) is int and value >= 0)
NUMBERS: Shape = (
    "a list of numbers",
    lambda value: isinstance(value, list) and all(type(number) in (int, float) for number in value),
)
ANYTHING: Shape = ("anything", lambda value: True)
YES_NO: Shape = ("true or false", lambda value: type(value) is bool)
TABLE: Shape = ("a table", lambda value: isinstance(value, dict))
TABLES: Shape = ("a list of tables", lambda value: isinstance(value, list) and all(map(TABLE[1], value)))
SHA256: Shape = (
    "64 hexadecimal digits",
    lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
)


def optional(shape: Shape) -> Shape:
    """The same, or null."""
    return f"{shape[0]} or null", lambda value: value is None or shape[1](value)


def one_of(*values: str) -> Shape:
    """One of these texts."""
    return " or ".join(values), lambda value: isinstance(value, str) and value in values


class Content(dict[str, Any]):
    """What a file holds. A reader that asks for what is not there gets one line, and no KeyError.

    Args:
        values: the file's table.
        path: the file, which the line names.

    Raises:
        UsageError: from `content[name]`, when there is no such name.
    """

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        super().__init__(values)
        self.path = path

    def __missing__(self, name: str) -> Any:
        raise UsageError(f"{self.path} has no {name!r}: it is damaged, or samebits did not write it")


def read_json(path: Path) -> Any:
    """The value that a file of JSON holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or JSON that samebits does not write: too deep, or with endless numbers.
    """
    if not path.is_file():  # a pipe would keep the reader waiting for ever
        path.stat()
        raise ValueError(f"{path} is no file")
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str | bytes, **options: Any) -> Any:
    """The value that a text of JSON holds; `options` are those of `json.loads`.

    Raises:
        ValueError: as `read_json`.
    """
    try:
        value = json.loads(text, parse_int=_whole, **options)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for node in level
            if isinstance(node, dict | list)
            for inner in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return value
    raise ValueError("it is nested too deeply")


def check(values: Mapping[str, Any], shapes: Mapping[str, Shape], what: object, whole: bool = False) -> None:
    """Compare what is there of a table with the shapes that its readers rely on.

    Args:
        values: the table.
        shapes: by name.
        what: whose table it is, for the line.
        whole: all names must be there; else what is missing is its reader's business, see `Content`.

    Raises:
        UsageError: naming the first value of another shape.
    """
    for name, (words, has) in shapes.items():
        if whole and name not in values:
            raise UsageError(f"{what} has no {name!r}: it is damaged, or samebits did not write it")
        if name in values and not has(values[name]):
            shown = repr(values[name])
            shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
            raise UsageError(f"{what}: {name} is {shown}; it must be {words}")


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)
