"""Numbers that the system gave this process, which are other ones in every run: known again as seeds.

Reading the code tells where a seed comes from only where it goes one way. A number of so many bits
is a constant by accident once in 100,000 programs or less, so it tells it by itself, whatever way it went.
How large it is does not count: of all numbers of 32 bits, small ones are drawn, too.
"""

import functools
import os
import re
import sys
from typing import Any

KEPT = 4096  # of the newest
FEWEST = 28  # bits that were drawn; of fewer, a constant may be the same by accident
# What programs take of a number so that it is small enough for a seed; and of a hash of it.
SIZES = (2**32, 2**32 - 1, 2**31, 2**31 - 1, 2**63, 2**63 - 1, 2**64, sys.hash_info.modulus)
ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")
_given: dict[int, str] = {}  # each with what gave it


def remember(number: int, bits: int, source: str) -> None:
    """Remember a number, and what there is of it in the sizes of seeds.

    Args:
        number: at least 0.
        bits: that were drawn for it.
        source: what gave it.
    """
    if bits < FEWEST:
        return
    for size in (0, *SIZES):
        _given[number % size if size else number] = source
    while len(_given) > KEPT:
        del _given[next(iter(_given))]


def remember_bytes(given: bytes, source: str) -> None:
    """Remember the numbers that bytes stand for, in either order of theirs."""
    if len(given) <= 64:
        remember(int.from_bytes(given, "big"), 8 * len(given), source)
        remember(int.from_bytes(given, "little"), 8 * len(given), source)


def source_of(value: Any) -> str | None:
    """What gave a seed: "os.urandom()"; None where it may be a constant."""
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode(errors="replace")
        return "an address in a text" if ADDRESS.search(text) else None
    if isinstance(value, list | tuple):
        return next(filter(None, map(source_of, value)), None)
    if hasattr(value, "tobytes"):
        value = int.from_bytes(value.tobytes(), "little")
    return _given.get(value) if isinstance(value, int) else None


def watch() -> None:
    """`os.urandom`, where the user asks for it by this name."""
    original = os.urandom

    @functools.wraps(original)
    def urandom(size: int, /) -> bytes:
        given = original(size)
        remember_bytes(given, "os.urandom()")
        return given

    urandom.__module__ = "os"  # for pickle
    os.urandom = urandom


def watch_uuid() -> None:
    """`uuid.uuid4` and `uuid.uuid1`."""
    package: Any = sys.modules["uuid"]
    for name in ("uuid1", "uuid4"):
        setattr(package, name, _watched(getattr(package, name), f"uuid.{name}()"))


def _watched(original: Any, source: str) -> Any:
    @functools.wraps(original)
    def watched(*given: Any, **named: Any) -> Any:
        made = original(*given, **named)
        remember(made.int, 128, source)
        remember(made.fields[0], 32, source)
        return made

    return watched
