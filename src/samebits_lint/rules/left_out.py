"""Seeds that no caller gives to a function that would take one."""

import ast
import functools
import re
from collections.abc import Iterator

from samebits_lint import callers, names, seeding
from samebits_lint.execution import Place
from samebits_lint.module import Function, Module, argument, attribute, gives, is_constant
from samebits_lint.program import Definition, Program
from samebits_lint.rules import rule
from samebits_lint.rules.clocks import CLOCKS
from samebits_lint.rules.seeds import ENTROPY, GENERATORS

SEEDS = re.compile(r"seed|rng|random_state|generator|^rs$|^prng", re.I)


@rule("SB307", "seed-left-out")
def seed_left_out(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for place, message in _left_out(module.program):
        if place.module is module:
            yield place.call, message


@functools.lru_cache(maxsize=1)
def _left_out(program: Program) -> list[tuple[Place, str]]:
    """The calls that leave a seed out, each once, and what follows."""
    by_call: dict[ast.Call, tuple[Place, str]] = {}
    for module in program.modules.values():
        if module.is_test:
            continue
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for place, message in _of(program, Definition(module, node)):
                    by_call.setdefault(place.call, (place, message))
    return list(by_call.values())


def _of(program: Program, definition: Definition) -> Iterator[tuple[Place, str]]:
    function = definition.node
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    for name in callers.optional(function):
        if not SEEDS.search(name):
            continue
        source = _entropy(definition.module, function, name)
        skipped = None if source else _skipped_seed(program, definition, name)
        if source is None and skipped is None:
            continue
        calls = callers.leave_out(program, definition, name) or []
        for module, call in calls:
            if not program.runs(module, call) or module.is_chosen(call, SEEDS):
                continue
            made = source or skipped
            assert made is not None
            where = (
                f"line {made.lineno}"
                if module is definition.module
                else (f"{definition.module.path.name}:{made.lineno}")
            )
            what = (
                f"nothing seeds {skipped and _families(definition.module, skipped)}"
                if skipped
                else (f"{_spelled(definition.module, made)} takes fresh entropy")
            )
            yield Place(module, call), f"{attribute(call)}(…) leaves `{name}` out, so {what} ({where})"


def _spelled(module: Module, call: ast.Call) -> str:
    return f"{module.called(call) or names.spelled(call.func)}(…)"


def _families(module: Module, call: ast.Call) -> str:
    families = seeding.seeds(module, call)
    return " and ".join(family for family in seeding.FAMILIES if family in families)


def _entropy(module: Module, function: Function, name: str) -> ast.Call | None:
    """The call that takes fresh entropy where a parameter is None; None where there is no such call."""
    stored = module.assigned(function).get(name, [])
    for node in names.own(function):
        if not isinstance(node, ast.Call):
            continue
        called = module.called(node)
        if called in GENERATORS and not stored:
            given = argument(node, GENERATORS[called], 0)
            if isinstance(given, ast.Name) and given.id == name and not _is_asked(module, node, name):
                return node
        is_fresh = (
            called in CLOCKS
            or called in ENTROPY
            or (called in GENERATORS and not gives(node, GENERATORS[called], 0))
        )
        if is_fresh and _is_fallback(module, node, name):
            return node
    return None


def _is_asked(module: Module, node: ast.AST, name: str) -> bool:
    """Whether an `if` around a place asks for a name."""
    return any(
        isinstance(outer, ast.If | ast.IfExp)
        and any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(outer.test))
        for outer in module.around(node)
    )


def _is_fallback(module: Module, node: ast.AST, name: str) -> bool:
    """Whether a value is what a parameter becomes where nobody gives it: `if seed is None: seed = …`."""
    inner = node
    for outer in module.around(node):
        match outer:
            case ast.BoolOp(op=ast.Or(), values=[ast.Name(id=first), *_]) if first == name:
                return True
            case ast.IfExp() if is_none(outer.test, name) and inner is outer.body:
                return True
            case ast.IfExp() if is_there(outer.test, name) and inner is outer.orelse:
                return True
            case ast.If() if is_none(outer.test, name) and inner in outer.body:
                return isinstance(inner, ast.Assign) and any(
                    name in (names.spelled(target) or "") for target in inner.targets
                )
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return False
        inner = outer
    return False


def is_none(test: ast.expr, name: str) -> bool:
    """`seed is None` and `not seed`"""
    match test:
        case ast.Compare(left=ast.Name(id=asked), ops=[ast.Is()], comparators=[value]):
            return asked == name and is_constant(value, None)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=asked)):
            return asked == name
    return False


def is_there(test: ast.expr, name: str) -> bool:
    """`seed is not None` and `seed`"""
    match test:
        case ast.Compare(left=ast.Name(id=asked), ops=[ast.IsNot()], comparators=[value]):
            return asked == name and is_constant(value, None)
        case ast.Name(id=asked):
            return asked == name
    return False


def _skipped_seed(program: Program, definition: Definition, name: str) -> ast.Call | None:
    """The seed below `if seed is not None`, in files that train and seed those generators nowhere else."""
    module, function = definition
    for node in names.own(function):
        if not isinstance(node, ast.If) or not is_there(node.test, name) or not module.trained:
            continue
        for call in (inner for line in node.body for inner in ast.walk(line) if isinstance(inner, ast.Call)):
            families = seeding.seeds(module, call)
            if families and not _seeded_elsewhere(program, function, families):
                return call
    return None


def _seeded_elsewhere(program: Program, function: ast.AST, families: frozenset[str]) -> bool:
    return any(
        families & seeding.seeds(module, call) and function not in set(module.around(call))
        for module in program.modules.values()
        for call in module.calls
    )
