"""Text that came out of a file, made safe for a terminal: control characters are shown, not sent."""

import unicodedata
from collections.abc import Sequence

# Controls (ESC, BEL …), formats (which turn the direction of text around), halves of a character that no
# encoding takes, separators that begin a new line, and what has no meaning at all.
UNSAFE = ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")
KEPT = "\n\t"
DIGITS = 12  # of a hash or a commit that are shown; no two that one project has begin alike


def printable(text: object) -> str:
    r"""The text with what a terminal would obey, and not show, written as Python writes it: ESC is \x1b.

    Lines and tabs stay. Every printer of text that a file brought, a manifest or a tensor's name, calls this.

    >>> printable("Intel\x1b[31m")
    'Intel\\x1b[31m'
    """
    text = str(text)
    if text.isascii() and text.isprintable():  # nearly all text
        return text
    return "".join(
        character
        if character in KEPT or unicodedata.category(character) not in UNSAFE
        else ascii(character)[1:-1]
        for character in text
    )


def described(value: object) -> str:
    """A value of somebody's in one line for an error: 80 characters of it, and its type.

    >>> described([1, 2])
    '[1, 2] (list)'
    """
    return f"{' '.join(repr(value).split())[:80]} ({type(value).__name__})"


def short(digest: str) -> str:
    """How a hash begins, for a table or a sentence; nothing stays nothing.

    >>> short("6e2dfe7d510bf268ac")
    '6e2dfe7d510b…'
    """
    return f"{digest[:DIGITS]}…" if len(digest) > DIGITS else digest


def some(texts: Sequence[str], limit: int = 3, separator: str = ", ") -> str:
    """The first of the texts, and how many more there are.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c, and 2 more'
    """
    more = len(texts) - limit
    return separator.join([*texts[:limit], *([f"and {more:,} more"] if more > 0 else [])])
