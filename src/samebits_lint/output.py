"""Problems as lines or as JSON, and the pages that explain rules."""

import dataclasses
from collections.abc import Iterable, Mapping

from samebits import _report
from samebits.errors import UsageError
from samebits.process import variables
from samebits_lint.check import Problem
from samebits_lint.rules import Rule


def as_line(problem: Problem) -> str:
    """`train.py:12:5: SB101 …`; in a notebook `train.ipynb:cell 3:2:5: SB101 …`, as ruff writes it."""
    cell = f"cell {problem.cell}:" if problem.cell is not None else ""
    return f"{problem.file}:{cell}{problem.line}:{problem.column}: {problem.rule} {problem.message}"


def as_json(problems: Iterable[Problem], rules: Mapping[str, Rule]) -> str:
    """A JSON list, one object a line: the fields of `Problem`, and the rule's name and page."""
    return _report.as_json(
        [
            {
                **dataclasses.asdict(problem),
                "name": rules[problem.rule].name,
                "page": rules[problem.rule].page,
            }
            for problem in problems
        ]
    )


def summary(number: int) -> str:
    if number == 0:
        return "All checks passed!"
    return f"Found {number} problem{'s' * (number != 1)}."


def explanation(rule: Rule) -> str:
    """A rule's page.

    Raises:
        UsageError: the pages are not here, as in the image, which has no docs.
    """
    page = variables.package_file(rule.page)
    try:
        return page.read_text(encoding="utf-8").rstrip()
    except OSError:
        raise UsageError(
            f"{rule.code} is {rule.name}; its page {rule.page} is in the repository, not here"
        ) from None
