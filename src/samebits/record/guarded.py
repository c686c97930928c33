"""What records a program must not end it: a fault in here is one line, once, and the program continues."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from samebits._printable import printable

P = ParamSpec("P")
R = TypeVar("R")
_told: set[str] = set()


def guarded(look: Callable[P, R]) -> Callable[P, R | None]:
    """A function that returns None, and says why once, where `look` raises."""

    @functools.wraps(look)
    def never_fails(*arguments: P.args, **named: P.kwargs) -> R | None:
        try:
            return look(*arguments, **named)
        except Exception as error:
            tell(f"{look.__module__}.{look.__qualname__}", error)
            return None

    return never_fails


def tell(where: str, error: Exception) -> None:
    """Say once what went wrong somewhere; the record lacks something then."""
    if where not in _told:
        _told.add(where)
        line = f"samebits: the record lacks something: {where} failed: {type(error).__name__}: {error}"
        print(printable(" ".join(line.split())[:400]), file=sys.stderr)
