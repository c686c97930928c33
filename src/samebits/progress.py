"""A progress bar on a terminal; silence where nobody watches."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def bar(items: Iterable[Item], description: str) -> Iterator[Item]:
    """Pass `items` through and show how far they are, on stderr, when that is a terminal."""
    if not sys.stderr.isatty():  # rich costs a tenth of a second and is not needed
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description, console=Console(stderr=True), transient=True)
