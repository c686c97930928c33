"""Errors that nobody catches: the last line on stderr is ours when we know what it is about."""

import sys
from collections.abc import Callable
from types import TracebackType

from samebits._printable import printable

Explain = Callable[[BaseException], str | None]

_explainers: list[Explain] = []
_alone: list[Explain] = []
_next_hook = sys.excepthook


def explain_uncaught(explain: Explain, alone: bool = False) -> None:
    """From now on, print what `explain` says about an error that ends the program. May be called twice.

    Args:
        explain: the line about an error, or None when it is another's.
        alone: print it in place of the traceback, since no line of code is at fault.
    """
    global _next_hook
    if not _explainers and not _alone:  # once: a hook put over ours calls ours, and ours would call it
        _next_hook, sys.excepthook = sys.excepthook, _hook
    chosen = _alone if alone else _explainers
    if explain not in chosen:
        chosen.append(explain)


def _hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    line = next(filter(None, (explain(error) for explain in _alone)), None)
    if line is None:
        _next_hook(kind, error, traceback)
        line = next(filter(None, (explain(error) for explain in _explainers)), None)
    if line is not None:
        print(f"samebits: {printable(line)}", file=sys.stderr)
