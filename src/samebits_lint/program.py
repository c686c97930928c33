"""The linted files as one program: which function or class a call reaches, through imports and objects.

Only what the text decides is answered. A name that stands for several things, an object from elsewhere and
a method of an unknown class give None.
"""

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from samebits_lint import names
from samebits_lint.module import Function, Module, attribute, is_constant

DEEPEST = 8  # imports of imports, bases of bases: enough for any code, and an end for circles


class Definition(NamedTuple):
    """A function or a class of a linted file."""

    module: Module
    node: Function | ast.ClassDef


class Program:
    """Every linted file, by its path.

    Attributes:
        modules: the files.
    """

    def __init__(self, modules: Mapping[Path, Module]) -> None:
        self.modules = modules
        self._folders: dict[Module, tuple[str, ...]] = {}
        self._files: dict[tuple[Module, tuple[str, ...], int], Module | None] = {}
        self._by_name: dict[str, list[tuple[tuple[str, ...], Module]]] = {}
        for path, module in modules.items():
            module.program, module.path = self, path
            self._folders[module] = path.absolute().parent.parts
            parts = path.absolute().with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            self._by_name.setdefault(parts[-1], []).append((parts, module))

    def called(self, module: Module, call: ast.Call) -> Definition | None:
        """What a call reaches: a function, a method, or a class, whose `__init__` it is."""
        return self.resolve(module, call.func)

    def resolve(self, module: Module, node: ast.AST, depth: int = 0) -> Definition | None:
        """The function or class of a linted file that an expression stands for; None where unknown."""
        if depth > DEEPEST:
            return None
        if isinstance(node, ast.Name):
            return self._named(module, node)
        if not isinstance(node, ast.Attribute):
            return None
        dotted = names.spelled(node)
        root = dotted.partition(".")[0] if dotted else ""
        if dotted and root in module.aliases and not self._is_bound(module, node, root):
            return self.imported(module, module.aliases[root] + dotted[len(root) :])
        cls = self._class_of(module, node.value, depth + 1)
        return self.method(cls, node.attr) if cls else None

    def method(self, cls: Definition, name: str, depth: int = 0) -> Definition | None:
        """A class's method, its own or that of a base in the linted files."""
        assert isinstance(cls.node, ast.ClassDef)
        for inner in cls.node.body:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name == name:
                return Definition(cls.module, inner)
        if depth > DEEPEST:
            return None
        for base in cls.node.bases:
            known = self.resolve(cls.module, base)
            if (
                known
                and isinstance(known.node, ast.ClassDef)
                and (inherited := self.method(known, name, depth + 1))
            ):
                return inherited
        return None

    def bases(self, cls: Definition, depth: int = 0) -> set[str]:
        """The dotted names of a class's bases, through classes of all linted files."""
        assert isinstance(cls.node, ast.ClassDef)
        known = cls.module.bases(cls.node)
        for base in cls.node.bases:
            definition = self.resolve(cls.module, base)
            if definition and isinstance(definition.node, ast.ClassDef) and depth < DEEPEST:
                known |= self.bases(definition, depth + 1)
        return known

    def imported(self, module: Module, dotted: str, depth: int = 0) -> Definition | None:
        """What `package.file.name` is, as `module` imports it: through files that import it themselves."""
        if depth > DEEPEST:
            return None
        level = len(dotted) - len(dotted.lstrip("."))
        parts = tuple(part for part in dotted.split(".") if part)
        for cut in range(len(parts), 0, -1):
            target = self.file(module, parts[:cut], level)
            if target is None:
                continue
            rest = parts[cut:]
            if not rest:
                return None
            if rest[0] in target.top:
                definition = Definition(target, target.top[rest[0]])
            elif rest[0] in target.aliases:
                inner = self.imported(target, target.aliases[rest[0]], depth + 1)
                if inner is None:
                    return None
                definition = inner
            else:
                return None
            if len(rest) == 1:
                return definition
            is_class = len(rest) == 2 and isinstance(definition.node, ast.ClassDef)
            return self.method(definition, rest[1]) if is_class else None
        return None

    def file(self, module: Module, parts: tuple[str, ...], level: int = 0) -> Module | None:
        """The linted file that `import a.b` in `module` reads.

        Python looks in the script's folder. Which one that is, the text does not say: a folder around the
        importing file is taken, the nearest first, or else the only file whose path ends so.
        """
        key = (module, parts, level)
        if key not in self._files:
            self._files[key] = self._file(module, parts, level)
        return self._files[key]

    def _file(self, module: Module, parts: tuple[str, ...], level: int) -> Module | None:
        folder = self._folders[module]
        ends = [
            (path[: -len(parts)], other)
            for path, other in self._by_name.get(parts[-1], ())
            if path[-len(parts) :] == parts and other is not module
        ]
        if level:
            is_package = module.path.stem == "__init__"
            expected = folder[: len(folder) - level + 1]
            exact = [other for root, other in ends if root == expected]
            return exact[0] if len(exact) == 1 or (exact and is_package) else None
        around = [(root, other) for root, other in ends if folder[: len(root)] == root]
        if around:
            return max(around, key=lambda pair: len(pair[0]))[1]
        return ends[0][1] if len(ends) == 1 and len(parts) > 1 else None

    def imports(self, module: Module, statement: ast.stmt) -> Iterator[Module]:
        """The linted files that an import statement runs."""
        if isinstance(statement, ast.Import):
            wanted = [(tuple(alias.name.split(".")), 0) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            base = tuple((statement.module or "").split(".")) if statement.module else ()
            wanted = [((*base, alias.name), statement.level) for alias in statement.names]
            wanted += [(base, statement.level)] if base else []
        else:
            return
        for parts, level in wanted:
            target = self.file(module, parts, level)
            if target is not None:
                yield target

    @functools.cached_property
    def _groups(self) -> dict[Module, frozenset[Module]]:
        edges: dict[Module, set[Module]] = {module: set() for module in self.modules.values()}
        for module in edges:
            for node in module.nodes:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    for target in self.imports(module, node):
                        edges[module].add(target)
                        edges[target].add(module)
        groups: dict[Module, frozenset[Module]] = {}
        for module in edges:
            if module in groups:
                continue
            group, waiting = {module}, [module]
            while waiting:
                new = edges[waiting.pop()] - group
                group |= new
                waiting += new
            groups |= dict.fromkeys(group, frozenset(group))
        return groups

    def related(self, module: Module) -> frozenset[Module]:
        """The files that imports join with a file, through any number of others; and the file."""
        return self._groups[module]

    @functools.cached_property
    def calls(self) -> dict[str, list[tuple[Module, ast.Call]]]:
        """Every call of every file, by the last part of what it calls."""
        by_name: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self.modules.values():
            for call in module.calls:
                by_name.setdefault(attribute(call), []).append((module, call))
        return by_name

    @functools.cached_property
    def values(self) -> set[str]:
        """Names that are used and not called: a function of such a name may be called from anywhere."""
        used = set()
        for module in self.modules.values():
            for node in module.nodes:
                if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                    parent = module.parents.get(node)
                    is_called = isinstance(parent, ast.Call) and parent.func is node
                    if not is_called and not isinstance(parent, ast.Attribute):
                        used.add(node.id if isinstance(node, ast.Name) else node.attr)
        return used

    @functools.cached_property
    def reached(self) -> set[ast.AST]:
        """The functions and classes that run, or may run, when one of the scripts is started."""
        waiting: list[tuple[Module, ast.AST]] = []
        for module in self.modules.values():
            if module.is_script:
                waiting += [(module, statement) for statement in module.tree.body if not _defines(statement)]
        seen: set[ast.AST] = set()
        while waiting:
            module, start = waiting.pop()
            for node in ast.walk(start):
                if not isinstance(node, ast.Name | ast.Attribute):
                    continue
                definition = self.resolve(module, node)
                if definition is not None and definition.node not in seen:
                    seen.add(definition.node)
                    waiting.append((definition.module, definition.node))
        return seen

    def runs(self, module: Module, node: ast.AST) -> bool:
        """Whether a place is reached from a script: at a script's top, or in a function that is reached."""
        outer = [
            scope
            for scope in module.around(node)
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        return bool(self.reached & set(outer)) if outer else module.is_script

    def _named(self, module: Module, node: ast.Name) -> Definition | None:
        for scope in module.scopes(node):
            if isinstance(scope, ast.Module):
                break
            for statement in getattr(scope, "body", []) if not isinstance(scope, ast.Lambda) else []:
                if _defines(statement) and statement.name == node.id:
                    return Definition(module, statement)
            if node.id in module.bound_in(scope):
                return None
        if node.id in module.top:
            return Definition(module, module.top[node.id])
        if node.id in module.aliases:
            return self.imported(module, module.aliases[node.id])
        return None

    def _is_bound(self, module: Module, node: ast.AST, name: str) -> bool:
        return any(
            name in module.bound_in(scope)
            for scope in module.scopes(node)
            if not isinstance(scope, ast.Module)
        )

    def _class_of(self, module: Module, node: ast.expr, depth: int) -> Definition | None:
        """The class of an object, or the class that a name is: what `node.method` is a method of."""
        if isinstance(node, ast.Call):
            if module.called(node) == "super" and (cls := module.class_of(node)):
                for base in cls.bases:
                    known = self.resolve(module, base, depth)
                    if known and isinstance(known.node, ast.ClassDef):
                        return known
                return None
            made = self.resolve(module, node.func, depth)
            return made if made and isinstance(made.node, ast.ClassDef) else None
        written = names.spelled(node)
        if written in ("self", "cls"):
            cls = module.class_of(node)
            return Definition(module, cls) if cls else None
        definition = self.resolve(module, node, depth)
        if definition is not None:
            return definition if isinstance(definition.node, ast.ClassDef) else None
        return self._made(module, node, written, depth) if written else None

    def _made(self, module: Module, node: ast.expr, written: str, depth: int) -> Definition | None:
        """The class of what a variable or `self.name` was given, where every assignment gives the same."""
        if "." in written:
            scope: ast.AST | None = module.class_of(node)
        else:
            scope = next((s for s in module.scopes(node) if written in module.stored_in(s)), None)
        if scope is None or depth > DEEPEST:
            return None
        classes = set()
        for value in module.assigned(scope).get(written, ()):
            if is_constant(value, None):
                continue
            made = self.resolve(module, value.func, depth + 1) if isinstance(value, ast.Call) else None
            if made is None or not isinstance(made.node, ast.ClassDef):
                return None
            classes.add(made)
        return classes.pop() if len(classes) == 1 else None


def _defines(statement: ast.AST) -> bool:
    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def parameters(function: Function, *, bound: bool) -> list[str]:
    """A function's parameters in the order of a call; without the first where it is `bound`, a method's."""
    listed = [given.arg for given in (*function.args.posonlyargs, *function.args.args)]
    return listed[1:] if bound else listed


def defaults(function: Function) -> dict[str, ast.expr]:
    """The default of each parameter that has one."""
    listed = [*function.args.posonlyargs, *function.args.args]
    values: dict[str, ast.expr] = {}
    for given, value in zip(reversed(listed), reversed(function.args.defaults), strict=False):
        values[given.arg] = value
    for given, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if default is not None:
            values[given.arg] = default
    return values


def is_method(module: Module, function: Function) -> bool:
    """Whether a function's first parameter is filled by the object or the class it is called on."""
    decorated = {names.spelled(decorator) for decorator in getattr(function, "decorator_list", ())}
    return isinstance(module.parents.get(function), ast.ClassDef) and "staticmethod" not in decorated
