"""Branches that are taken only where somebody asks, by an option or a parameter that is off by default."""

import ast
import functools

from samebits_lint import names
from samebits_lint.module import Function, Module, argument, attribute, is_constant, last
from samebits_lint.program import Definition, defaults, is_method, parameters

PARSES = ("parse_args", "parse_known_args")
# What a script calls the object that its options are in.
PARSED = {"args", "opt", "opts", "options", "arguments", "FLAGS"}
UNKNOWN = object()


def is_off(module: Module, node: ast.AST) -> bool:
    """Whether a place stands in a branch that the defaults of options and parameters do not take."""
    inner = node
    for outer in module.around(node):
        if isinstance(outer, ast.If | ast.IfExp):
            taken = _decides(module, outer.test)
            bodies = outer.body if isinstance(outer, ast.If) else [outer.body]
            others = outer.orelse if isinstance(outer, ast.If) else [outer.orelse]
            if (taken is False and inner in bodies) or (taken is True and inner in others):
                return True
        inner = outer
    return False


def is_taken(module: Module, test: ast.expr) -> bool:
    """Whether a branch is taken unless a caller, whom the files need not show, asks for the other one."""
    function = module.scope(test)
    if not isinstance(test, ast.Name) or not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    default = defaults(function).get(test.id)
    definition = Definition(module, function)
    calls = module.program.calls.get(function.name, ())
    given = any(_may_give(definition, call, test.id) for _, call in calls)
    return not given and isinstance(default, ast.Constant) and bool(default.value)


def _decides(module: Module, test: ast.expr) -> bool | None:
    """What a question answers where nobody asks for anything; None where the text does not say."""
    match test:
        case ast.UnaryOp(op=ast.Not()):
            inner = _decides(module, test.operand)
            return None if inner is None else not inner
        case ast.BoolOp():
            answers = [_decides(module, value) for value in test.values]
            ends = isinstance(test.op, ast.Or)
            if ends in answers:
                return ends
            return None if None in answers else not ends
        case ast.Compare(ops=[op], comparators=[other]):
            value = _value(module, test.left)
            if value is UNKNOWN:
                return None
            if isinstance(op, ast.In | ast.NotIn) and isinstance(other, ast.Tuple | ast.List | ast.Set):
                if not all(isinstance(element, ast.Constant) for element in other.elts):
                    return None
                among = any(is_constant(element, value) for element in other.elts)
                return among == isinstance(op, ast.In)
            if not isinstance(other, ast.Constant):
                return None
            if isinstance(op, ast.Eq | ast.Is):
                return is_constant(other, value)
            return not is_constant(other, value) if isinstance(op, ast.NotEq | ast.IsNot) else None
        case ast.Name() | ast.Attribute():
            value = _value(module, test)
            return None if value is UNKNOWN else bool(value)
    return None


def _value(module: Module, node: ast.expr) -> object:
    """The default that an option or parameter has; UNKNOWN for anything else."""
    if isinstance(node, ast.Attribute):
        holder = names.spelled(node.value)
        if holder == "self":
            return _of_attribute(module, node)
        if holder is None or not _is_parsed(module, node.value, holder):
            return UNKNOWN
        return _of_option(module, node.attr)
    if isinstance(node, ast.Name):
        function = module.scope(node)
        if isinstance(function, ast.FunctionDef) and node.id not in module.assigned(function):
            return _of_parameter(Definition(module, function), node.id)
    return UNKNOWN


def _is_parsed(module: Module, node: ast.expr, holder: str) -> bool:
    """Whether a name holds what `parse_args()` gave, or is called so."""
    for scope in module.scopes(node):
        values = module.assigned(scope).get(holder)
        if values:
            return all(isinstance(value, ast.Call) and attribute(value) in PARSES for value in values)
    return last(holder) in PARSED


def _of_option(module: Module, name: str) -> object:
    """The default of `--name`, where the files that belong together define it once and nothing assigns it."""
    related = module.program.related(module)
    values = [options(other)[name] for other in related if name in options(other)]
    return values[0] if len(values) == 1 and not any(name in _set(other) for other in related) else UNKNOWN


@functools.lru_cache(maxsize=4096)
def options(module: Module) -> dict[str, object]:
    """Every option that a file defines with argparse, and its default; UNKNOWN where none can be read."""
    known: dict[str, object] = {}
    for call in module.calls:
        if attribute(call) != "add_argument" or not call.args:
            continue
        written = [given.value for given in call.args if isinstance(given, ast.Constant)]
        long = [text for text in written if isinstance(text, str) and text.startswith("--")]
        dest = argument(call, "dest")
        if isinstance(dest, ast.Constant):
            name = str(dest.value)
        elif long or (written and str(written[0]).startswith("-")):
            name = (long or [str(written[0])])[0].lstrip("-").replace("-", "_")
        else:
            continue  # what stands without a name must be given
        known[name] = UNKNOWN if name in known else _default(call)
    return known


def _default(call: ast.Call) -> object:
    default, action = argument(call, "default"), argument(call, "action")
    if is_constant(argument(call, "required"), True) or any(keyword.arg is None for keyword in call.keywords):
        return UNKNOWN
    if default is not None:
        return default.value if isinstance(default, ast.Constant) else UNKNOWN
    if action is None:
        return None
    return {"store_true": False, "store_false": True}.get(str(getattr(action, "value", "")), UNKNOWN)


@functools.lru_cache(maxsize=4096)
def _set(module: Module) -> frozenset[str]:
    """The attributes that a file assigns."""
    return frozenset(
        node.attr
        for node in module.nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )


def _of_attribute(module: Module, node: ast.Attribute) -> object:
    """The default of the parameter that `self.name` holds, where `__init__` alone gives it."""
    cls = module.class_of(node)
    if cls is None:
        return UNKNOWN
    values = module.assigned(cls).get(f"self.{node.attr}", [])
    method = module.program.method(Definition(module, cls), "__init__")
    if len(values) != 1 or method is None or not isinstance(values[0], ast.Name):
        return UNKNOWN
    return _of_parameter(method, values[0].id) if method.module is module else UNKNOWN


def _of_parameter(definition: Definition, name: str) -> object:
    """A parameter's default, where linted files call the function and no call gives the parameter."""
    function = definition.node
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    default = defaults(function).get(name)
    if not isinstance(default, ast.Constant):
        return UNKNOWN
    called = function.name
    if called == "__init__":
        cls = definition.module.class_of(function)
        called = cls.name if cls is not None else called
    program = definition.module.program
    calls = program.calls.get(called, [])
    if not calls or called in program.values or any(_may_give(definition, call, name) for _, call in calls):
        return UNKNOWN
    return default.value


def _may_give(definition: Definition, call: ast.Call, name: str) -> bool:
    function = definition.node
    assert isinstance(function, Function)
    listed = parameters(function, bound=is_method(definition.module, function))
    position = listed.index(name) if name in listed else None
    starred = any(isinstance(given, ast.Starred) for given in call.args)
    return (
        starred
        or any(keyword.arg is None for keyword in call.keywords)
        or argument(call, name, position) is not None
    )
