"""What has no order, or another one in every run: sets, listings, results of whoever is ready."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument, attribute, is_constant, last

# Words in names of whole numbers, whose sets have the same order in every process.
NUMBERS = {
    "ind",
    "inds",
    "idx",
    "idxs",
    "index",
    "indices",
    "indexes",
    "id",
    "ids",
    "num",
    "nums",
    "number",
    "numbers",
    "count",
}
NUMBERS |= {
    "counts",
    "pos",
    "position",
    "positions",
    "epoch",
    "epochs",
    "step",
    "steps",
    "int",
    "layer",
    "layers",
    "rank",
    "ranks",
    "gpu",
}
NUMBERS |= {
    "gpus",
    "dim",
    "dims",
    "axis",
    "axes",
    "shape",
    "shapes",
    "size",
    "sizes",
    "offset",
    "offsets",
    "y",
    "target",
    "targets",
}
NUMBERS |= {
    "range",
    "arange",
    "where",
    "cpu",
    "numpy",
    "nonzero",
    "length",
    "lengths",
    "row",
    "rows",
    "col",
    "cols",
    "node",
    "nodes",
    "seed",
    "seeds",
    "item",
    "iteration",
    "iterations",
}


def of_numbers(node: ast.expr) -> bool:
    """Whether what a set is made of seems to be whole numbers, as far as names tell."""
    words: set[str] = set()
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        node = node.slice if isinstance(node.slice.value, str) else node  # `row["word"]` is no row
    for part in ast.walk(node):
        written = (
            part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
        )
        words.update(written.lower().split("_"))
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            words.update(part.value.lower().split("_"))
    return bool(words & NUMBERS)


# Parts of names of texts.
TEXTS = re.compile(
    r"word|token|char|text|vocab|name|file|path|stem|string|symbol|split|read|letter|line", re.I
)


def _of_texts(node: ast.expr) -> bool:
    """Whether what a set is made of seems to be strings, as far as names tell; or its members get numbers."""
    written = [names.spelled(part) or "" for part in ast.walk(node)]
    written += [attribute(part) for part in ast.walk(node) if isinstance(part, ast.Call)]
    return any(TEXTS.search(name) for name in written)


def sets(module: Module) -> Iterator[ast.expr]:
    """Every expression that makes a set whose members seem to be strings."""
    for node in module.nodes:
        if isinstance(node, ast.Set):
            if not all(
                isinstance(element, ast.Constant) and isinstance(element.value, int) for element in node.elts
            ):
                yield node
        elif isinstance(node, ast.SetComp):
            if not of_numbers(node.elt) and _of_texts(node):
                yield node
        elif isinstance(node, ast.Call) and module.called(node) in ("set", "frozenset"):
            literal = any(isinstance(given, ast.Constant) for given in node.args)  # characters to look for
            holder = module.parents[node]
            numbered = isinstance(holder, ast.Call) and module.called(holder) == "enumerate"
            members = list(node.args) or list(_put_in(module, node))
            if not members or literal or any(of_numbers(member) for member in members):
                continue
            numbered = numbered or (not node.args and _is_numbered(module, node))
            if numbered or any(_of_texts(member) for member in members):
                yield node


def _put_in(module: Module, made: ast.Call) -> Iterator[ast.expr]:
    """What `words = set()` is filled with: the arguments of `words.add(…)` and `words.update(…)`."""
    for call in _methods(module, made, ("add", "update")):
        yield from call.args


def _methods(module: Module, made: ast.Call, wanted: tuple[str, ...]) -> Iterator[ast.Call]:
    """The calls of methods of what a call has made: in its function, or for `self.name` in its class."""
    target = names.target(module.parents[made])
    written = names.spelled(target) if target is not None else None
    if written is None:
        return
    for call in module.calls:
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr in wanted
            and names.spelled(call.func.value) == written
            and _is_beside(module, call, made, written)
        ):
            yield call


def _is_beside(module: Module, node: ast.AST, made: ast.AST, written: str) -> bool:
    """Whether a name means the same variable at two places."""
    if "." in written:
        return module.class_of(node) is module.class_of(made)
    return module.scope(node) is module.scope(made)


def _is_numbered(module: Module, made: ast.Call) -> bool:
    """Whether `enumerate` goes through a set that is filled: whole numbers need no numbers."""
    target = names.target(module.parents[made])
    written = names.spelled(target) if target is not None else None
    for call in module.calls:
        given = call.args[0] if module.called(call) == "enumerate" and call.args else None
        if isinstance(given, ast.Call) and module.called(given) in ("list", "tuple") and given.args:
            given = given.args[0]
        if given is None or not written or names.spelled(given) != written:
            continue
        if _is_beside(module, call, made, written):
            return True
    return False


def listings(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Every call that lists a folder in the file system's order, and what it is called."""
    functions = {"os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob", "os.fwalk"}
    for call in module.calls:
        called = module.called(call)
        if called in functions:
            yield call, called
        elif not called and isinstance(call.func, ast.Attribute) and not called:
            root = module.name(call.func.value)
            if call.func.attr in ("iterdir", "rglob") or (call.func.attr == "glob" and not root):
                yield call, f"Path.{last(call.func.attr)}"


# Methods of a network that give its parts, and where a part stands in what a `named_` one gives.
PARTS: dict[str, int | None] = dict.fromkeys(("modules", "children", "parameters", "buffers"))
PARTS |= {f"named_{name}": 1 for name in ("modules", "children", "parameters", "buffers")}


def object_sets(module: Module) -> Iterator[ast.expr]:
    """Every expression that makes a set of objects hashed by address; an empty set that is filled later.

    These are networks, parameters, and objects of linted classes without `__hash__`.
    """
    for node in module.nodes:
        if isinstance(node, ast.Set):
            if any(_is_object(module, element) for element in node.elts):
                yield node
        elif isinstance(node, ast.SetComp):
            if _is_object(module, node.elt):
                yield node
        elif isinstance(node, ast.Call) and module.called(node) in ("set", "frozenset"):
            given = node.args[0] if node.args else None
            is_made = isinstance(given, ast.Call) and (_gives_parts(given) or _chains_parts(module, given))
            if is_made or (given is None and _is_filled(module, node)):
                yield node


def _gives_parts(call: ast.Call) -> bool:
    """`model.parameters()`"""
    is_method = isinstance(call.func, ast.Attribute) and PARTS.get(call.func.attr, 0) is None
    return is_method and all(isinstance(given, ast.Constant) for given in call.args)


def _chains_parts(module: Module, call: ast.Call) -> bool:
    """`chain.from_iterable(model.parameters() for model in models)`"""
    is_chain = module.called(call) in ("itertools.chain", "itertools.chain.from_iterable")
    given = [
        node.value if isinstance(node, ast.Starred) else node for node in (call.args if is_chain else ())
    ]
    made = [node.elt if isinstance(node, ast.GeneratorExp | ast.ListComp) else node for node in given]
    return bool(made) and all(isinstance(node, ast.Call) and _gives_parts(node) for node in made)


def _is_hashed_by_address(module: Module, call: ast.Call) -> bool:
    """Whether a call makes an object of a linted class that says nothing of its hash or equality."""
    definition = module.program.called(module, call)
    if definition is None or not isinstance(definition.node, ast.ClassDef):
        return False
    cls = definition.node
    defined = {inner.name for inner in cls.body if isinstance(inner, ast.FunctionDef)}
    return not (cls.bases or cls.keywords or cls.decorator_list or defined & {"__hash__", "__eq__"})


def _is_object(module: Module, node: ast.expr) -> bool:
    """Whether a member is an object that is made there, or a loop's variable over a network's parts."""
    if isinstance(node, ast.Call) and _is_hashed_by_address(module, node):
        return True
    if isinstance(node, ast.Call):
        called = module.called(node)
        return called.startswith("torch.nn.") and last(called)[:1].isupper() and "functional" not in called
    if not isinstance(node, ast.Name):
        return False
    for outer in module.around(node):
        loops: list[ast.comprehension | ast.For] = []
        if isinstance(outer, ast.SetComp):
            loops = list(outer.generators)
        elif isinstance(outer, ast.For):
            loops = [outer]
        for loop in loops:
            if not isinstance(loop.iter, ast.Call) or not isinstance(loop.iter.func, ast.Attribute):
                continue
            position = PARTS.get(loop.iter.func.attr, -1)
            target = loop.target
            if isinstance(position, int) and position >= 0 and isinstance(target, ast.Tuple):
                target = target.elts[position] if position < len(target.elts) else target
            elif position is not None:
                continue
            if isinstance(target, ast.Name) and target.id == node.id:
                return True
    return False


def _is_filled(module: Module, made: ast.Call) -> bool:
    """`layers = set()`, and then `layers.add(layer)` in a loop over a network's parts."""
    added = _methods(module, made, ("add",))
    return any(len(call.args) == 1 and _is_object(module, call.args[0]) for call in added)


AS_COMPLETED = {"concurrent.futures.as_completed", "asyncio.as_completed", "dask.distributed.as_completed"}
WAITS = {"concurrent.futures.wait", "asyncio.wait"}
QUEUES = re.compile(r"(queue\.(Simple|Lifo)?Queue|(torch\.)?multiprocessing\.(Simple|Joinable)?Queue)$")
WORKERS = {
    "threading.Thread",
    "multiprocessing.Process",
    "torch.multiprocessing.Process",
    "multiprocessing.context.Process",
}


def completions(module: Module) -> Iterator[tuple[ast.expr, str]]:
    """Every expression that gives results as they get ready, and what it is called."""
    queues = set(_shared_queues(module))
    for call in module.calls:
        called = module.called(call)
        if called in AS_COMPLETED:
            yield call, last(called)
        elif isinstance(call.func, ast.Attribute) and not called and call.func.attr == "imap_unordered":
            yield call, "imap_unordered"
        elif called in WAITS:
            first = argument(call, "return_when", 2)
            if first is not None and "FIRST_COMPLETED" in ast.dump(first):
                yield from ((name, "wait(FIRST_COMPLETED)") for name in _first_target(module, call))
        elif _is_unordered_parallel(module, call):
            yield call, "Parallel(return_as='generator_unordered')"
        elif attribute(call) in ("get", "get_nowait") and isinstance(call.func, ast.Attribute):
            is_shared = names.spelled(call.func.value) in queues
            yield from [(call, "a queue that several workers fill")] if is_shared else []


def _first_target(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The uses of `done` of `done, waiting = wait(…)`."""
    holder = module.parents[call]
    if isinstance(holder, ast.Await):
        holder = module.parents[holder]
    if isinstance(holder, ast.Assign) and isinstance(holder.targets[0], ast.Tuple):
        done = names.spelled(holder.targets[0].elts[0])
        for node in ast.walk(module.scope(call)):
            if isinstance(node, ast.Name) and node.id == done and isinstance(node.ctx, ast.Load):
                yield node


def _is_unordered_parallel(module: Module, call: ast.Call) -> bool:
    """`Parallel(return_as="generator_unordered")(…)` of joblib"""
    made = call.func
    return (
        isinstance(made, ast.Call)
        and last(module.called(made)) == "Parallel"
        and is_constant(argument(made, "return_as"), "generator_unordered")
    )


def _shared_queues(module: Module) -> Iterator[str]:
    """The names of the queues that are handed to several threads or processes, which put results into them.

    Several: they are started in a loop, or at more than one place.
    """
    if not any(attribute(call).endswith("Queue") for call in module.calls):
        return
    made = {
        written
        for scope in (module.tree, *module.functions.values())
        for written, values in module.assigned(scope).items()
        if any(QUEUES.search(module.called(value)) or _is_context_queue(value) for value in values)
    }
    for queue in made:
        starts = [
            call
            for call in module.calls
            if (module.called(call) in WORKERS or attribute(call) == "Process")
            and queue in {names.spelled(node) for node in ast.walk(call)}
            and _puts(module, call)
        ]
        if len(starts) > 1 or any(_repeats(module, call) for call in starts):
            yield queue


def _is_context_queue(value: ast.expr) -> bool:
    """`ctx.Queue()`, `manager.Queue()`"""
    return (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "Queue"
    )


def _puts(module: Module, start: ast.Call) -> bool:
    """Whether what a worker runs puts something into a queue, and takes its work from elsewhere or not."""
    target = argument(start, "target")
    definition = module.program.resolve(module, target) if target is not None else None
    if definition is None:
        return False
    return any(
        isinstance(node, ast.Call) and attribute(node) in ("put", "put_nowait")
        for node in ast.walk(definition.node)
    )


def _repeats(module: Module, call: ast.Call) -> bool:
    return any(
        isinstance(outer, ast.For | ast.While | ast.ListComp | ast.GeneratorExp)
        for outer in module.around(call)
    )
