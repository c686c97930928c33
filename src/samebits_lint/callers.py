"""Parameters that are None by default, and that no caller gives: `def make(seed=None)` and `make()`."""

import ast
from collections.abc import Iterator

from samebits_lint.execution import is_given
from samebits_lint.module import Function, Module
from samebits_lint.program import Definition, Program, defaults

Calls = list[tuple[Module, ast.Call]]


def optional(function: Function) -> Iterator[str]:
    """The parameters that are None unless a caller gives something."""
    for name, value in defaults(function).items():
        if isinstance(value, ast.Constant) and value.value is None:
            yield name


def leave_out(program: Program, definition: Definition, name: str, depth: int = 0) -> Calls | None:
    """The calls that leave a parameter out, where every call does; None where some caller may give it.

    Every call of that name in the linted files counts, also one of another function: so no caller is missed.
    Tests are no callers. A caller that hands on its own parameter leaves it out where its callers do.

    Args:
        program: the linted files.
        definition: the function.
        name: a parameter that is None by default.
        depth: of the callers of callers.
    """
    function = definition.node
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    called = function.name
    if called == "__init__":
        cls = definition.module.class_of(function)
        if cls is None:
            return None
        called = cls.name
    if called in program.values or depth > 4:
        return None  # it is handed to somebody, or a base of another class
    leaving: Calls = []
    for module, call in program.calls.get(called, ()):
        if module.is_test:
            continue
        given = is_given(definition, call, name)
        if given is False:
            if _is_of(program, module, call, definition):
                leaving.append((module, call))
            continue
        handed_on = _parameter(module, call, definition, name) if given is None else None
        outer = leave_out(program, *handed_on, depth + 1) if handed_on else None
        if outer is None:
            return None
        leaving += outer
    return leaving


def _is_of(program: Program, module: Module, call: ast.Call, definition: Definition) -> bool:
    """Whether a call reaches a function, or makes an object whose `__init__` it is."""
    reached = program.called(module, call)
    if reached is not None and isinstance(reached.node, ast.ClassDef):
        reached = program.method(reached, "__init__")
    return reached is not None and reached.node is definition.node


def _parameter(
    module: Module, call: ast.Call, definition: Definition, name: str
) -> tuple[Definition, str] | None:
    """The caller, and its own parameter, None by default, that it gives; None if it gives another thing."""
    value = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    if value is None:
        names_given = [given.id for given in call.args if isinstance(given, ast.Name)]
        value_name = name if name in names_given else None
    else:
        value_name = value.id if isinstance(value, ast.Name) else None
    function = module.scope(call)
    if value_name is None or not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    if value_name not in optional(function) or value_name in module.assigned(function):
        return None
    return Definition(module, function), value_name
