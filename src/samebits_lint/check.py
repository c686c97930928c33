"""Files in, problems out."""

import ast
import dataclasses
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from samebits_lint import ignores, options, rules, seeding
from samebits_lint.module import Module
from samebits_lint.program import Program
from samebits_lint.sources import Source, UnreadableError, find, read


@dataclasses.dataclass(frozen=True)
class Problem:
    """One line of a user's code that will not repeat.

    Attributes:
        file: as it was named, or found below what was named.
        cell: in a notebook, the cell's number from 1.
        line, column: from 1; in a notebook the line is that of the cell.
        rule: the rule's code.
        message: what will not repeat, in one line.
    """

    file: str
    cell: int | None
    line: int
    column: int
    rule: str
    message: str


def check(paths: Sequence[Path], chosen: Collection[str]) -> list[Problem]:
    """What rules find in the files at and below paths, file by file and line by line.

    Args:
        paths: files and folders.
        chosen: the codes of the rules that are asked for; what cannot be read is always named.

    Raises:
        OSError: a folder cannot be read. A file that cannot is a problem, SB001.
    """
    sources: dict[Path, Source] = {}
    modules: dict[Path, Module] = {}
    problems: list[Problem] = []
    for path in find(paths):
        try:
            source = sources[path] = read(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of invalid escapes in the user's code
                tree = ast.parse(source.text)
            modules[path] = Module(tree, notebook=bool(source.cells))
        except SyntaxError as error:
            reason = f"the file is no Python 3.11: {error.msg}"
            problems.append(_problem(source, error.lineno or 1, error.offset or 1, "SB001", reason))
        except (ValueError, RecursionError) as error:
            problems.append(_problem(source, 1, 1, "SB001", f"the file cannot be parsed: {error}"))
        except UnreadableError as error:
            problems.append(Problem(str(path), None, 1, 1, "SB001", f"the file cannot be read: {error}"))
    Program(modules)
    seeding.spread(modules)
    for path, module in modules.items():
        problems += _check(sources[path], module, chosen)
    return sorted(
        problems,
        key=lambda problem: (problem.file, problem.cell or 0, problem.line, problem.column, problem.rule),
    )


def _check(source: Source, module: Module, chosen: Collection[str]) -> list[Problem]:
    known = rules.load()
    comments = ignores.find(source.text)
    lines = ignores.statement_lines(module.tree) if comments else {}
    problems = []
    for rule in known.values():
        if rule.check is None or rule.code not in chosen:
            continue
        for node, message in rule.check(module):
            assert isinstance(node, ast.expr | ast.stmt)
            if options.is_off(module, node):
                continue
            if not ignores.is_ignored(rule.code, node.lineno, comments, lines):
                problems.append(_problem(source, node.lineno, node.col_offset + 1, rule.code, message))
    if "SB002" in chosen:
        for comment in comments.values():
            for code in comment.codes:
                if code not in known:
                    message = f"ignores {code}, which is no rule: correct or remove it"
                    problems.append(_problem(source, comment.line, comment.column, "SB002", message))
    return problems


def _problem(source: Source, line: int, column: int, code: str, message: str) -> Problem:
    cell, line = source.place(line)
    return Problem(str(source.path), cell, line, column, code, message)
