"""The rules: each a function that is given a file and gives places in it, with one line about each.

Codes never change their meaning, and a code that is given up is not used again. The hundreds are subjects:
0 the linter's own, 1 data and its order, 2 loaders, 3 seeds, 4 switches, 5 copies of Keras, 6 operations.
"""

import ast
import dataclasses
import importlib
from collections.abc import Callable, Iterator

from samebits_lint.module import Module

Check = Callable[[Module], Iterator[tuple[ast.AST, str]]]
SUBJECTS = (
    "splits",
    "order",
    "sorts",
    "clocks",
    "loaders",
    "pipelines",
    "seeds",
    "late",
    "left_out",
    "unread",
    "passes",
    "parameters",
    "libraries",
    "draws",
    "variables",
    "switches",
    "precision",
    "copies",
    "operations",
    "processes",
)


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: SB and three digits.
        name: a few words with hyphens.
        check: gives a place and a message for everything that it finds; None for what the linter itself says.
        elsewhere: here the run repeats, on another machine it may not; `--select` alone asks for such a rule.
    """

    code: str
    name: str
    check: Check | None
    elsewhere: bool = False

    @property
    def page(self) -> str:
        """Where the repository explains it."""
        return f"docs/rules/{self.code}.md"


RULES: dict[str, Rule] = {
    "SB001": Rule("SB001", "syntax-error", None),
    "SB002": Rule("SB002", "unknown-ignore", None),
}


def rule(code: str, name: str, *, elsewhere: bool = False) -> Callable[[Check], Check]:
    """Make a function the check of a rule."""

    def register(check: Check) -> Check:
        RULES[code] = Rule(code, name, check, elsewhere)
        return check

    return register


def load() -> dict[str, Rule]:
    """Every rule by its code, in order."""
    for subject in SUBJECTS:
        importlib.import_module(f"{__name__}.{subject}")
    return dict(sorted(RULES.items()))
