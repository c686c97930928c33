"""The code that runs in a frame, as a tree: which call it is in, and what was written there."""

import ast
import functools
import linecache
import sys
import warnings
from collections.abc import Collection
from pathlib import Path
from types import FrameType
from typing import Any

from samebits_lint.module import Module, attribute
from samebits_lint.program import Program

UNKNOWN: Any = object()
Spot = tuple[
    int, int, int, int
]  # the first line, the last, the first column in bytes, and that after the last


@functools.lru_cache(256)
def module(file: str) -> Module | None:
    """A file's code; None where it cannot be read."""
    text = "".join(linecache.getlines(file))
    if not text and file == "<string>" and "-c" in sys.orig_argv[:-1]:
        text = sys.orig_argv[sys.orig_argv.index("-c") + 1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in the user's code
            parsed = Module(ast.parse(text))
            Program({Path(file): parsed})  # of this file only: others may have changed since they ran
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    parsed.trained = True  # whatever it is, its results are compared, or nobody would watch it
    return parsed


def nodes_at(frame: FrameType) -> list[ast.AST]:
    """The nodes whose text is what a frame computes now, the outermost first; none if it cannot be read."""
    code = frame.f_code
    if frame.f_lasti < 0:
        return []
    for number, spot in enumerate(code.co_positions()):
        if number == frame.f_lasti // 2:
            return _by_spot(code.co_filename).get(spot, []) if None not in spot else []  # type: ignore[arg-type]
    return []


@functools.lru_cache(256)
def _by_spot(file: str) -> dict[Spot, list[ast.AST]]:
    spots: dict[Spot, list[ast.AST]] = {}
    code = module(file)
    for node in code.nodes if code is not None else ():
        if (end := getattr(node, "end_lineno", None)) is not None:
            spot = (node.lineno, end, node.col_offset, node.end_col_offset)  # type: ignore[attr-defined]
            spots.setdefault(spot, []).append(node)
    return spots


def call_at(frame: FrameType) -> ast.Call | None:
    """The call that a frame is in; None where its code cannot be read."""
    return next((node for node in nodes_at(frame) if isinstance(node, ast.Call)), None)


def given_by(frame: FrameType, names: Collection[str]) -> ast.expr | None:
    """The expression that gives what a frame goes through now, or asks for now.

    Args:
        frame: in a call, or at the head of a loop.
        names: the last names of the calls that give it, such as "as_completed".

    Returns:
        The call; where it was stored before, what the loop goes through; None where it cannot be read.
    """
    code = module(frame.f_code.co_filename)
    for node in nodes_at(frame):
        over = _over(node)
        for inner in ast.walk(over or node):
            if isinstance(inner, ast.Call) and attribute(inner) in names:
                return inner
        if over is not None:
            return over
        parent = code.parents.get(node) if code is not None else None
        if isinstance(node, ast.expr) and parent is not None and _over(parent) is node:
            return node
        if isinstance(node, ast.Call) and node.args:
            return node.args[0]
    return None


def _over(node: ast.AST) -> ast.expr | None:
    """What a loop or a comprehension goes through; None of another node."""
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return node.iter
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return node.generators[0].iter
    return None


@functools.lru_cache(256)
def imports(file: str) -> frozenset[int]:
    """The lines of a file on which it imports: what runs there is no use of the user's."""
    code = module(file)
    return frozenset(
        line
        for node in (code.nodes if code is not None else ())
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


@functools.lru_cache(1024)
def mentions(file: str, word: str) -> bool:
    """Whether a file's text has a word."""
    return word in "".join(linecache.getlines(file))


def value_of(node: ast.expr, frame: FrameType) -> Any:
    """What a constant, a name or an attribute is now, without running any code; else UNKNOWN."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id, UNKNOWN))
    if isinstance(node, ast.Attribute):
        owner = value_of(node.value, frame)
        return getattr(owner, "__dict__", {}).get(node.attr, UNKNOWN) if owner is not UNKNOWN else UNKNOWN
    return UNKNOWN
