"""Seeds that a function is given and does not use: it never reads them, or not for all that it draws."""

import ast
from collections.abc import Iterator

from samebits_lint import execution, seeding
from samebits_lint.drawing import draws_from
from samebits_lint.module import Function, Module, argument, attribute, gives, is_constant
from samebits_lint.names import own
from samebits_lint.program import Definition, is_method, parameters
from samebits_lint.rules import rule
from samebits_lint.rules.left_out import is_none, is_there
from samebits_lint.rules.loaders import unseeded_loader
from samebits_lint.rules.seeds import ENTROPY, GENERATORS
from samebits_lint.seeding import NUMPY, TORCH
from samebits_lint.splitting import shuffles_flow, unseeded

READ = ("seed", "random_state", "random_seed", "manual_seed", "rng_seed")
# Libraries whose functions take a seed for themselves, and those that make a number of a number.
LIBRARIES = {"sklearn", "numpy", "random", "torch", "keras", "tensorflow", "pandas", "datasets", "scipy"}
PLAIN = {"int", "str", "print", "range", "isinstance", "float", "repr", "format", "abs", "max", "min"}


@rule("SB310", "seed-not-read")
def seed_not_read(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for function, name in _taking(module):
        if function.decorator_list:
            continue
        if _reads(module, function, name):
            made = _made_without(module, function, name)
            if made is not None:
                yield (
                    made,
                    f"{function.name} is given `{name}` here, and {_spelled(module, made)} does not get it",
                )
        elif drawn := _draws(module, function):
            yield (
                function,
                f"{function.name} takes `{name}` and never reads it, and {drawn} draws: others in every run",
            )
        elif (call := _given(module, function, name)) is not None:
            yield (
                function,
                f"{function.name} takes `{name}`, gets it (line {call.lineno}) and never reads it: what "
                "it draws continues where the generator stands",
            )


def _taking(module: Module) -> Iterator[tuple[Function, str]]:
    """The functions of a file that take a seed, with the parameter's name."""
    if module.is_test:
        return
    for function in module.nodes:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            yield from ((function, parameter.arg) for parameter in given if parameter.arg in READ)


def _spelled(module: Module, call: ast.Call) -> str:
    return f"{module.called(call) or attribute(call)}()"


def _given(module: Module, function: Function, name: str) -> ast.Call | None:
    """A call that gives a function a seed, where the function trains or draws; None where no call does.

    A method that a base asks for may have to take what it does not need.
    """
    cls = module.class_of(function)
    calls = [node for node in own(function) if isinstance(node, ast.Call)]
    if (cls is not None and cls.bases) or not module.train_something(calls):
        return None
    if any(isinstance(node, ast.Name) and node.id == name for node in own(function)):
        return None  # `del seed`: it says so
    listed = parameters(function, bound=is_method(module, function))
    position = listed.index(name) if name in listed else None
    for other, call in module.program.calls.get(function.name, ()):
        definition = module.program.called(other, call)
        if definition is not None and definition.node is function and not other.is_test:
            value = argument(call, name, position)
            if value is not None and not is_constant(value, None):
                return call
    return None


def _made_without(module: Module, function: Function, name: str) -> ast.Call | None:
    """A generator that starts from fresh entropy in a branch that is taken where a seed is given."""
    for node in own(function):
        if not isinstance(node, ast.If | ast.IfExp):
            continue
        taken: list[ast.AST] = []
        if _admits(node.test, name):
            taken = [*node.body] if isinstance(node, ast.If) else [node.body]
        elif is_none(node.test, name):
            taken = [*node.orelse] if isinstance(node, ast.If) else [node.orelse]
        inside = [part for start in taken for part in ast.walk(start)]
        if any(isinstance(part, ast.Name) and part.id == name for part in inside):
            continue
        for part in inside:
            called = module.called(part)
            if isinstance(part, ast.Call) and (
                called in ENTROPY or (called in GENERATORS and not gives(part, GENERATORS[called], 0))
            ):
                return part
    return None


def _admits(test: ast.expr, name: str) -> bool:
    """Whether a branch is taken for a seed that is given: `isinstance(seed, int)`, `seed is not None`."""
    match test:
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=asked), kind]):
            return asked == name and "None" not in ast.dump(kind)
        case ast.BoolOp(op=ast.Or()):
            return any(_admits(value, name) for value in test.values)
        case ast.BoolOp(op=ast.And()):
            return all(_admits(value, name) for value in test.values)
    return is_there(test, name)


def _reads(module: Module, function: Function, name: str) -> bool:
    """Whether a function reads a parameter, or all of its variables."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            return True
        if module.called(node) in ("locals", "vars", "eval", "exec"):
            return True
    return False


def _draws(module: Module, function: Function) -> str:
    """What draws in a function from a generator that nothing seeds; empty where nothing does."""
    for node in own(function):
        if not isinstance(node, ast.Call):
            continue
        called = module.called(node)
        if called in GENERATORS and not gives(node, GENERATORS[called], 0):
            return f"{called}()"
    summary = execution.summary_of(Definition(module, function))
    for family, draw in summary.draws.items():
        if family not in module.seeded and family not in summary.seeds:
            return f"{attribute(draw.at.call)}(…)"
    return ""


@rule("SB311", "seed-not-passed-on")
def seed_not_passed_on(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for function, name in _taking(module):
        if not _only_hands_on(module, function, name):
            continue
        seeded = execution.summary_of(Definition(module, function)).seeds
        for call in own(function):
            if not isinstance(call, ast.Call) or _mentions(call, name):
                continue
            what, family = _drawing(module, call)
            # What files take to be seeded by whoever gives the seed is what this rule looks at.
            if what and family not in seeded and family not in module.seeded_by_calls:
                yield (
                    call,
                    f"{function.name} hands `{name}` on to others, and {what} draws without it, from "
                    f"{family}'s global generator",
                )
                break


def _only_hands_on(module: Module, function: Function, name: str) -> bool:
    """Whether a function does nothing with its seed but give it to calls that seed themselves alone.

    A call to code that was not given may seed everything, so it answers False.
    """
    uses = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
    handed = [_receiver(module, use) for use in uses]
    known = [call for call in handed if call is not None]
    return (
        bool(known) and len(known) == len(handed) and all(_seeds_itself_only(module, call) for call in known)
    )


def _receiver(module: Module, use: ast.AST) -> ast.Call | None:
    """The call that a value is given to: `f(seed)`, `f(random_state=seed + 1)`."""
    for outer in module.around(use):
        if isinstance(outer, ast.Call):
            return outer
        if not isinstance(outer, ast.keyword | ast.BinOp | ast.JoinedStr | ast.FormattedValue):
            return None
    return None


def _seeds_itself_only(module: Module, call: ast.Call) -> bool:
    if seeding.seeds(module, call):
        return False
    definition = module.program.called(module, call)
    if definition is not None:
        return not execution.summary_of(definition).seeds
    called = module.called(call)
    is_generator = attribute(call) == "manual_seed" and isinstance(call.func, ast.Attribute)
    return (
        called.partition(".")[0] in LIBRARIES
        or called in PLAIN
        or is_generator
        or shuffles_flow(module, call)
    )


def _mentions(call: ast.Call, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(call))


def _drawing(module: Module, call: ast.Call) -> tuple[str, str]:
    """What draws, and from whose global generator; two empty texts where nothing does."""
    if what := unseeded(module, call):
        return f"{what}(…)", NUMPY
    if shuffles_flow(module, call) and not gives(call, "seed"):
        return f"{attribute(call)}(…)", NUMPY
    if what := unseeded_loader(module, call):
        return what, TORCH
    definition = module.program.called(module, call)
    if definition is not None:
        drawn = execution.summary_of(definition).draws
        return next(((f"{attribute(call)}(…)", family) for family in drawn), ("", ""))
    family = draws_from(module, call)
    return (f"{attribute(call)}(…)", family) if family else ("", "")
