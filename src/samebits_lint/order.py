"""Whether anything depends on the order of something that has none: a set, or what a folder holds."""

import ast
import re

from samebits_lint import names
from samebits_lint.drawing import DRAWS, draws_from
from samebits_lint.module import Module, attribute, is_constant, last

# Their result is the same in whichever order they are given things; or nobody computes with it.
FREE = {"sorted", "len", "set", "frozenset", "any", "all", "sum", "min", "max", "bool", "print", "isinstance"}
FREE |= {"repr", "str", "Counter", "rmtree"}
# Their result has the order that they are given.
PASSED_ON = {
    "list",
    "tuple",
    "iter",
    "map",
    "filter",
    "enumerate",
    "reversed",
    "zip",
    "tqdm",
    "chain",
    "array",
}
PASSED_ON |= {"asarray", "Series", "cycle", "islice"}
PASSED_ON |= {"stack", "cat", "concatenate", "vstack", "hstack", "tensor", "as_tensor", "from_iterable"}
# Their result depends on the order, and feeds something.
FED = {
    "random.choice",
    "random.choices",
    "random.sample",
    "random.shuffle",
    "numpy.random.choice",
    "numpy.random.permutation",
    "numpy.random.shuffle",
    "sklearn.model_selection.train_test_split",
    "sklearn.utils.shuffle",
    "torch.utils.data.random_split",
}
TAKES_DATA = re.compile(r"dataset|split|concat|from_(tensor_slices|list|generator|iterable)", re.I)
WRITES = ("writelines", "writerow", "writerows")
READS = {"read", "read_text", "read_bytes", "readline", "readlines"}
STEPS = {"train_on_batch", "partial_fit"}  # in a loop; so is a `backward` beside a `step`
# Variables that hold a generator, and its methods that draw.
GENERATOR = re.compile(r"(^|_)(rng|generator|random_state|rs|prng)$", re.I)
METHODS = {last(dotted) for dotted in DRAWS} | {"integers"}
Scope = ast.AST


class Order:
    """Answers for one file. A sequence whose order is another in another run is called unordered."""

    def __init__(self, module: Module, *, of_set: bool = False) -> None:
        self.module = module
        self.feeds = of_set  # what is read where is data, see `matters`
        self.of_set = of_set  # which several loops go through in the same order, in one process
        self._asked: set[tuple[str, Scope]] = set()

    def matters(self, node: ast.expr, *, sequence: bool) -> bool:
        """Whether anything depends on the order of an expression.

        Args:
            node: the expression.
            sequence: it is a list or an iterator already, and no set, which need not be gone through.
        """
        self._asked = set()
        self.feeds = self.of_set or self._is_data(node)
        return self._matters(node, sequence, numbered=False)

    def _is_data(self, node: ast.AST) -> bool:
        """Whether it is read where samples are: in a dataset, or in a script that trains."""
        cls = self.module.class_of(node)
        if cls is None:
            return self.module.trains
        methods = {inner.name for inner in cls.body if isinstance(inner, ast.FunctionDef)}
        return "__getitem__" in methods or any("Dataset" in base for base in self.module.bases(cls))

    def _gives_a_sample(self, node: ast.AST) -> bool:
        """Whether a place is in the method by which a data set gives one of its samples."""
        function = self.module.scope(node)
        return (
            isinstance(function, ast.FunctionDef) and function.name == "__getitem__" and self._is_data(node)
        )

    def _matters(self, node: ast.AST, sequence: bool, numbered: bool) -> bool:
        parent = self.module.parents[node]
        match parent:
            case ast.Call():
                return self._given(parent, node, sequence, numbered)
            case ast.keyword():
                call = self.module.parents[parent]
                assert isinstance(call, ast.Call)
                return parent.arg not in ("choices", "key") and self._given(call, parent, sequence, numbered)
            case (
                ast.Starred()
                | ast.BinOp()
                | ast.IfExp()
                | ast.BoolOp()
                | ast.List()
                | ast.Tuple()
                | ast.Await()
            ):
                if isinstance(parent, ast.IfExp) and parent.test is node:
                    return False
                sequence = sequence or isinstance(parent, ast.Starred)
                return self._matters(parent, sequence, numbered)
            case ast.Subscript():
                # `[0]` mostly takes the only one there is
                sliced = isinstance(parent.slice, ast.Slice) or (
                    not _is_number(parent.slice) and (not self.of_set or self._gives_a_sample(parent))
                )
                return parent.value is node and sequence and sliced and (self.feeds or _is_slice(parent))
            case ast.Dict():  # parameters of one optimiser, whose state is kept by their numbers
                keys = [key for key, value in zip(parent.keys, parent.values, strict=True) if value is node]
                return sequence and any(is_constant(key, "params") for key in keys)
            case ast.comprehension():
                return self._comprehension(parent, numbered)
            case ast.For() | ast.AsyncFor():
                return parent.iter is node and self._loop(parent, numbered)
            case ast.Assign() | ast.AnnAssign():
                targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
                return any(self._named(target, sequence, numbered) for target in targets)
            case ast.AugAssign():
                return self._named(parent.target, sequence, numbered)
            case ast.NamedExpr():
                return self._named(parent.target, sequence, numbered) or self._matters(
                    parent, sequence, numbered
                )
            case ast.Return():
                return self._given_back(parent, sequence, numbered)
            case ast.Yield():
                return sequence and self.feeds
            case ast.YieldFrom():
                return False  # whoever takes it may sort it
        return False

    def _given(self, call: ast.Call, node: ast.AST, sequence: bool, numbered: bool) -> bool:
        """Whether the order matters to a call that is given an unordered thing."""
        if call.func is node:
            return False
        name, dotted = attribute(call), self.module.name(call.func)
        if dotted == "dict" and isinstance(node, ast.keyword):
            return sequence and node.arg == "params"
        if name in FREE or "sort" in name.lower():
            return False
        if dotted in FED or (sequence and dotted.startswith("torch.optim.")):
            return True
        if name in PASSED_ON or dotted == "asyncio.run" or name == "run_until_complete":
            return self._matters(call, True, numbered or name == "enumerate")
        if name == "join" and isinstance(call.func, ast.Attribute) and dotted != "os.path.join":
            made = isinstance(node, ast.GeneratorExp | ast.ListComp) and self._is_read(node.elt, [])
            return self._joined(call, of_files=made)
        if name in ("append", "extend") and isinstance(call.func, ast.Attribute):
            return (sequence or name == "extend") and self._named(call.func.value, True, numbered)
        if name == "DataFrame":
            return self._matters(call, True, numbered)  # which may be sorted by its rows
        takes_data = TAKES_DATA.search(name) is not None
        return (
            sequence and takes_data and not name.endswith(("Error", "Exception", "Warning", "Text", "Path"))
        )

    def _joined(self, call: ast.Call, *, of_files: bool) -> bool:
        """A text made of an unordered thing: what is seen by people only may be in any order."""
        for outer in self.module.around(call):
            if isinstance(outer, ast.Raise | ast.Assert | ast.JoinedStr):
                return False
            if isinstance(outer, ast.Call) and attribute(outer) in WRITES:
                return True
            if isinstance(outer, ast.Call) and attribute(outer) in FREE:
                return False
            if isinstance(outer, ast.Assign):
                return of_files and self._is_kept(outer.targets[0])
            if isinstance(outer, ast.stmt):
                break
        return of_files

    def _comprehension(self, clause: ast.comprehension, numbered: bool) -> bool:
        made = self.module.parents[clause]
        if isinstance(made, ast.SetComp):
            return False
        if isinstance(made, ast.DictComp):
            return (
                numbered
                and isinstance(made.value, ast.Name | ast.BinOp | ast.Subscript)
                and self._numbers(clause.target, made.value)
            )
        return self._matters(made, True, numbered)

    def _numbers(self, target: ast.expr, value: ast.expr) -> bool:
        """Whether a value is the number that `enumerate` gave, or that was counted along."""
        number = target.elts[0] if isinstance(target, ast.Tuple) else None
        return isinstance(number, ast.Name) and number.id in {
            node.id for node in ast.walk(value) if isinstance(node, ast.Name)
        }

    def _loop(self, loop: ast.For | ast.AsyncFor, numbered: bool) -> bool:
        """Whether the turns of a loop leave something behind that depends on their order."""
        inside = [node for statement in loop.body for node in ast.walk(statement)]
        if any(self._sorts(node, loop.target) for node in inside):
            return False
        called = {attribute(node) for node in inside if isinstance(node, ast.Call)}
        if {"backward", "step"} <= called or called & STEPS:
            return True
        if self.of_set and any(self._draws(node) for node in inside):
            return True
        made_inside = {
            written
            for node in inside
            if isinstance(node, ast.Assign)
            for target in node.targets
            if (written := names.spelled(target))
        }
        for node in inside:
            match node:
                case ast.Yield() | ast.YieldFrom():
                    if self.feeds and not self.of_set:
                        return True
                    return not self.of_set and self._given_back(node, True, False)
                case ast.Call(func=ast.Attribute(value=receiver, attr="append" | "extend" | "insert")):
                    written = names.spelled(receiver)
                    if written and written not in made_inside and self._named(receiver, True, False):
                        return True
                case ast.Call(func=ast.Attribute(attr=attr)) if attr in WRITES:
                    return True
                case ast.AugAssign(op=ast.Add(), target=target, value=value) if not isinstance(
                    value, ast.Constant
                ):
                    if isinstance(value, ast.List | ast.ListComp) and self._named(target, True, False):
                        return True
                    if self._is_read(value, inside) and self._is_kept(target):
                        return True
                case ast.Assign(targets=[ast.Subscript(value=held)], value=value):
                    if self._counts(value, names.spelled(held)) or (
                        self.feeds and numbered and self._numbers(loop.target, value)
                    ):
                        return True
        return False

    def _is_read(self, value: ast.AST, inside: list[ast.AST]) -> bool:
        """Whether a value is, or holds, what was read from a file in this turn of a loop."""
        nodes = list(ast.walk(value))
        if any(isinstance(node, ast.Call) and attribute(node) in READS for node in nodes):
            return True
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        return any(
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in used
            and isinstance(node.value, ast.Call)
            and attribute(node.value) in READS
            for node in inside
        )

    def _is_kept(self, target: ast.expr) -> bool:
        """Whether a text is more than looked into, counted or shown: then the order of its parts is in it."""
        written = names.spelled(target)
        uses = [
            self.module.parents[use]
            for use in ast.walk(self.module.scope(target))
            if isinstance(use, ast.Name | ast.Attribute)
            and isinstance(use.ctx, ast.Load)
            and names.spelled(use) == written
        ]
        return not uses or not all(
            isinstance(use, ast.Compare) or (isinstance(use, ast.Call) and attribute(use) in FREE)
            for use in uses
        )

    def _draws(self, node: ast.AST) -> bool:
        """Whether each turn of a loop draws: then another order gives each member other numbers."""
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Attribute) and not self.module.called(node):
            receiver = last(names.spelled(node.func.value) or "")
            if GENERATOR.search(receiver) and node.func.attr in METHODS:
                return True
        return attribute(node) == "reset_parameters" or draws_from(self.module, node) is not None

    def _sorts(self, node: ast.AST, target: ast.expr) -> bool:
        """`dirs.sort()` or `sorted(files)` in a loop over os.walk: somebody has thought of it."""
        if not isinstance(node, ast.Call) or not isinstance(target, ast.Tuple):
            return False
        written = {names.spelled(element) for element in target.elts}
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sort":
            return names.spelled(node.func.value) in written
        return "sort" in attribute(node) and bool(node.args) and names.spelled(node.args[0]) in written

    def _counts(self, value: ast.expr, held: str | None) -> bool:
        """`ids[word] = len(ids)`"""
        return any(
            isinstance(node, ast.Call)
            and self.module.called(node) == "len"
            and node.args
            and names.spelled(node.args[0]) == held
            for node in ast.walk(value)
        )

    def _named(self, target: ast.expr, sequence: bool, numbered: bool) -> bool:
        """Whether the order of what a name or `self.name` holds matters where it is used."""
        written = names.spelled(target)
        if written is None:
            return False
        scope = self._scope(target, written)
        if (written, scope) in self._asked:
            return False
        self._asked.add((written, scope))
        nodes = list(ast.walk(scope))
        if any(self._is_sorted(node, written) for node in nodes):
            return False
        return any(
            self._matters(use, sequence, numbered)
            for use in nodes
            if isinstance(use, ast.Name | ast.Attribute)
            and isinstance(use.ctx, ast.Load)
            and names.spelled(use) == written
            and (self._comes_later(use, target) or "." in written)
        )

    def _comes_later(self, use: ast.expr, target: ast.expr) -> bool:
        return use.lineno >= target.lineno

    def _scope(self, target: ast.expr, written: str) -> Scope:
        """Where a name, or `self.name`, is looked for."""
        if "." in written:
            return self.module.class_of(target) or self.module.tree
        return self.module.scope(target)

    def _is_sorted(self, node: ast.AST, written: str) -> bool:
        """`files.sort()`, or `files = sorted(…)` somewhere beside."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "sort" in node.func.attr:
            return names.spelled(node.func.value) == written
        if isinstance(node, ast.Call) and attribute(node).startswith("sort") and node.args:
            # the sorted copy is what is used
            held = self.module.parents.get(node)
            if isinstance(held, ast.Assign) and names.spelled(node.args[0]) == written:
                return True
        if isinstance(node, ast.Assign) and any(names.spelled(target) == written for target in node.targets):
            return any(
                isinstance(call, ast.Call) and "sort" in attribute(call) for call in ast.walk(node.value)
            )
        return False

    def _given_back(self, statement: ast.AST, sequence: bool, numbered: bool) -> bool:
        """Where the function is called in the linted files, that decides; elsewhere it may be sorted."""
        function = self.module.scope(statement)
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
        if (function.name, function) in self._asked:
            return False
        self._asked.add((function.name, function))
        calls = [call for call in self.module.calls if attribute(call) == function.name]
        if any(self._matters(call, sequence, numbered) for call in calls):
            return True
        return any(
            self._elsewhere(module)._matters(call, sequence, numbered)
            for module, call in self.module.program.calls.get(function.name, ())
            if module is not self.module and self._reaches(module, call, function)
        )

    def _elsewhere(self, module: Module) -> "Order":
        """The same questions in another file, with those that were asked here already."""
        other = Order(module, of_set=self.of_set)
        other.feeds, other._asked = self.feeds, self._asked
        return other

    def _reaches(self, module: Module, call: ast.Call, function: ast.AST) -> bool:
        definition = self.module.program.called(module, call)
        return definition is not None and definition.node is function


def _is_number(node: ast.expr) -> bool:
    """`0` and `-1`"""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _is_slice(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Slice)
