"""Whether a training's command has an option: what it says, or does, when it is given it.

A setting in a manifest need not be an option: a script may have it from a file, or write it down itself.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from samebits.errors import UsageError

# How parsers say it: argparse, click and typer, absl, fire, Hugging Face's, tyro.
UNKNOWN = re.compile(
    r"unrecogni[sz]ed|no such option|unknown|not used by|could not consume|unexpected|got an extra", re.I
)
LINES = 20  # of the end of what a training wrote


class Lacking(UsageError):  # noqa: N818 - reads as what it is where it is caught
    """The command does not have an option.

    Attributes:
        option: such as "--workers".
    """

    def __init__(self, option: str, why: str) -> None:
        self.option = option
        super().__init__(why)


def refuse_unknown(said: str, words: Sequence[str]) -> None:
    """Look for the line with which a parser refuses an option.

    Args:
        said: what a training that failed wrote.
        words: that were added to its command.

    Raises:
        Lacking: it failed because it does not have one of them.
    """
    for line in said.splitlines()[-LINES:]:
        for option in _given(words):
            if UNKNOWN.search(line) and re.search(rf"(?<![\w-])-*{option.lstrip('-')}(?![\w-])", line):
                raise Lacking(option, f"the command has no option {option}")


def refuse_unread(before: Mapping[str, Any], after: Mapping[str, Any], words: Sequence[str]) -> None:
    """Compare a training's settings with those of the reference.

    Args:
        before: the reference's settings.
        after: those of a training that was given `words`, too.
        words: options and their values: "--workers=4", or "--workers" and "4".

    Raises:
        Lacking: a setting stayed as it was, although another value was given.
    """
    for option, text in _given(words).items():
        name = option.lstrip("-").replace("-", "_")
        value = before.get(name)
        if name in before and after.get(name) == value and str(value) != text and not _equal(value, text):
            raise Lacking(option, f"the command does not read {option}: {name} is {value} with it, too")


def _given(words: Sequence[str]) -> dict[str, str]:
    """Each option and its value, as text."""
    given: dict[str, str] = {}
    for word, following in itertools.pairwise([*words, ""]):
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            given[option] = value if equals else following
    return given


def _equal(value: Any, text: str) -> bool:
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return False
