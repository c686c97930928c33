"""In what two lines of a record differ, without reading them as JSON: for millions of steps."""

import re

from samebits.diff.grid import size_of_numbers
from samebits.record.format import DIGITS

FIELDS = re.compile(
    rb',"(skipped|calls|losses|generators|lrs|names|gradients|parameters|buffers|state|moves)":(?=[\[{"tf])'
)
HEXES = re.compile(rb'"([0-9a-f.]{%d,})"' % DIGITS)
LOSS = re.compile(rb'\["[0-9a-f]+",([^\[\]]*)\]')
WHOLE = (b"skipped", b"generators", b"lrs")  # fields whose very content counts
Signature = tuple[object, ...]


def signature(line: bytes, match: bytes) -> Signature | None:
    """What differs between two `step` lines; two pairs with the same signature look the same in a picture.

    Digests count by their position, losses by the size of their difference. Numbers of steps and lines of
    code do not count.

    Returns:
        None where it cannot be told in this way.
    """
    ours, theirs = FIELDS.split(line), FIELDS.split(match)
    if len(ours) != len(theirs):
        return None
    parts: list[object] = []
    for number in range(1, len(ours), 2):
        name, a, b = ours[number], ours[number + 1], theirs[number + 1]
        if name != theirs[number]:
            return None
        if name == b"names":
            parts.append(a)  # which tensors the positions stand for
        if a == b or name == b"moves":  # of generators; they are in no picture
            continue
        if name in WHOLE:
            parts.append((number, a, b))
            continue
        if name == b"losses":
            parts.append((number, *_losses(a, b)))
            continue
        if HEXES.sub(b"", a) != HEXES.sub(b"", b):
            return None
        parts.append((number, *map(_places, HEXES.findall(a), HEXES.findall(b))))
    return tuple(parts)


def _places(a: bytes, b: bytes) -> object:
    """Which digests of two strings differ."""
    if len(a) != len(b):
        return a, b
    if a == b:
        return ()
    return tuple(at for at in range(0, len(a), DIGITS) if a[at : at + DIGITS] != b[at : at + DIGITS])


def _losses(a: bytes, b: bytes) -> tuple[object, ...]:
    first, second = ([_number(text) for text in LOSS.findall(each)] for each in (a, b))
    return (len(first), len(second), *map(size_of_numbers, first, second))


def _number(text: bytes) -> object:
    try:
        return float(text)
    except ValueError:  # null; NaN and infinity stand there as text
        return None if text == b"null" else text.decode("utf-8", "replace")
