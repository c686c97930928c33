"""Order that is another one in another process or on another disk: sets, listings, whoever is ready first."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, attribute, last
from samebits_lint.order import Order
from samebits_lint.rules import rule
from samebits_lint.unordered import completions, listings, object_sets, of_numbers, sets
from samebits_lint.workers import only_evaluates


@rule("SB103", "listing-order")
def listing_order(module: Module) -> Iterator[tuple[ast.AST, str]]:
    order = Order(module)
    for call, called in listings(module):
        if module.trains and only_evaluates(module, call):
            continue
        if order.matters(call, sequence=True):
            if called == "os.walk":
                yield (
                    call,
                    "os.walk gives files in the file system's order: sort `dirs` in place, and `files`",
                )
            else:
                yield call, f"{called} gives files in the file system's order: wrap it in sorted(…)"


@rule("SB104", "set-order")
def set_order(module: Module) -> Iterator[tuple[ast.AST, str]]:
    order = Order(module, of_set=True)
    seen: set[int] = set()
    for made in sets(module):
        if order.matters(made, sequence=False) and made.lineno not in seen:
            seen.add(made.lineno)
            yield (
                made,
                "a set of strings has another order in every process: sort it before anything depends on it",
            )
    for made in object_sets(module):
        if order.matters(made, sequence=False) and made.lineno not in seen:
            seen.add(made.lineno)
            yield (
                made,
                "a set of objects has the order of their addresses, another one in every run, whatever "
                "PYTHONHASHSEED is: use a list, or a dictionary's keys",
            )


@rule("SB107", "completion-order")
def completion_order(module: Module) -> Iterator[tuple[ast.AST, str]]:
    order = Order(module)
    seen: set[int] = set()
    for expression, what in completions(module):
        if expression.lineno not in seen and order.matters(expression, sequence=True):
            seen.add(expression.lineno)
            yield (
                expression,
                f"{what} gives results in the order in which they get ready, another one in every run",
            )


@rule("SB105", "string-hash")
def string_hash(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for call in module.calls:
        if hashes_a_string(module, call) and decides(module, call):
            yield call, "hash() of a string is another number in every process: use zlib.crc32 or hashlib"


def hashes_a_string(module: Module, call: ast.Call) -> bool:
    """Whether a call is `hash()` of something that may be a string, outside a class's own `__hash__`."""
    functions = (scope.name for scope in module.scopes(call) if isinstance(scope, ast.FunctionDef))
    return module.called(call) == "hash" and not _is_number(call) and "__hash__" not in functions


def _is_number(call: ast.Call) -> bool:
    if len(call.args) != 1:
        return True
    given = call.args[0]
    if any(
        isinstance(node, ast.Attribute) and node.attr in ("shape", "size", "ndim") for node in ast.walk(given)
    ):
        return True
    if isinstance(given, ast.Call) and attribute(given) in ("tuple", "int", "float", "frozenset"):
        return True
    if isinstance(given, ast.Tuple):
        return all(
            of_numbers(part) or (isinstance(part, ast.Constant) and not isinstance(part.value, str))
            for part in given.elts
        )
    return isinstance(given, ast.Constant) and not isinstance(given.value, str | bytes)


def decides(module: Module, call: ast.Call) -> bool:
    """Whether a hash becomes a bucket (`%`, `&`, a comparison by size) or a seed."""
    decides = False
    for outer in module.around(call):
        if isinstance(outer, ast.BinOp) and isinstance(outer.op, ast.Mod | ast.BitAnd | ast.BitXor):
            if isinstance(outer.left, ast.Constant | ast.JoinedStr):
                return False  # a text with %
            decides = True
        if isinstance(outer, ast.Call) and "seed" in attribute(outer).lower():
            return True
        if isinstance(outer, ast.keyword) and (outer.arg == "random_state" or "seed" in (outer.arg or "")):
            return True
        if isinstance(outer, ast.Assign):
            written = [last(names.spelled(target) or "").lower() for target in outer.targets]
            return any("seed" in name or (decides and not re.search("cache|port", name)) for name in written)
        if isinstance(outer, ast.stmt):
            break
    return decides
