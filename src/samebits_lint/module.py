"""One parsed file, as the rules see it."""

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from samebits_lint import names

if TYPE_CHECKING:
    from samebits_lint.program import Program

Function = ast.FunctionDef | ast.AsyncFunctionDef

# What a script calls at its top level, where it has no main guard.
WORKS = ("fit", "fit_generator", "train", "backward")
# Names of what trains, in which a file need not take a step itself.
TRAINING = re.compile(
    r"Trainer$|TrainingArguments$|^train(ing)?_(step|epoch|one_epoch|loop|model|detector)|^train_on_batch$"
)
# What changes weights by the gradients of a tape; without it they are only looked at.
APPLIES = {"apply_gradients", "apply", "minimize", "assign_sub", "assign_add"}
# Names of files that measure or try something, and whose weights nobody keeps.
MEASURES = re.compile(r"(^|_)(bench(marks?|marking)?|profil(e|er|ing)|dry_?run|sanity(_check)?|flops)$", re.I)
PROFILES = re.compile(r"prof(iler?)?(\b|_)|^prof", re.I)
AUGMENTS = re.compile(r"data_?gen", re.I)  # Keras's ImageDataGenerator counts means and deviations


class Module:
    """A file's syntax tree with what rules ask of it: parents, scopes, resolved names, calls.

    Attributes:
        tree: the syntax tree.
        notebook: whether it is a notebook's code, which is always run from the top.
        calls: every call, in the order of the text.
        seeded: the families of generators that this file seeds, or a linted script that imports it.
        seeded_by_calls: likewise, without those that only a parameter `seed` promises.
        trained: whether this file trains, a linted one that imports it, or its package.
            (`samebits_lint.seeding` fills them in.)
        program, path: all linted files, and where this one is among them (`samebits_lint.program`).
    """

    program: "Program"
    path: Path

    def __init__(self, tree: ast.Module, *, notebook: bool = False) -> None:
        self.tree = tree
        self.notebook = notebook
        self.aliases = names.aliases(tree)
        self.nodes = list(ast.walk(tree))
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        calls = [node for node in self.nodes if isinstance(node, ast.Call)]
        self.calls = sorted(calls, key=lambda call: (call.lineno, call.col_offset))
        self.functions = {node.name: node for node in self.nodes if isinstance(node, ast.FunctionDef)}
        self.classes = {node.name: node for node in self.nodes if isinstance(node, ast.ClassDef)}
        self.seeded: frozenset[str] = frozenset()
        self.seeded_by_calls: frozenset[str] = frozenset()
        self.trained = False
        self._bound: dict[ast.AST, set[str]] = {}
        self._assigned: dict[ast.AST, dict[str, list[ast.expr]]] = {}
        self._names: dict[ast.AST, str] = {}

    def name(self, node: ast.AST) -> str:
        """The dotted name that an expression stands for; empty when it is not known.

        A builtin is its bare name. What the file itself defines or assigns is not known.
        """
        if node not in self._names:
            self._names[node] = self._resolve(node)
        return self._names[node]

    def _resolve(self, node: ast.AST) -> str:
        if isinstance(node, ast.Attribute):
            base = self.name(node.value)
            return names.canonical(f"{base}.{node.attr}") if base else ""
        if not isinstance(node, ast.Name):
            return ""
        for scope in self.scopes(node):
            if not isinstance(scope, ast.Module) and node.id in self.bound_in(scope):
                return ""
        if node.id in self.aliases:
            return names.canonical(self.aliases[node.id])
        known = names.is_builtin(node.id) and node.id not in self._top
        return node.id if known else ""

    def called(self, node: ast.AST) -> str:
        """The dotted name that a call calls; empty when it is not known, or when `node` is no call."""
        return self.name(node.func) if isinstance(node, ast.Call) else ""

    def scopes(self, node: ast.AST) -> Iterator[ast.AST]:
        """The functions around a node, innermost first, and the file."""
        while (parent := self.parents.get(node)) is not None:
            node = parent
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module):
                yield node

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost function around a node, or the file."""
        return next(self.scopes(node), self.tree)

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Every node around a node, innermost first."""
        while (parent := self.parents.get(node)) is not None:
            node = parent
            yield node

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        return next((outer for outer in self.around(node) if isinstance(outer, ast.ClassDef)), None)

    def bases(self, cls: ast.ClassDef, seen: frozenset[str] = frozenset()) -> set[str]:
        """The dotted names of a class's bases, through classes of this file; as written where not known."""
        dotted: set[str] = set()
        for base in cls.bases:
            written = names.spelled(base) or ""
            dotted.add(self.name(base) or written)
            if written in self.classes and written not in seen:
                dotted |= self.bases(self.classes[written], seen | {written})
        return dotted

    @functools.cached_property
    def is_script(self) -> bool:
        """Whether the file is started itself: a notebook, with a main guard, or working at its top level."""
        return self.notebook or any(self._works(statement) for statement in self.tree.body)

    @functools.cached_property
    def reached(self) -> list[ast.Call]:
        """The calls that start when the file does, in the order of the text.

        Those at the top and below the main guard, and those of functions, methods and classes of it that
        are named there, or in what is named there. A class is taken whole.
        """
        waiting: list[ast.AST] = [
            statement
            for statement in self.tree.body
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        if any(self.called(call).endswith("app.run") for call in self.calls) and "main" in self.functions:
            waiting.append(self.functions["main"])  # which absl calls by its name
        seen: set[ast.AST] = set()
        while waiting:
            for node in ast.walk(waiting.pop()):
                if node in seen:
                    continue
                seen.add(node)
                named = getattr(node, "id", None) or getattr(node, "attr", None)
                for known in (self.functions, self.classes):
                    target = known.get(named) if isinstance(named, str) else None
                    if target is not None and target not in seen:
                        waiting.append(target)
        return [call for call in self.calls if call in seen]

    @functools.cached_property
    def trains(self) -> bool:
        """Whether a file trains something, as far as the names of what it calls tell."""
        return self.train_something(self.calls)

    def train_something(self, calls: Iterable[ast.Call]) -> bool:
        """Whether some of these calls train something, as far as their names tell."""
        methods = {
            attribute(call)
            for call in calls
            if not self.only_prepares(call) and not self.called(call).startswith("scipy.")
        }
        derives = "GradientTape" in methods and bool(methods & APPLIES)
        return (
            {"backward", "step"} <= methods or derives or bool(methods & {"fit", "fit_generator", "minimize"})
        )

    def only_prepares(self, call: ast.Call) -> bool:
        """Whether a method is a profiler's `step`, or a `fit` that takes statistics: they train nothing."""
        if not isinstance(call.func, ast.Attribute):
            return False
        written = names.spelled(call.func.value) or ""
        made = last(self.made.get(written, ""))
        kinds = {"step": PROFILES, "fit": AUGMENTS}.get(call.func.attr)
        return kinds is not None and bool(kinds.search(last(written)) or kinds.search(made))

    @functools.cached_property
    def made(self) -> dict[str, str]:
        """What variables hold, by their names: the dotted name of the call that gave it to them."""
        held_by = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                held, targets = node.value, node.targets
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                held, targets = node.context_expr, [node.optional_vars]
            else:
                continue
            if isinstance(held, ast.Call):
                held_by.update(
                    {names.spelled(target) or "": names.spelled(held.func) or "" for target in targets}
                )
        return held_by

    @functools.cached_property
    def is_training(self) -> bool:
        """Whether a file trains something, or defines or calls what does: a Trainer, a training step."""
        names = {attribute(call) for call in self.calls} | set(self.functions) | set(self.classes)
        return self.trains or any(TRAINING.search(name) for name in names)

    @functools.cached_property
    def only_measures(self) -> bool:
        """Whether a file takes times or tries something: no one compares what it computes."""
        if MEASURES.search(self.path.stem):
            return True
        called = {self.called(call) for call in self.calls}
        return "torch.cuda.synchronize" in called and not self.is_training

    def is_chosen(self, node: ast.AST, words: re.Pattern[str]) -> bool:
        """Whether a statement stands in either branch of an `if` whose question has one of these words."""
        for outer in self.around(node):
            if isinstance(outer, ast.If | ast.IfExp | ast.Match):
                question = ast.dump(outer.subject if isinstance(outer, ast.Match) else outer.test)
                if words.search(question):
                    return True
        return False

    @functools.cached_property
    def mentions_seed(self) -> bool:
        """Whether any name, parameter or short text has `seed` in it: something else may seed."""
        for node in self.nodes:
            written = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "arg", None)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 40:
                written = node.value
            if isinstance(written, str) and ("seed" in written.lower() or written == "random_state"):
                return True
        return any("seed" in dotted.lower() for dotted in self.aliases.values())

    @functools.cached_property
    def is_test(self) -> bool:
        """Whether it holds tests, whose draws and trainings nobody compares."""
        roots = {dotted.partition(".")[0] for dotted in self.aliases.values()}
        cases = any("TestCase" in base for cls in self.classes.values() for base in self.bases(cls))
        return bool(roots & {"unittest", "pytest", "absltest"}) or cases

    def _works(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.If):
            asks = any(
                isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
            )
            return asks and not all(isinstance(inner, ast.Pass) for inner in statement.body)
        inside = [statement, *names.own(statement)]
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            return False
        return any(isinstance(node, ast.Call) and attribute(node) in WORKS for node in inside) or (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Call)
            and isinstance(statement.value.func, ast.Name)
            and statement.value.func.id in self.functions
        )

    @functools.cached_property
    def _top(self) -> set[str]:
        stored = {
            node.id
            for node in names.own(self.tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        return stored | set(self.functions) | set(self.classes)

    @functools.cached_property
    def top(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
        """The functions and classes at the file's top, which other files can import; the last of a name."""
        return {
            node.name: node
            for node in names.own(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }

    def bound_in(self, scope: ast.AST) -> set[str]:
        """Names that a function binds itself: its parameters, and what it assigns."""
        if scope not in self._bound:
            assert isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            self._bound[scope] = names.bound_in(scope)
        return self._bound[scope]

    def assigned(self, scope: ast.AST) -> dict[str, list[ast.expr]]:
        """What a function or the file gives to each of its variables, in the order of the text.

        In a class it is what any method gives to `self.name`. A loop's variable and one of several targets
        in a tuple are given an `ast.Tuple` without elements: something that is not known.
        """
        if scope not in self._assigned:
            inside = ast.walk(scope) if isinstance(scope, ast.ClassDef) else names.own(scope)
            values: dict[str, list[ast.expr]] = {}
            for node in inside:
                for target, value in _assignments(node):
                    if written := names.spelled(target):
                        values.setdefault(written, []).append(value)
            self._assigned[scope] = values
        return self._assigned[scope]

    def stored_in(self, scope: ast.AST) -> set[str]:
        """The variables that a function or the file assigns."""
        parameters = set() if isinstance(scope, ast.Module) else self.bound_in(scope)
        return parameters | set(self.assigned(scope))


UNKNOWN = ast.Tuple(elts=[], ctx=ast.Load())


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The targets that a statement or expression binds, each with its value."""
    match node:
        case ast.Assign():
            pairs = [(target, node.value) for target in node.targets]
        case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
            pairs = [(node.target, value)]
        case ast.AugAssign() | ast.For() | ast.AsyncFor():
            pairs = [(node.target, UNKNOWN)]
        case ast.withitem(optional_vars=ast.expr() as target):
            pairs = [(target, UNKNOWN)]
        case _:
            return
    for target, value in pairs:
        if isinstance(target, ast.Tuple | ast.List):
            yield from ((element, UNKNOWN) for element in target.elts)
        else:
            yield target, value


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """What a call gives for a parameter, by name or by position (from 0); None when it gives nothing."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        return call.args[position]
    return None


def gives(call: ast.Call, name: str, position: int | None = None) -> bool:
    """Whether a call may give a parameter a value other than None: `**options` may."""
    if any(keyword.arg is None for keyword in call.keywords):
        return True
    if position is not None and any(isinstance(given, ast.Starred) for given in call.args):
        return True
    value = argument(call, name, position)
    return value is not None and not is_constant(value, None)


def is_constant(node: ast.AST | None, *values: object) -> bool:
    """Whether a node is one of these literal values; True is not 1."""
    if not isinstance(node, ast.Constant):
        return False
    return any(
        node.value is value or (type(node.value) is type(value) and node.value == value) for value in values
    )


def last(dotted: str) -> str:
    """`c` of `a.b.c`."""
    return dotted.rpartition(".")[2]


def attribute(call: ast.Call) -> str:
    """The last part of what is called: `fit` of `model.fit(…)` and of `fit(…)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
