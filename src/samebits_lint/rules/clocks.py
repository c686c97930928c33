"""Values that are other ones in every run: times, numbers of processes and objects, the system's entropy."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, attribute, last
from samebits_lint.rules import rule
from samebits_lint.rules.order import decides, hashes_a_string

CLOCKS = {
    *(f"time.{name}{unit}" for name in ("time", "perf_counter", "monotonic") for unit in ("", "_ns")),
    *(f"time.{name}{unit}" for name in ("process_time", "thread_time") for unit in ("", "_ns")),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("pandas.Timestamp.now", "pandas.Timestamp.utcnow", "pandas.Timestamp.today"),
    *(
        "os.getpid",
        "os.getppid",
        "os.urandom",
        "os.getrandom",
        "threading.get_ident",
        "threading.get_native_id",
    ),
    *("uuid.uuid1", "uuid.uuid4", "random.SystemRandom", "id"),
    *(f"secrets.{name}" for name in ("choice", "randbits", "randbelow", "token_bytes", "token_hex")),
    "secrets.SystemRandom",
}
FRAMEWORKS = ("torch", "numpy", "tensorflow", "keras", "jax")
# What these are given becomes numbers of an array.
MAKERS = {
    *("tensor", "as_tensor", "asarray", "array", "from_numpy", "frombuffer", "fromiter", "full", "full_like"),
    *("constant", "fill", "convert_to_tensor", "FloatTensor", "LongTensor", "Variable"),
}
# These give an array, whatever they are given.
GIVE_ARRAYS = MAKERS | {
    *("zeros", "ones", "empty", "zeros_like", "ones_like", "empty_like", "arange", "linspace", "eye"),
    *(
        "rand",
        "randn",
        "randint",
        "randperm",
        "rand_like",
        "randn_like",
        "normal",
        "uniform",
        "standard_normal",
    ),
    *("stack", "cat", "concatenate", "concat", "vstack", "hstack", "load", "loadtxt", "genfromtxt"),
}
# Of a number these make another number, or a text.
NUMBERS = {"int", "float", "abs", "round", "min", "max", "pow", "divmod", "sum", "bool", "int.from_bytes"}
# No arrays, though they are asked of one.
FACTS = {
    "shape",
    "size",
    "ndim",
    "dtype",
    "device",
    "item",
    "numel",
    "dim",
    "nbytes",
    "tolist",
    "requires_grad",
}
ARRAYS = re.compile(
    r"(?:x|xs|inputs?|images?|img|imgs|batch|features?|labels?|targets?|logits|tensor|weights?|bias)"
)
LOADS = re.compile(r"loader|dataset|batches|parameters$|buffers$", re.I)
# An array of this name holds times, on purpose; SB304 has the seeds.
INNOCENT = re.compile(
    r"time|start|begin|stop|end|now|stamp|tic|toc|elapsed|latenc|duration|seed|key|salt|token|id", re.I
)
SAMPLES = ("__getitem__", "__getitems__", "__iter__", "__next__", "forward", "call", "training_step")


@rule("SB106", "clock-in-data")
def clock_in_data(module: Module) -> Iterator[tuple[ast.AST, str]]:
    roots = {dotted.partition(".")[0] for dotted in module.aliases.values()}
    if not roots & set(FRAMEWORKS) or module.is_test:
        return
    for call in module.calls:
        called = module.called(call)
        hashed = hashes_a_string(module, call) and not decides(module, call)  # what decides is SB105's
        if (called in CLOCKS or hashed) and _Flow(module).reaches_data(call):
            what = "hash() of a string" if called == "hash" else called
            yield (
                call,
                f"{what} is another number in every run, and becomes a number of the data or weights",
            )


class _Flow:
    """Where a number goes from the expression that makes it: into arrays, or elsewhere."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._asked: set[tuple[str, ast.AST]] = set()

    def reaches_data(self, node: ast.AST) -> bool:
        """Whether a number becomes one of an array, is combined with one, or leaves with a sample."""
        parent = self.module.parents[node]
        match parent:
            case ast.BinOp():
                other = parent.right if parent.left is node else parent.left
                if self.is_array(other):
                    return not self._is_innocent(parent)
                is_duration = isinstance(parent.op, ast.Sub)
                return not is_duration and self.reaches_data(parent)
            case ast.UnaryOp() | ast.List() | ast.Tuple() | ast.Starred() | ast.keyword() | ast.Attribute():
                return self.reaches_data(parent)
            case ast.IfExp():
                return parent.test is not node and self.reaches_data(parent)
            case ast.Subscript():
                return parent.value is node and self.reaches_data(parent)
            case ast.Call():
                return self._given(parent, node)
            case ast.Assign() | ast.AnnAssign() | ast.NamedExpr():
                targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
                return any(self._training_state(target) for target in targets)
            case ast.AugAssign():
                return self.is_array(parent.target) and not self._is_innocent(parent)
            case ast.Return() | ast.Yield():
                function = self.module.scope(parent)
                cls = self.module.class_of(parent)
                return cls is not None and isinstance(function, ast.FunctionDef) and function.name in SAMPLES
        return False

    def _given(self, call: ast.Call, node: ast.AST) -> bool:
        """Whether a call that is given a number, or is a method of it, makes data of it."""
        name, called = attribute(call), self.module.called(call)
        if call.func is node:  # `now().timestamp()`
            return self.reaches_data(call)
        if called in NUMBERS or called.startswith(("math.", "operator.")):
            return self.reaches_data(call)
        if called.startswith("torch.nn.init.") or (
            name.endswith("_") and not name.startswith("_") and not called
        ):
            return not self._is_innocent(call)  # in place: `weight.fill_(…)`
        if called.partition(".")[0] in FRAMEWORKS:
            if last(called) in MAKERS:
                return not self._is_innocent(call)
            numbers = [given for given in call.args if given is not node]
            return any(map(self.is_array, numbers)) and not self._is_innocent(call)
        return False

    def _training_state(self, target: ast.expr) -> bool:
        """Whether what a variable, or a place in an array, is given reaches data from there."""
        if isinstance(target, ast.Subscript):
            return self.is_array(target.value) and not INNOCENT.search(names.spelled(target.value) or "")
        if not isinstance(target, ast.Name):
            return False
        scope = self.module.scope(target)
        if (target.id, scope) in self._asked:
            return False
        self._asked.add((target.id, scope))
        return any(
            self.reaches_data(use)
            for use in ast.walk(scope)
            if isinstance(use, ast.Name)
            and use.id == target.id
            and isinstance(use.ctx, ast.Load)
            and use.lineno >= target.lineno
        )

    def _is_innocent(self, node: ast.AST) -> bool:
        """Whether what is made of it has the name of a time, or of what must be another one in every run."""
        for outer in (node, *self.module.around(node)):
            if isinstance(outer, ast.Assign | ast.AnnAssign | ast.AugAssign):
                targets = outer.targets if isinstance(outer, ast.Assign) else [outer.target]
                return any(INNOCENT.search(names.spelled(target) or "") for target in targets)
            receiver = (
                outer.func.value
                if isinstance(outer, ast.Call) and isinstance(outer.func, ast.Attribute)
                else outer
            )
            if INNOCENT.search(names.spelled(receiver) or ""):
                return True
            if isinstance(outer, ast.stmt):
                return False
        return False

    def is_array(self, node: ast.AST, depth: int = 0) -> bool:
        """Whether an expression is an array or a tensor, as far as the file tells."""
        if depth > 9:
            return False
        deeper = depth + 1
        match node:
            case ast.Name():
                return self._is_named_array(node, deeper)
            case ast.Attribute():
                if node.attr in FACTS or self.module.name(node):
                    return False
                return node.attr in ("weight", "bias", "data", "grad") or self.is_array(node.value, deeper)
            case ast.Subscript():
                return self.is_array(node.value, deeper)
            case ast.UnaryOp():
                return self.is_array(node.operand, deeper)
            case ast.BinOp():
                return self.is_array(node.left, deeper) or self.is_array(node.right, deeper)
            case ast.Call():
                called = self.module.called(node)
                if called.partition(".")[0] in FRAMEWORKS:
                    given = any(self.is_array(part, deeper) for part in node.args)
                    return last(called) in GIVE_ARRAYS or given
                of_array = isinstance(node.func, ast.Attribute) and node.func.attr not in FACTS
                return not called and of_array and self.is_array(node.func.value, deeper)  # type: ignore[attr-defined]
        return False

    def _is_named_array(self, name: ast.Name, depth: int) -> bool:
        made = [
            node
            for scope in {self.module.scope(name), self.module.tree}
            for node in names.own(scope)
            if isinstance(node, ast.Assign | ast.For)
        ]
        for node in made:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if not any(
                name.id in {part.id for part in ast.walk(t) if isinstance(part, ast.Name)} for t in targets
            ):
                continue
            if isinstance(node, ast.For):
                written = names.spelled(node.iter) or ""
                if isinstance(node.iter, ast.Call):
                    written = names.spelled(node.iter.func) or ""
                    written = " ".join([written, *(names.spelled(given) or "" for given in node.iter.args)])
                if any(LOADS.search(word) for word in written.split()):
                    return True
            elif any(isinstance(target, ast.Name) for target in targets):
                return self.is_array(node.value, depth)
        return ARRAYS.fullmatch(name.id) is not None
