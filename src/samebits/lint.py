"""`samebits lint PATH…`: what samebits_lint finds, as lines or as JSON, and the pages that explain its rules.

It works with Python's own modules alone, so argparse reads its options, not click.
"""

import argparse
import dataclasses
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from samebits._printable import printable
from samebits._report import print_json
from samebits.errors import UsageError
from samebits.process.command_line import hint
from samebits.process.variables import package_file
from samebits_lint import rules
from samebits_lint.check import Problem, check
from samebits_lint.sources import SUFFIXES


def _codes(text: str, known: dict[str, rules.Rule]) -> set[str]:
    """The codes that `SB1,loader-without-generator` means: a code, the beginning of codes, or a name.

    Raises:
        UsageError: one of them is no rule.
    """
    codes: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        meant = {code for code, rule in known.items() if code.startswith(word.upper()) or rule.name == word}
        if not meant:
            raise UsageError(f"'{word}' is no rule; `{hint('samebits', 'lint', '--list')}` has them")
        codes |= meant
    return codes


def _check_paths(paths: Sequence[Path]) -> None:
    """Raise UsageError for a path that does not exist, or names a file of another kind."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; expected Python files, notebooks or folders of them")
        if not path.is_dir() and path.suffix not in SUFFIXES:
            raise UsageError(f"{path} is neither a Python file (.py) nor a notebook (.ipynb)")


def _line(problem: Problem) -> str:
    """`train.py:12:5: SB101 …`; in a notebook `train.ipynb:cell 3:2:5: SB101 …`, as ruff writes it."""
    cell = f"cell {problem.cell}:" if problem.cell is not None else ""
    place = f"{problem.file}:{cell}{problem.line}:{problem.column}"
    return printable(f"{place}: {problem.rule} {problem.message}")


def _explanation(rule: rules.Rule) -> str:
    """A rule's page.

    Raises:
        UsageError: the pages are not here, as in the image, which has no docs.
    """
    try:
        return package_file(rule.page).read_text(encoding="utf-8").rstrip()
    except OSError:
        raise UsageError(
            f"{rule.code} is {rule.name}; its page {rule.page} is in the repository, not here"
        ) from None


def _tell(text: str) -> None:
    """Show what is read, in one line on a terminal that is written over."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{printable(text)[:width]}")
        sys.stderr.flush()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{hint('samebits', 'lint', '--help')}`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="samebits lint",
        description="Name what in Python files and notebooks will not repeat, without running them.",
        epilog="Exits with 1 when something was found.",
        allow_abbrev=False,
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files, or folders of them")
    parser.add_argument(
        "--select",
        metavar="RULES",
        default="",
        help="only these rules: SB101, SB1 (all of the hundred), SB (all), names",
    )
    parser.add_argument("--ignore", metavar="RULES", default="", help="not these rules")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of lines")
    parser.add_argument("--explain", metavar="RULE", help="print a rule's page")
    parser.add_argument("--list", action="store_true", help="list the rules")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Name what in Python files and notebooks will not repeat, without running them.

    Works with Python's own modules alone: no package need be installed.

    Args:
        arguments: the words after `lint`.

    Returns:
        The exit status: 1 when something was found.

    Raises:
        UsageError: a wrong option or rule, or no path.
        SystemExit: after `--help`.
    """
    asked = _parser().parse_intermixed_args(arguments)
    known = rules.load()
    if asked.list:
        for rule in known.values():
            print(f"{rule.code} {rule.name}")
        return 0
    if asked.explain is not None:
        codes = sorted(_codes(asked.explain, known))
        print("\n\n".join(_explanation(known[code]) for code in codes))
        return 0
    if not asked.paths:
        raise UsageError("lint needs a path; expected Python files, notebooks or folders of them")
    usual = {code for code, rule in known.items() if not rule.elsewhere}
    chosen = (_codes(asked.select, known) or usual) - _codes(asked.ignore, known)
    _check_paths(asked.paths)
    problems = check(asked.paths, chosen, _tell)
    _tell("")
    if asked.json:
        print_json(
            [
                {
                    **dataclasses.asdict(problem),
                    "name": known[problem.rule].name,
                    "page": known[problem.rule].page,
                }
                for problem in problems
            ]
        )
    else:
        for problem in problems:
            print(_line(problem))
        number = len(problems)
        print(f"Found {number} problem{'s' * (number != 1)}." if number else "All checks passed!")
    return 1 if problems else 0
