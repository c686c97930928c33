"""Pipelines of tf.data whose steps stand in the wrong order: a shuffle above a split, a draw above a file."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names, options
from samebits_lint.module import Module, argument, attribute, is_constant, last
from samebits_lint.rules import rule

# With one of these between, the order is fixed, or the parts are no longer those of one data set.
FIXED = {"cache", "snapshot", "save", "load", "unique", "as_numpy_iterator", "enumerate"}
DRAWS = re.compile(
    r"tensorflow\.(random\.(normal|uniform|truncated_normal|gamma|poisson|shuffle|categorical)"
    r"|image\.random_\w+|random_(normal|uniform|crop|shuffle)|image\.random_crop)$"
    r"|numpy\.random\.(?!seed|default_rng|RandomState|Generator)\w+$|random\.(?!seed|Random)\w+$"
)
RANDOM_LAYERS = re.compile(r"keras\.layers\.Random\w+$")
REMOVES = {"remove", "unlink", "rmtree"}
# Parts of a file's name that is another one in every run.
FRESH = re.compile(r"te?mp|pid|uuid|time|date|seed", re.I)


# They shuffle unless told otherwise, anew on each pass.
FOLDERS = {
    f"keras.{place}.{kind}_dataset_from_directory"
    for place in ("utils", "preprocessing")
    for kind in ("image", "text", "audio")
} | {
    "keras.preprocessing.image.image_dataset_from_directory",
    "keras.preprocessing.text.text_dataset_from_directory",
}


def is_tensorflow(module: Module) -> bool:
    roots = {dotted.partition(".")[0] for dotted in module.aliases.values()}
    return (
        bool(roots & {"tensorflow", "keras"}) and "datasets" not in roots
    )  # those of Hugging Face have the same methods


@rule("SB206", "shuffle-before-split")
def shuffle_before_split(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not is_tensorflow(module):
        return
    parts: dict[ast.Call, set[str]] = {}
    for call in module.calls:
        if (
            attribute(call) in ("take", "skip")
            and isinstance(call.func, ast.Attribute)
            and len(call.args) == 1
        ):
            for above in chain(module, call):
                if attribute(above) in FIXED:
                    break
                anew = reshuffles(module, above)
                if anew:
                    parts.setdefault(above, set()).add(attribute(call))
                if anew is not None:
                    break
    for shuffle, kinds in parts.items():
        if kinds == {"take", "skip"}:
            yield (
                shuffle,
                "shuffles anew on each pass, and is split below by take and skip: samples change sides in "
                "every epoch; split first, or reshuffle_each_iteration=False",
            )


def reshuffles(module: Module, call: ast.Call) -> bool | None:
    """Whether a step of a pipeline shuffles anew on each pass; None of one that does not shuffle."""
    if attribute(call) == "shuffle":
        return not is_constant(argument(call, "reshuffle_each_iteration", 2), False)
    if module.called(call) in FOLDERS:
        return not is_constant(argument(call, "shuffle"), False)
    return None


@rule("SB207", "stale-cache")
def stale_cache(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not is_tensorflow(module) or any(attribute(call) in REMOVES for call in module.calls):
        return
    for call in module.calls:
        file = argument(call, "filename", 0)
        if attribute(call) != "cache" or not isinstance(call.func, ast.Attribute) or file is None:
            continue
        if is_constant(file, "") or _is_fresh(module, file):
            continue
        for above in chain(module, call):
            function = argument(above, "map_func", 0)
            drawn = _drawn(module, function) if attribute(above) == "map" and function is not None else None
            if drawn:
                yield (
                    call,
                    f"keeps in a file what line {above.lineno} drew ({drawn}): the next run reads it, "
                    "whatever its seed; cache before drawing",
                )
                break


def _is_fresh(module: Module, file: ast.expr) -> bool:
    """Whether a file's name seems to be another one in every run, or for every seed."""
    values = [file]
    if isinstance(file, ast.Name):
        values += [
            value for scope in module.scopes(file) for value in module.assigned(scope).get(file.id, ())
        ]
    written = [
        getattr(node, "id", "") or getattr(node, "attr", "") for value in values for node in ast.walk(value)
    ]
    return any(FRESH.search(name) for name in written)


def chain(module: Module, call: ast.Call) -> Iterator[ast.Call]:
    """The calls that a method was chained to, the nearest first: through variables, where the text decides.

    A variable is what the last assignment above gave it, in the same body or in a branch that is taken
    unless somebody asks for the other one: `if shuffle:` where `shuffle` is a parameter, True by default.
    """
    assert isinstance(call.func, ast.Attribute)
    return chain_of(module, call.func.value, call)


def chain_of(module: Module, node: ast.AST, place: ast.AST) -> Iterator[ast.Call]:
    """The calls that made what an expression at a place is, the last first."""
    for _ in range(99):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node
            node = node.func.value
        elif isinstance(node, ast.Name):
            assigned = _last_assignment(module, node, place)
            if assigned is None:
                return
            place, node = assigned, assigned.value
        else:
            return


def _last_assignment(module: Module, name: ast.Name, place: ast.AST) -> ast.Assign | None:
    statement = next(outer for outer in [place, *module.around(place)] if isinstance(outer, ast.stmt))
    around = module.parents[statement]
    bodies = [getattr(around, field, []) for field in ("body", "orelse", "finalbody")]
    body = next((lines for lines in bodies if isinstance(lines, list) and statement in lines), None)
    if body is None:
        return None
    for line in reversed(body[: body.index(statement)]):
        if not _stores(line, name.id):
            continue
        if isinstance(line, ast.If) and options.is_taken(module, line.test):
            line = next((inner for inner in reversed(line.body) if _stores(inner, name.id)), line)
        is_plain = isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
        return line if is_plain and isinstance(line, ast.Assign) else None
    return _last_assignment(module, name, around) if isinstance(around, ast.If) else None


def _stores(line: ast.AST, name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for node in ast.walk(line)
    )


def _drawn(module: Module, function: ast.expr, depth: int = 0) -> str:
    """What a function that is mapped draws with; empty where it draws nothing that the files show."""
    if isinstance(function, ast.Lambda):
        return _drawn_in(module, function.body, depth)
    definition = module.program.resolve(module, function)
    if definition is not None and isinstance(definition.node, ast.FunctionDef):
        return _drawn_in(definition.module, definition.node, depth)
    return ""


def _drawn_in(module: Module, body: ast.AST, depth: int) -> str:
    for node in ast.walk(body):
        if not isinstance(node, ast.Call):
            continue
        called = module.called(node)
        if DRAWS.match(called):
            return called.replace("tensorflow.", "tf.", 1)
        if layer := _random_layer(module, node):
            return last(layer)
        if depth < 4 and (drawn := _drawn(module, node.func, depth + 1)):
            return drawn
    return ""


def _random_layer(module: Module, call: ast.Call) -> str:
    """The random layer of Keras that a call goes through: `augment(image)`, made of such layers above."""
    written = names.spelled(call.func)
    if written is None or is_constant(argument(call, "training"), False):
        return ""
    for scope in (*module.scopes(call), module.class_of(call)):
        for value in module.assigned(scope).get(written, ()) if scope is not None else ():
            for node in ast.walk(value):
                if RANDOM_LAYERS.match(layer := module.called(node)):
                    return layer
    return ""
