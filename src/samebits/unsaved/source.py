"""The user's source files: which they are, where a name is set, which names are only printed."""

import ast
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType, ModuleType

from samebits.process.code_owner import is_users_file
from samebits.unsaved.shown import only_shown, only_shown_attributes

CLOCKS = {
    *("time", "perf_counter", "monotonic", "process_time", "thread_time", "now", "utcnow", "today"),
    *("time_ns", "perf_counter_ns", "monotonic_ns", "process_time_ns", "thread_time_ns"),
}
CHANGING_CALLS = {"append", "add", "extend", "update", "appendleft", "insert", "pop", "popleft", "setdefault"}


def users_modules() -> tuple[ModuleType, ...]:
    """The modules of the user's own that are imported, the program itself first."""
    return _users_modules(len(sys.modules), next(reversed(sys.modules)), id(sys.modules.get("__main__")))


@functools.lru_cache(1)
def _users_modules(number: int, last: str, program: int) -> tuple[ModuleType, ...]:
    """As they are while these three are the same: there are thousands of modules, and each look asks."""
    names = ["__main__", *(name for name in sys.modules if name not in ("__main__", "__mp_main__"))]
    modules = (sys.modules.get(name) for name in names)
    return tuple(
        module
        for module in modules
        if isinstance(module, ModuleType) and is_users_file(getattr(module, "__file__", None))
    )


def _users_files() -> tuple[str, ...]:
    return tuple(str(module.__file__) for module in users_modules())


def is_users_class(kind: type) -> bool:
    """Whether a class stands in the user's own code."""
    return kind.__module__ == "__main__" or is_users_file(file_of(kind))


def file_of(kind: type) -> str | None:
    """The file of the module that a class stands in."""
    return getattr(sys.modules.get(kind.__module__), "__file__", None)


@dataclass(frozen=True)
class Set:
    """A place in a source file where a name gets another value.

    Attributes:
        attribute: the name is one of an object, as in `self.NAME`; else a variable.
        scope: the function or class around, as `__qualname__` has it; empty for a module.
        rank: the smaller, the likelier is this place the one that changes the value again and again.
    """

    attribute: bool
    name: str
    scope: str
    line: int
    rank: int


LOOP = 7  # the rank of the variable of a `for`


class Source:
    """One file, parsed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sets: list[Set] = []
        self.functions: dict[str, ast.AST] = {}
        self.clocks: set[str] = set()  # the attributes that are computed of a clock
        self._clocks: set[tuple[str, str]] = set()  # the variables, each with its scope
        try:
            with open(path, "rb") as file:
                tree: ast.AST = ast.parse(file.read())
        except (OSError, SyntaxError, ValueError):
            tree = ast.Module(body=[], type_ignores=[])
        self._visit(tree, "", False, False)
        self.functions[""] = tree

    def where(self, name: str, attribute: bool, scopes: tuple[str, ...] = ()) -> int | None:
        """The line of the place where a name changes; None if it is nowhere.

        Args:
            name: of a variable or an attribute.
            attribute: which.
            scopes: where to look only, with what is inside; nothing: in the whole file.
        """
        there = [
            (place.rank, place.line)
            for place in self.sets
            if (place.name == name or name in _mangled(place))
            and place.attribute == attribute
            and (not scopes or any(f"{place.scope}.".startswith(f"{scope}.") for scope in scopes))
        ]
        return min(there)[1] if there else None

    def _visit(self, node: ast.AST, scope: str, function: bool, loop: bool) -> None:
        for child in ast.iter_child_nodes(node):
            inner, within, again = scope, function, loop or isinstance(child, ast.For | ast.While)
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                between = ".<locals>." if function else "."
                inner = f"{scope}{between}{child.name}" if scope else child.name
                within, again = not isinstance(child, ast.ClassDef), False
                self.functions.setdefault(inner, child)
                self.sets.append(Set(False, child.name, scope, child.lineno, 5))
                if not isinstance(child, ast.ClassDef):
                    for argument in (*child.args.posonlyargs, *child.args.args, *child.args.kwonlyargs):
                        self.sets.append(Set(False, argument.arg, inner, argument.lineno, 6))
            self._note(child, scope, 2 if loop else 4 if scope.endswith("__init__") else 3)
            self._visit(child, inner, within, again)

    def _note(self, node: ast.AST, scope: str, rank: int) -> None:
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            self._note_clock(node, scope)
        if isinstance(node, ast.AugAssign):
            self._target(node.target, scope, 0)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._target(target, scope, rank)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            self._target(node.target, scope, rank)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._target(node.target, scope, LOOP)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._target(node.optional_vars, scope, rank)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in CHANGING_CALLS or node.func.attr.endswith("_"):
                self._target(node.func.value, scope, 1)
        elif (
            isinstance(node, ast.Call) and getattr(node.func, "id", None) == "setattr" and len(node.args) > 1
        ):
            named = node.args[1]
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                self.sets.append(Set(True, named.value, scope, node.lineno, rank))

    def _note_clock(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign, scope: str) -> None:
        if node.value is None or not self._reads_a_clock(node.value, scope):
            return
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Attribute):
                self.clocks.add(target.attr)
            elif isinstance(target, ast.Name):
                self._clocks.add((scope, target.id))

    def _reads_a_clock(self, value: ast.expr, scope: str) -> bool:
        for node in ast.walk(value):
            if isinstance(node, ast.Name) and (scope, node.id) in self._clocks:
                return True
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
                if called in CLOCKS:
                    return True
        return False

    def _target(self, target: ast.AST, scope: str, rank: int) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._target(part, scope, rank)
        elif isinstance(target, ast.Starred):
            self._target(target.value, scope, rank)
        elif isinstance(target, ast.Subscript):
            self._target(target.value, scope, min(rank, 1))
        elif isinstance(target, ast.Attribute):
            self.sets.append(Set(True, target.attr, scope, target.lineno, rank))
        elif isinstance(target, ast.Name):
            self.sets.append(Set(False, target.id, scope, target.lineno, rank))


@functools.cache
def source(path: str) -> Source:
    """A file of the user's, parsed once."""
    return Source(path)


def set_attributes() -> frozenset[str]:
    """The names of all attributes that the user's own code sets, on any object."""
    return _set_attributes(_users_files())


@functools.lru_cache(1)
def _set_attributes(files: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        name
        for file in files
        for place in source(file).sets
        if place.attribute
        for name in (place.name, *_mangled(place))
    )


def _mangled(place: Set) -> Iterator[str]:
    """What Python makes of a private name, `__count`, in the classes around."""
    if place.name.startswith("__") and not place.name.endswith("__"):
        for scope in place.scope.split("."):
            yield f"_{scope.lstrip('_')}{place.name}"


def clock_attributes() -> frozenset[str]:
    """The names of all attributes that the user's own code computes of a clock."""
    return _clock_attributes(_users_files())


@functools.lru_cache(1)
def _clock_attributes(files: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(source(file).clocks for file in files))


@functools.cache
def shown_names(code: CodeType, returns_decide: bool = True) -> frozenset[str]:
    """The variables of a function or module that end in what is printed or logged, and nowhere else.

    Args:
        code: of the function or module.
        returns_decide: what it returns does; else its caller only shows it.
    """
    parsed = source(code.co_filename)
    node = parsed.functions.get("" if code.co_name == "<module>" else code.co_qualname)
    return only_shown(node, returns_decide) if node is not None else frozenset()


def shows_result(frame: FrameType, shown: frozenset[str] | None) -> bool:
    """Whether a frame that waits for a call will only show what the call returns.

    Args:
        frame: of the caller.
        shown: its `shown_names`; None: it is not the user's.
    """
    if shown is None:
        return False
    calls = [
        node
        for node in _lone_calls(frame.f_code.co_filename)
        if node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
    ]
    if len(calls) != 1:
        return False
    if isinstance(calls[0], ast.Expr):
        return True
    names = [part for target in calls[0].targets for part in _parts(target)]
    return all(isinstance(name, ast.Name) and name.id in shown for name in names)


@functools.cache
def _lone_calls(path: str) -> list[ast.Assign | ast.Expr]:
    """The statements of a file that are one call, or that store what one returns."""
    return [
        node
        for node in ast.walk(source(path).functions[""])
        if isinstance(node, ast.Assign | ast.Expr) and isinstance(node.value, ast.Call)
    ]


def _parts(target: ast.expr) -> list[ast.expr]:
    return list(target.elts) if isinstance(target, ast.Tuple | ast.List) else [target]


def only_shown_attribute(name: str) -> bool:
    """Whether an attribute that the user's code sets ends in what is printed or logged, and nowhere else."""
    return name in _shown_attributes(_users_files())


@functools.cache
def _shown_attributes(paths: tuple[str, ...]) -> frozenset[str]:
    return only_shown_attributes([source(path).functions[""] for path in paths])


def is_loop_variable(code: CodeType, name: str) -> bool:
    """Whether only a `for` of the function sets a variable; one of a function inside is another one."""
    scope = "" if code.co_name == "<module>" else code.co_qualname
    ranks = {
        place.rank
        for place in source(code.co_filename).sets
        if place.name == name and not place.attribute and place.scope == scope
    }
    return ranks == {LOOP}


def loop_variable(code: CodeType, line: int) -> str | None:
    """The first variable of the `for` that stands in a line: what `enumerate` counts in."""
    for node in ast.walk(source(code.co_filename).functions[""]):
        if isinstance(node, ast.For) and node.iter.lineno <= line <= (node.iter.end_lineno or line):
            first = node.target.elts[0] if isinstance(node.target, ast.Tuple) else node.target
            return getattr(first, "id", None)
    return None


def place(path: str, line: int) -> str:
    """A file and a line, the file as seen from here where it lies below."""
    relative = os.path.relpath(path)
    return f"{path if relative.startswith('..') else relative}:{line}"
