"""Files in, problems out."""

import ast
import contextlib
import dataclasses
import gc
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
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


def check(
    paths: Sequence[Path], chosen: Collection[str], tell: Callable[[str], object] = lambda text: None
) -> list[Problem]:
    """What rules find in the files at and below paths, file by file and line by line.

    Args:
        paths: files and folders.
        chosen: the codes of the rules that are asked for; what cannot be read is always named.
        tell: is given a line about what is read, again and again.

    Raises:
        OSError: a folder cannot be read. A file that cannot is a problem, SB001.
    """
    with _without_collecting():
        return _checked(find(paths), chosen, tell)


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Syntax trees are kept to the end, so that to look for garbage among them only takes time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _checked(paths: Sequence[Path], chosen: Collection[str], tell: Callable[[str], object]) -> list[Problem]:
    sources: dict[Path, Source] = {}
    modules: dict[Path, Module] = {}
    problems: list[Problem] = []
    for path in paths:
        tell(f"reading {path}")
        try:
            source = read(path)
        except UnreadableError as error:
            problems.append(Problem(str(path), None, 1, 1, "SB001", f"the file cannot be read: {error}"))
            continue
        module, source, wrong = _parsed(source)
        problems += wrong
        if module is not None:
            sources[path], modules[path] = source, module
    Program(modules)
    seeding.spread(modules)
    for number, (path, module) in enumerate(modules.items(), 1):
        tell(f"file {number} of {len(modules)}: {path}")
        problems += _check(sources[path], module, chosen)
    return sorted(
        problems,
        key=lambda problem: (problem.file, problem.cell or 0, problem.line, problem.column, problem.rule),
    )


def _parsed(source: Source) -> tuple[Module | None, Source, list[Problem]]:
    """A file's module and what was wrong with it; a notebook's cells that are no Python are left out."""
    problems: list[Problem] = []
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of invalid escapes in the user's code
                tree = ast.parse(source.text)
            return Module(tree, notebook=bool(source.cells)), source, problems
        except SyntaxError as error:
            what = "cell" if source.cells else "file"
            reason = f"the {what} is no Python 3.11: {error.msg}"
            line = error.lineno or 1
            problems.append(_problem(source, line, error.offset or 1, "SB001", reason))
            rest = source.without_cell(line)
            if rest is None:
                return None, source, problems
            source = rest
        except (ValueError, RecursionError, MemoryError) as error:
            reason = f"the file cannot be parsed: {error or 'it is nested too deeply'}"
            return None, source, [*problems, _problem(source, 1, 1, "SB001", reason)]


def _check(source: Source, module: Module, chosen: Collection[str]) -> list[Problem]:
    known = rules.load()
    comments = ignores.find(source.text)
    lines = ignores.statement_lines(module.tree) if comments else {}
    problems = []
    for rule in known.values():
        if rule.check is None or rule.code not in chosen:
            continue
        for node, message in _named(rule, module):
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


def _named(rule: rules.Rule, module: Module) -> list[tuple[ast.AST, str]]:
    """What a rule finds; nothing in code that is nested more deeply than Python can follow."""
    assert rule.check is not None
    try:
        return list(rule.check(module))
    except RecursionError:
        return []


def _problem(source: Source, line: int, column: int, code: str, message: str) -> Problem:
    cell, line = source.place(line)
    return Problem(str(source.path), cell, line, column, code, message)
