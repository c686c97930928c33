"""Sets of objects that hash by their address: their order is another one in every process, whatever is set.

PYTHONHASHSEED orders strings only. A dictionary keeps the order in which it was filled, so it is ordered by
chance only where it was filled from such a set.
"""

import ast
import functools
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from samebits.chance import calls
from samebits.chance.order import Used
from samebits.chance.records import RECORDS, Source
from samebits_lint import names
from samebits_lint.module import attribute

FIX = "keep them in a list, or as the keys of a dictionary: both keep their order"
PASSED_ON = ("list", "tuple", "enumerate", "zip", "map", "iter")
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
OF_SET = ("difference", "union", "intersection", "symmetric_difference", "copy")


@functools.lru_cache(256)
def uses(file: str) -> dict[int, list[ast.expr]]:
    """By line, the expressions that a file goes through in an order that matters, if they are sets."""
    found: dict[int, list[ast.expr]] = {}
    if (module := calls.module(file)) is None:
        return found
    used = Used(module, of_set=True)
    for expression in _gone_through(module.nodes):
        if used.matters(expression, sequence=False):
            # A comprehension below a loop's head runs on a line of its own.
            found.setdefault(expression.lineno, []).append(expression)
    return found


def _gone_through(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.For | ast.comprehension):
            yield node.iter
        elif isinstance(node, ast.Call) and attribute(node) in (
            "list",
            "tuple",
            "enumerate",
            "zip",
            "map",
            "iter",
        ):
            yield from node.args


def look(frame: FrameType, before: int) -> None:
    """A line of the user's begins: count the sets of objects that it goes through.

    Args:
        frame: what runs.
        before: its line before this one; 0 at its beginning.
    """
    file = frame.f_code.co_filename
    if before == frame.f_lineno or frame.f_code.co_name in COMPREHENSIONS:
        return  # another turn of a comprehension, which begins in the frame outside
    for expression in uses(file).get(frame.f_lineno, ()):
        module = calls.module(file)
        loop = module.parents[expression] if module is not None else None
        if isinstance(loop, ast.For) and loop.lineno < before <= (loop.end_lineno or 0):
            continue  # another turn
        members = _members(expression, frame)
        if members is not None and sum(map(by_address, members)) > 1:
            name = names.spelled(expression)
            what = f"the order of the set{' ' * bool(name)}{name or ''}, whose members hash by address"
            RECORDS.add(Source("set", what, file, frame.f_lineno, "", FIX))


def _members(node: ast.expr, frame: FrameType) -> set[Any] | frozenset[Any] | list[Any] | None:
    """The members of a set that an expression gives, without computing it; None where that is not known."""
    if isinstance(node, ast.Name | ast.Attribute):
        value = calls.value_of(node, frame)
        return value if type(value) in (set, frozenset) else None
    if isinstance(node, ast.BinOp):
        left, right = _members(node.left, frame), _members(node.right, frame)
        return None if left is None or right is None else left
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OF_SET:
        return _members(node.func.value, frame)
    if isinstance(node, ast.Call) and attribute(node) in ("set", "frozenset") and len(node.args) == 1:
        value = calls.value_of(node.args[0], frame)
        return list(value) if type(value) in (list, tuple, dict, set) else None
    return None


def by_address(member: Any) -> bool:
    """Whether an object's place in a set follows from its address."""
    method = type(member).__hash__
    if method is object.__hash__:
        return member is not None
    return getattr(method, "__module__", None) == "torch._tensor"
