"""Which variables end in what is printed or logged, and nowhere else: a running loss, a count, a clock.

A variable is *faint* where its value only serves to compute variables that are faint, too (Giegerich, Möncke,
Wilhelm, "Invariance of approximative semantics with respect to program transformations", 1981). Here what is
printed and logged decides nothing either. What is in doubt decides.
"""

import ast
from collections.abc import Iterable, Iterator

# Functions and methods that compute a value, change nothing and draw nothing.
_COMPUTE = """
    abs all any argmax argmin as_tensor bool clone complex cpu datetime detach dict dim divmod enumerate eq
    exp float float32 float64 format get int isfinite isinstance isnan item items keys len list log10 log2
    long lower max maximum mean min minimum monotonic ndim nelement norm now numel numpy perf_counter
    process_time range repr reversed round set shape size softmax sorted sqrt squeeze stack std str strip
    strftime sum time timedelta to tolist total_seconds tuple type upper values zip memory_allocated
    max_memory_allocated defaultdict Counter deque accuracy_score
"""
COMPUTE = frozenset(_COMPUTE.split())
# Those that show a value to somebody.
_SHOW = """
    print log average info debug warning warn error write writelines flush add_scalar add_scalars add_text
    set_description set_postfix set_postfix_str set_description_str log_metric log_metrics track status echo
    secho pprint
"""
SHOW = frozenset(_SHOW.split())
FILL = {"append", "extend", "add", "update", "appendleft", "setdefault", "clear"}
Names = frozenset[str]


def only_shown(function: ast.AST, returns_decide: bool = True) -> Names:
    """The variables of a function or a module that decide nothing but what is printed or logged.

    Args:
        function: its parsed definition.
        returns_decide: what it returns does; else the caller only shows it.
    """
    flow = _Flow()
    flow.follow(function, "", returns_decide)
    return frozenset(name for name in flow.shown() if not name.startswith("."))


def only_shown_attributes(files: Iterable[ast.AST]) -> Names:
    """The same of the attributes that methods set on `self`, over all functions of all files."""
    flow = _Flow()
    functions = [
        node
        for tree in files
        for node in (tree, *ast.walk(tree))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module)
    ]
    for number, node in enumerate(functions):
        flow.follow(
            node, f"{number}:", getattr(node, "name", "") not in ("__str__", "__repr__", "__format__")
        )
    return frozenset(name[1:] for name in flow.shown() if name.startswith("."))


class _Flow:
    """What of variables and attributes goes where. An attribute is written with a dot: `.total`.

    Attributes:
        made_of: by variable, of which others its values are computed.
        decide: the variables that something is done with besides.
    """

    def __init__(self) -> None:
        self.made_of: dict[str, set[str]] = {}
        self.decide: set[str] = set()

    def follow(self, function: ast.AST, scope: str, returns_decide: bool) -> None:
        """Add one function.

        Args:
            function: its parsed definition.
            scope: what its variables' names begin with here.
            returns_decide: what it returns does.
        """
        body = list(getattr(function, "body", ()))
        self._scope, self._returns_decide = scope, returns_decide
        asked = (getattr(part, "id", "") for part in getattr(function, "decorator_list", ()))
        self._property = f".{getattr(function, 'name', '')}" if "property" in asked else None
        self._containers = {self._name(node) for node in _containers(body)}
        self._block(body, frozenset())

    def shown(self) -> Names:
        """What decides nothing, of all."""
        decide = set(self.decide)
        while more := set().union(*(self.made_of.get(name, set()) for name in decide)) - decide:
            decide |= more
        return frozenset(self.made_of.keys() - decide)

    def _block(self, statements: Iterable[ast.stmt], controls: Names) -> None:
        for statement in statements:
            self._statement(statement, controls)

    def _statement(self, node: ast.stmt, controls: Names) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value, controls)
        elif isinstance(node, ast.AugAssign):
            self._assign(node.target, node.value, controls)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._assign(node.target, node.value, controls)
        elif isinstance(node, ast.Expr):
            self._expression(node.value, controls)
        elif isinstance(node, ast.If):
            inside = controls | self._tested(node.test, controls)
            self._block(node.body, inside)
            self._block(node.orelse, inside)
        elif isinstance(node, ast.For):
            self.decide |= self._names(node.iter)
            for name in self._names(node.target):
                self.made_of.setdefault(name, set())
            self._block([*node.body, *node.orelse], controls)
        elif isinstance(node, ast.While):
            self.decide |= self._names(node.test)
            self._block([*node.body, *node.orelse], controls)
        elif isinstance(node, ast.With):
            for item in node.items:
                self.decide |= self._names(item.context_expr) | controls
            self._block(node.body, controls)
        elif isinstance(node, ast.Try):
            handlers = [part for handler in node.handlers for part in handler.body]
            self._block([*node.body, *handlers, *node.orelse, *node.finalbody], controls)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            read = {self._name(part) for part in ast.walk(node) if isinstance(part, ast.Name)}
            self.decide |= read | controls  # its attributes: by `follow`
        elif isinstance(node, ast.Return) and node.value is not None and _computes(node.value):
            if self._property is not None:
                self.made_of.setdefault(self._property, set()).update(self._names(node.value) | controls)
            elif self._returns_decide:
                self.decide |= self._names(node.value) | controls
        elif not isinstance(
            node, ast.Pass | ast.Delete | ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal
        ):
            self.decide |= self._names(node) | controls  # break, raise, match …

    def _assign(self, target: ast.expr, value: ast.expr, controls: Names) -> None:
        names = self._names(value) | controls
        if not _computes(value):
            self.decide |= names
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._assign(part, value, controls)
        elif name := self._name(target):
            self.made_of.setdefault(name, set()).update(names)
        elif isinstance(target, ast.Subscript) and self._own(target.value) and _computes(target.slice):
            root = self._name(_root(target.value))
            self.made_of.setdefault(root, set()).update(names | self._names(target.slice))
        else:
            self.decide |= names | self._names(target)

    def _expression(self, node: ast.expr, controls: Names) -> None:
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if all(map(_computes, arguments)):
                called = _called(node.func)
                names = frozenset().union(*map(self._names, arguments)) | controls
                if called in SHOW and not (
                    isinstance(node.func, ast.Attribute) and not _computes(node.func.value)
                ):
                    return
                if called in FILL and isinstance(node.func, ast.Attribute) and self._own(node.func.value):
                    self.made_of.setdefault(self._name(_root(node.func.value)), set()).update(names)
                    return
        self.decide |= self._names(node) | controls

    def _tested(self, test: ast.expr, controls: Names) -> Names:
        if not _computes(test):
            self.decide |= self._names(test) | controls
        return self._names(test)

    def _own(self, node: ast.expr) -> bool:
        """Whether it is a list or a dictionary that this function made, which has no other name."""
        return self._name(_root(node)) in self._containers

    def _name(self, node: ast.expr) -> str:
        """The name of a variable, or of an attribute of `self`; nothing for what is neither."""
        if isinstance(node, ast.Name):
            return self._scope + node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return f".{node.attr}"
        return ""

    def _names(self, node: ast.AST) -> Names:
        methods = {id(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}  # no values
        return frozenset(
            self._scope + part.id if isinstance(part, ast.Name) else f".{part.attr}"
            for part in ast.walk(node)
            if isinstance(part, ast.Name) or (isinstance(part, ast.Attribute) and id(part) not in methods)
        ) | {f".{name}" for name in _asked_by_name(node)}


def _asked_by_name(node: ast.AST) -> Iterator[str]:
    """The attributes that `getattr` and `hasattr` read."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _called(call.func) in ("getattr", "hasattr") and len(call.args) > 1:
            name = call.args[1]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value


def _containers(statements: Iterable[ast.stmt]) -> Iterator[ast.expr]:
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                value = node.value
                made = isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp)
                if made or (isinstance(value, ast.Call) and _called(value.func) in MAKERS):
                    yield node.targets[0]


MAKERS = {"list", "dict", "set", "defaultdict", "Counter", "deque", "OrderedDict"}


def _computes(node: ast.AST) -> bool:
    """Whether an expression only computes a value."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and _called(part.func) not in COMPUTE:
            return False
        if isinstance(part, ast.Await | ast.Yield | ast.YieldFrom | ast.Lambda | ast.NamedExpr):
            return False
    return True


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return getattr(function, "id", "")


def _root(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Subscript):
        node = node.value
    return node
