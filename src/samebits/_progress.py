"""A progress bar on a terminal; silence where nobody watches."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

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
