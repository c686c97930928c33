"""A progress bar or a line that changes, on a terminal; silence where nobody watches."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from samebits._printable import printable

Item = TypeVar("Item")


def bar(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Pass `items` through and show how far they are, on stderr, when that is a terminal.

    Args:
        items: any number of them.
        description: what the bar says.
        total: how many there are, where `items` has no length.
    """
    if not sys.stderr.isatty():  # rich costs a tenth of a second and is not needed
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description, total, console=Console(stderr=True), transient=True)


class Line:
    """A line on stderr that changes, while in its block and when that is a terminal."""

    def __init__(self, wanted: bool = True) -> None:
        self._status: Any = None
        if wanted and sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("")

    def update(self, text: str) -> None:
        """Show another text."""
        if self._status is not None:
            from rich.markup import escape

            self._status.update(escape(printable(text)))

    def __enter__(self) -> None:
        if self._status is not None:
            self._status.start()

    def __exit__(self, *exception: object) -> None:
        if self._status is not None:
            self._status.stop()
