"""The code that runs in a frame, as a tree: which call it is in, and what was written as its arguments."""

import ast
import functools
import linecache
from types import FrameType
from typing import Any

UNKNOWN: Any = object()


class Tree:
    """A file's code: its calls by their place, and each node's parent."""

    def __init__(self, text: str) -> None:
        self.root = ast.parse(text)
        self.calls: dict[tuple[int, int, int, int], ast.Call] = {}
        self.parents: dict[ast.AST, ast.AST] = {}
        for node in ast.walk(self.root):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.Call) and node.end_lineno is not None and node.end_col_offset is not None:
                spot = (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)
                self.calls[spot] = node


@functools.lru_cache(64)
def tree(file: str) -> Tree | None:
    """A file's code; None where it cannot be read."""
    try:
        return Tree("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def call_at(frame: FrameType) -> ast.Call | None:
    """The call that a frame is in; None where its code cannot be read."""
    if (code := tree(frame.f_code.co_filename)) is None or frame.f_lasti < 0:
        return None
    for number, spot in enumerate(frame.f_code.co_positions()):
        if number == frame.f_lasti // 2:
            return code.calls.get(spot) if None not in spot else None  # type: ignore[arg-type]
    return None


def name_of(node: ast.expr | None) -> str:
    """The last name of what is called: `default_rng` of `np.random.default_rng`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


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
