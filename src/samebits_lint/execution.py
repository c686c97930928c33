"""What a script does before its seed is set, in the order in which it runs and not in which it is written.

A script is followed from its top through the functions and classes of all linted files. Each function is
read once, as a summary: what it draws before it seeds, and what it seeds. A loop's body is read once. What
stands in one branch of an `if` may not happen: a draw there is dropped, and a seed there ends the search,
because the generator may be seeded from then on. So only an order is reported that the text proves.
"""

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from samebits_lint import names, seeding
from samebits_lint.drawing import draws_from
from samebits_lint.module import Function, Module, argument, attribute, gives, is_constant
from samebits_lint.program import Definition, Program, defaults, is_method, parameters

# Functions of code that was not given, and methods of its objects: they may well seed.
MAY_SEED = re.compile(
    r"setup|initiali[sz]e|prepare|configure|launch|environ|determin|reproduc"
    r"|^_?init(_(distributed|experiment|env|dist|process\w*|seeds?|run))?$",
    re.I,
)
METHODS_MAY_SEED = re.compile(r"setup|configure|determin|reproduc", re.I)
LIBRARIES = {"numpy", "torch", "random", "sklearn", "tensorflow", "keras", "pandas", "torchvision", "os"}
# Inside, a generator's state is kept and put back: a seed there is nobody else's.
FORKS = ("torch.random.fork_rng", "torch.fork_rng")
# Inside, a network has shapes and no numbers.
EMPTY = ("accelerate.init_empty_weights", "transformers.modeling_utils.no_init_weights")
FITS = {"fit", "fit_generator", "minimize", "train_on_batch", "GradientTape", "learn"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
REPLACES = ("load_state_dict", "load_weights")
WRITES = ("copy_", "fill_", "zero_", "constant_", "zeros_", "ones_")


@dataclass(frozen=True)
class Place:
    """A call in a file."""

    module: Module
    call: ast.Call


@dataclass(frozen=True)
class Draw:
    """A draw: the call in the function that is looked at, and the one below it that draws."""

    at: Place
    origin: Place


@dataclass(frozen=True)
class Seed:
    """A seed: likewise. It may be set in one branch only, or if the caller gives this parameter."""

    at: Place
    origin: Place
    certain: bool = True
    given: str | None = None


@dataclass(frozen=True)
class Late:
    """A draw from a generator, and the first seed of that generator, which comes after it."""

    family: str
    draw: Draw
    seed: Seed


@dataclass
class Summary:
    """What happened so far: the first draw of each family before its seed, and its first seed."""

    draws: dict[str, Draw] = field(default_factory=dict)
    seeds: dict[str, Seed] = field(default_factory=dict)
    late: list[Late] = field(default_factory=list)

    def copy(self) -> "Summary":
        return Summary(dict(self.draws), dict(self.seeds), list(self.late))

    def draw(self, family: str, draw: Draw) -> None:
        if family not in self.seeds:
            self.draws.setdefault(family, draw)

    def seed(self, family: str, seed: Seed) -> None:
        if family in self.seeds:
            return
        if seed.certain and family in self.draws:
            self.late.append(Late(family, self.draws[family], seed))
        self.seeds[family] = seed


@functools.lru_cache(maxsize=1)
def late_seeds(program: Program) -> list[Late]:
    """The draws of every linted script that come before the seed which was to decide them."""
    walk = walk_of(program)
    listed: list[Late] = []
    for module in program.modules.values():
        late = walk.of_script(module).late if module.is_script else []
        if late and walk.trains(module):
            listed += [each for each in late if not _is_drawn_again(each)]
    return listed


def _is_drawn_again(late: Late) -> bool:
    """Whether what drew too early is called again below the seed: then that call counts."""
    draw, seed = late.draw.at, late.seed.at
    drawing = draw.module.program.called(draw.module, draw.call)
    return (
        drawing is not None
        and draw.module is seed.module
        and any(
            call.lineno > seed.call.lineno and draw.module.program.called(draw.module, call) == drawing
            for call in draw.module.calls
        )
    )


def unseeded_draw(module: Module) -> Draw | None:
    """The first draw of a script from torch's generator, where it certainly never seeds that one."""
    summary = walk_of(module.program).of_script(module)
    return None if seeding.TORCH in summary.seeds else summary.draws.get(seeding.TORCH)


def summary_of(definition: Definition) -> Summary:
    """What a function draws and seeds."""
    try:
        return walk_of(definition.module.program).of(definition)
    except RecursionError:
        return Summary()


def draws(definition: Definition) -> bool:
    """Whether a function, or making an object of a class, draws from torch's generator before it seeds it."""
    return seeding.TORCH in summary_of(definition).draws


@functools.lru_cache(maxsize=1)
def walk_of(program: Program) -> "_Walk":
    """The one walk through a program, in which each function is read once, whichever scripts reach it."""
    return _Walk()


class _Walk:
    """Reads functions once each."""

    def __init__(self) -> None:
        self._known: dict[ast.AST, Summary] = {}
        self._reads: dict[ast.AST, set[ast.AST]] = {}  # what each function or file calls or imports

    def of_script(self, module: Module) -> Summary:
        try:
            return self._read(module, module.tree.body, module.tree, is_started=True)
        except RecursionError:
            return Summary()  # code that is nested so deeply is made by a program

    def trains(self, module: Module) -> bool:
        """Whether a script that was read trains something, itself or in a function that it calls."""
        starts: list[ast.AST] = [node for node in module.tree.body if not isinstance(node, DEFINITIONS)]
        reached: set[ast.AST] = {module.tree}
        waiting: list[ast.AST] = [module.tree]
        while waiting:
            new = self._reads.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        starts += [node for node in reached if not isinstance(node, ast.ClassDef | ast.Module)]
        calls = [call for start in starts for call in ast.walk(start) if isinstance(call, ast.Call)]
        methods = {attribute(call) for call in calls}
        trainers = any(name.endswith("Trainer") for name in methods)
        return {"backward", "step"} <= methods or bool(methods & FITS) or (trainers and "train" in methods)

    def _read(
        self, module: Module, body: Iterable[ast.stmt], owner: ast.AST, *, is_started: bool = False
    ) -> Summary:
        reader = _Reader(self, module, owner, is_started=is_started)
        reader.block(body)
        return reader.summary

    def of(self, definition: Definition) -> Summary:
        """A function's summary; a class's is that of its `__init__`. A circle adds nothing."""
        if definition.node not in self._known:
            self._known[definition.node] = Summary()
            if isinstance(definition.node, ast.ClassDef):
                method = definition.module.program.method(definition, "__init__")
                if method is not None:
                    self.reads(definition.node, method.node)
                    self._known[definition.node] = self.of(method)
            else:
                self._known[definition.node] = self._read(
                    definition.module, definition.node.body, definition.node
                )
        return self._known[definition.node]

    def of_import(self, module: Module) -> Summary:
        """What a file does when it is imported."""
        if module.tree not in self._known:
            self._known[module.tree] = Summary()
            self._known[module.tree] = self._read(module, module.tree.body, module.tree)
        return self._known[module.tree]

    def reads(self, owner: ast.AST, node: ast.AST) -> None:
        """Note that a function or file calls or imports another."""
        self._reads.setdefault(owner, set()).add(node)


class _Reader:
    """Reads the statements of one function, or of a file's top, in the order in which they run."""

    def __init__(self, walk: _Walk, module: Module, owner: ast.AST, *, is_started: bool) -> None:
        self.walk, self.module, self.owner, self.is_started = walk, module, owner, is_started
        self.summary = Summary()
        self._empty = False  # below `with torch.device("meta")`

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return  # it runs where it is called
            case ast.Import() | ast.ImportFrom():
                for target in self.module.program.imports(self.module, node):
                    self.walk.reads(self.owner, target.tree)
                    self._add(self.walk.of_import(target), None)
            case ast.If():
                self._if(node)
            case ast.For() | ast.AsyncFor():
                self._expression(node.iter)
                self.block([*node.body, *node.orelse])
            case ast.While():
                self._expression(node.test)
                self.block([*node.body, *node.orelse])
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Try() | ast.TryStar():
                self.block(node.body)
                self._branches([[], *(handler.body for handler in node.handlers)])
                self.block([*node.orelse, *node.finalbody])
            case ast.Match():
                self._expression(node.subject)
                self._branches([[], *(case.body for case in node.cases)])
            case _:
                self._expression(node)

    def _expression(self, node: ast.AST) -> None:
        """The calls of an expression or of a simple statement, in the order in which Python makes them."""
        match node:
            case ast.Lambda():
                return
            case ast.Call():
                for child in ast.iter_child_nodes(node):
                    self._expression(child)
                self._call(node)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                for child in filter(None, (node.value, getattr(node, "target", None))):
                    self._expression(child)
            case ast.BinOp():
                for child in _operands(node):  # `"a" + "b" + …` may be thousands of levels deep
                    self._expression(child)
            case ast.IfExp():
                self._expression(node.test)
                before = self.summary
                self._merge(before, [self._branch(before, [side]) for side in (node.body, node.orelse)], None)
            case ast.BoolOp():
                self._expression(node.values[0])
                before = self.summary
                rest = self._branch(before, node.values[1:])
                self._merge(before, [before.copy(), rest], None)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for clause in node.generators:
                    self._expression(clause.iter)
                made = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
                for child in made:
                    self._expression(child)
            case _:
                for child in ast.iter_child_nodes(node):
                    self._expression(child)

    def _if(self, node: ast.If) -> None:
        if _asks_main(node.test):
            self.block(node.body if self.is_started else node.orelse)
            return
        self._expression(node.test)
        before = self.summary
        sides = [self._branch(before, body) for body in (node.body, node.orelse)]
        self._merge(before, sides, self._parameter(node))
        if _asks_kind(node.test):  # some of the objects are of that kind, or nobody would ask
            for side in sides:
                for family, draw in side.draws.items():
                    self.summary.draw(family, draw)

    def _branches(self, bodies: list[list[ast.stmt]]) -> None:
        before = self.summary
        self._merge(before, [self._branch(before, body) for body in bodies], None)

    def _branch(self, before: Summary, body: Iterable[ast.AST]) -> Summary:
        self.summary = before.copy()
        for node in body:
            self._statement(node) if isinstance(node, ast.stmt) else self._expression(node)
        after, self.summary = self.summary, before
        return after

    def _merge(self, before: Summary, sides: list[Summary], parameter: str | None) -> None:
        """Continue with what holds whichever branch was taken."""
        merged = Summary()
        for side in sides:
            merged.late += [late for late in side.late if late not in merged.late]
        for family in seeding.FAMILIES:
            drawn = [side.draws[family] for side in sides if family in side.draws]
            if drawn and len(drawn) == len(sides):
                merged.draws[family] = drawn[0]
            seeded = [side.seeds[family] for side in sides if family in side.seeds]
            if not seeded:
                continue
            everywhere = len(seeded) == len(sides) and all(seed.certain for seed in seeded)
            only_first = parameter if family in sides[0].seeds and len(seeded) == 1 else None
            first = seeded[0]
            if first is before.seeds.get(family) or everywhere:
                merged.seeds[family] = first
            else:
                merged.seeds[family] = Seed(first.at, first.origin, certain=False, given=only_first)
        self.summary = merged

    def _parameter(self, node: ast.If) -> str | None:
        """`seed` of `if seed:` and `if seed is not None:`, where it is the function's own parameter."""
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.IsNot):
            test = test.left if is_constant(test.comparators[0], None) else test
        function = self.module.scope(node)
        if isinstance(test, ast.Name) and isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            known = {*parameters(function, bound=False), *(given.arg for given in function.args.kwonlyargs)}
            return test.id if test.id in known else None
        return None

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        entered = [self.module.called(item.context_expr) for item in node.items]
        for item in node.items:
            self._expression(item.context_expr)
        if any(called in FORKS for called in entered):
            kept, self.summary = self.summary, Summary()
            self.block(node.body)
            self.summary = kept
            return
        was_empty = self._empty
        self._empty = was_empty or any(is_meta(self.module, item.context_expr) for item in node.items)
        self.block(node.body)
        self._empty = was_empty

    def _call(self, call: ast.Call) -> None:
        place = Place(self.module, call)
        definition = self.module.program.called(self.module, call)
        if definition is not None:
            if not _is_generator(definition.node):
                self.walk.reads(self.owner, definition.node)
                self._add(self.walk.of(definition), call, definition)
            return
        families = seeding.seeds(self.module, call)
        if families and not attribute(call).endswith("Arguments"):
            for family in seeding.FAMILIES:
                if family in families:
                    self.summary.seed(family, Seed(place, place))
        elif self._may_seed(call):
            for family in seeding.FAMILIES:
                self.summary.seed(family, Seed(place, place, certain=False))
        else:
            drawn = draws_from(self.module, call)
            if drawn and not (drawn == seeding.TORCH and self._is_overwritten(call)):
                self.summary.draw(drawn, Draw(place, place))

    def _may_seed(self, call: ast.Call) -> bool:
        """Whether it is a call to code that was not given, which may set a seed."""
        called = self.module.called(call)
        if called.partition(".")[0] in LIBRARIES:
            return False
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        written = [names.spelled(node) or "" for node in given] + [
            keyword.arg or "" for keyword in call.keywords
        ]
        if (called and "." not in called) or attribute(call).endswith(("Arguments", "Config")):
            return False  # a builtin, or settings for what may seed later
        if self._is_of_generator(call):
            return False
        if any("seed" in name.lower() for name in written):
            return True
        is_method = isinstance(call.func, ast.Attribute) and not called
        return (METHODS_MAY_SEED if is_method else MAY_SEED).search(attribute(call)) is not None

    def _is_of_generator(self, call: ast.Call) -> bool:
        """`torch.Generator().manual_seed(seed)`, which seeds that generator alone."""
        if not isinstance(call.func, ast.Attribute):
            return False
        made = call.func.value
        values: list[ast.expr] = [made]
        if isinstance(made, ast.Name):
            values = self.module.assigned(self.module.scope(call)).get(made.id, [])
        return bool(values) and all(self.module.called(value) == "torch.Generator" for value in values)

    def _add(self, inner: Summary, call: ast.Call | None, definition: Definition | None = None) -> None:
        """Add what a called function, or an imported file, does."""
        drawn_above = set(self.summary.draws)
        for late in inner.late:
            if late.family not in self.summary.seeds and late.family not in drawn_above:
                self.summary.late.append(late)
        for family, draw in inner.draws.items():
            if not (family == seeding.TORCH and call is not None and self._is_overwritten(call)):
                at = Place(self.module, call) if call is not None else draw.at
                self.summary.draw(family, Draw(at, draw.origin))
        for family, seed in inner.seeds.items():
            at = Place(self.module, call) if call is not None else seed.at
            certain = seed.certain
            if not certain and seed.given and call is not None and definition is not None:
                answer = is_given(definition, call, seed.given)
                if answer is False:
                    continue  # nobody gives the seed: the branch is not taken
                certain = answer is True
            if family in inner.draws and family not in drawn_above:
                certain = False  # both are below this call, where it has been said
            self.summary.seed(family, Seed(at, seed.origin, certain))

    def _is_overwritten(self, call: ast.Call) -> bool:
        """Whether what is drawn has no numbers (`meta`), or gets others before anybody reads them."""
        if self._empty:
            return True
        return any(line > call.lineno for line in _replacing(self.module, self.module.scope(call)))


def is_meta(module: Module, node: ast.expr) -> bool:
    """Whether `with` this, a network is made without numbers: `torch.device("meta")` and its kin."""
    called = module.called(node)
    if called in EMPTY:
        return True
    return called == "torch.device" and isinstance(node, ast.Call) and is_constant(_first(node), "meta")


def is_forked(module: Module, node: ast.AST) -> bool:
    """Whether a place stands below `with torch.random.fork_rng()`, where a seed is nobody else's."""
    return any(
        module.called(item.context_expr) in FORKS
        for outer in module.around(node)
        if isinstance(outer, ast.With)
        for item in outer.items
    )


def is_below_meta(module: Module, node: ast.AST) -> bool:
    """Whether a place stands below `with torch.device("meta")`, or its call is given that device."""
    if isinstance(node, ast.Call) and is_constant(argument(node, "device"), "meta"):
        return True
    return any(
        is_meta(module, item.context_expr)
        for outer in module.around(node)
        if isinstance(outer, ast.With)
        for item in outer.items
    )


def _first(call: ast.Call) -> ast.expr | None:
    return call.args[0] if call.args else None


@functools.lru_cache(maxsize=4096)
def _replacing(module: Module, scope: ast.AST) -> tuple[int, ...]:
    """The lines of a function that always give every weight of a network another number."""
    return tuple(line for node in names.own(scope) for line in _replaced(module, scope, node))


def _replaced(module: Module, scope: ast.AST, node: ast.AST) -> Iterator[int]:
    """The lines of a function that always give every weight of a network another number."""
    if isinstance(node, ast.For):
        is_over_all = any(
            isinstance(call, ast.Call) and attribute(call) in ("parameters", "named_parameters")
            for call in ast.walk(node.iter)
        )
        inside = [call for line in node.body for call in ast.walk(line) if isinstance(call, ast.Call)]
        if not is_over_all or not any(attribute(call) in WRITES for call in inside):
            return
    elif not isinstance(node, ast.Call) or attribute(node) not in REPLACES:
        return
    for around in module.around(node):
        if around is scope:
            yield node.lineno
            return
        if isinstance(around, ast.If | ast.Try | ast.ExceptHandler | ast.IfExp):
            return


def is_given(definition: Definition, call: ast.Call, name: str) -> bool | None:
    """Whether a call gives a parameter that is None by default; None where the text does not say."""
    function: ast.AST = definition.node
    if isinstance(function, ast.ClassDef):
        method = definition.module.program.method(definition, "__init__")
        if method is None:
            return None
        definition, function = method, method.node
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    listed = parameters(function, bound=is_method(definition.module, function))
    position = listed.index(name) if name in listed else None
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    if any(isinstance(given, ast.Starred) for given in call.args):
        return None
    if gives(call, name, position):
        value = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
        value = value if value is not None else call.args[position or 0]
        return True if isinstance(value, ast.Constant) else None
    return False if is_constant(defaults(function).get(name, ast.Constant(None)), None) else None


def _operands(node: ast.BinOp) -> list[ast.expr]:
    """What `a + b + c` adds, from left to right."""
    listed, left = [node.right], node.left
    while isinstance(left, ast.BinOp):
        listed.append(left.right)
        left = left.left
    return [left, *reversed(listed)]


def _asks_main(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _asks_kind(test: ast.expr) -> bool:
    """`isinstance(…)`, and nothing else."""
    return isinstance(test, ast.Call) and attribute(test) in ("isinstance", "issubclass")


@functools.lru_cache(maxsize=65536)
def _is_generator(node: Function | ast.ClassDef) -> bool:
    """Whether a function's body runs later: when somebody asks for its first value."""
    if isinstance(node, ast.ClassDef):
        return False
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in names.own(node))
