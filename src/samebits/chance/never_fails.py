"""What looks at a program must not end it: a fault in here is told in one line, and the program continues."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

from samebits._printable import printable

P = ParamSpec("P")


def never_fails(look: Callable[P, None]) -> Callable[P, None]:
    """A function that prints what goes wrong in `look`, and returns."""

    @functools.wraps(look)
    def guarded(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            look(*arguments, **named)
        except Exception as error:
            line = f"samebits: {look.__module__}.{look.__name__} failed: {type(error).__name__}: {error}"
            print(printable(" ".join(line.split())), file=sys.stderr)

    return guarded
