"""Parameters made of memory that nobody has written."""

import ast
import functools
import re
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument, attribute, is_constant, last
from samebits_lint.program import Definition
from samebits_lint.rules import rule

PARAMETERS = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
EMPTY = ("torch.empty", "torch.empty_like", "torch.empty_strided")
SIZED = ("torch.Tensor", "torch.FloatTensor", "torch.cuda.FloatTensor")
# A function or method of such a name may write what it is given, or all of a network's parameters.
WRITES = re.compile(r"_$|init|reset|load|fill|copy|assign|set_|quantize", re.I)
# A file that reads weights, or goes through all parameters, may write this one, too.
READS = re.compile(r"load_state_dict|load_weights|from_pretrained|weight_loader|load_checkpoint", re.I)
OPTIONAL = re.compile(r"load|resume|restore|continue", re.I)
ALL = {"parameters", "named_parameters", "apply", "state_dict", "_parameters"}


@rule("SB309", "unwritten-parameter")
def unwritten_parameter(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not module.trained:
        return
    for call, name, made in _made(module):
        cls = module.class_of(call)
        if cls is None or not _is_plain(module, cls):
            continue
        if not _may_write(module, cls, name):
            yield (
                made,
                f"`{name}` starts from memory that nobody writes: from what was there before",
            )


def _made(module: Module) -> Iterator[tuple[ast.Call, str, ast.Call]]:
    """Every `self.name = Parameter(torch.empty(…))`: the parameter, its name, the empty tensor."""
    for call in module.calls:
        if module.called(call) not in PARAMETERS or not call.args:
            continue
        made = call.args[0]
        if not isinstance(made, ast.Call) or not _is_empty(module, made):
            continue
        holder = module.parents[call]
        if isinstance(holder, ast.Assign) and len(holder.targets) == 1:
            target = holder.targets[0]
            if isinstance(target, ast.Attribute) and names.spelled(target.value) == "self":
                yield call, target.attr, made
        elif isinstance(holder, ast.Call) and attribute(holder) == "register_parameter" and holder.args:
            name = holder.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield call, name.value, made


def _is_empty(module: Module, made: ast.Call) -> bool:
    """Whether a call gives memory as it is; `torch.Tensor(values)` does not."""
    called = module.called(made)
    if is_constant(argument(made, "device"), "meta"):
        return False
    if called in EMPTY:
        return True
    sizes = [given for given in made.args if isinstance(given, ast.Constant) and isinstance(given.value, int)]
    return called in SIZED and bool(made.args) and (len(made.args) > 1 or bool(sizes))


def _is_plain(module: Module, cls: ast.ClassDef) -> bool:
    """Whether all bases of a network are known: another one's might write its parameters."""
    bases = module.program.bases(Definition(module, cls))
    known = {cls.name for other in module.program.modules.values() for cls in other.classes.values()}
    return "torch.nn.Module" in bases and all(
        base == "torch.nn.Module" or last(base) in known for base in bases
    )


def _may_write(module: Module, cls: ast.ClassDef, name: str) -> bool:
    """Whether anything in the files that belong together may write a parameter of that name."""
    if any(
        isinstance(node, ast.Call) and attribute(node) in ("getattr", "setattr") for node in ast.walk(cls)
    ):
        return True
    return any(name in _written(other) or _writes_all(other) for other in module.program.related(module))


@functools.lru_cache(maxsize=4096)
def _written(module: Module) -> frozenset[str]:
    """The attributes that a file writes, or hands to what may write them."""
    written: list[str] = []
    for node in module.nodes:
        if isinstance(node, ast.Call):
            of_init = module.called(node).startswith("torch.nn.init.")  # `init.orthogonal` is its old name
            if of_init or WRITES.search(attribute(node)) or _is_unknown(module, node):
                written += [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]
                written += [
                    part.value
                    for part in ast.walk(node)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and not _is_parameter(module, node.value):
                    written.append(target.attr)
                    written += [
                        part.attr for part in ast.walk(target.value) if isinstance(part, ast.Attribute)
                    ]
                elif isinstance(target, ast.Subscript):
                    written += [part.attr for part in ast.walk(target) if isinstance(part, ast.Attribute)]
            if isinstance(node.value, ast.Attribute):
                written.append(node.value.attr)  # another name for it, under which it may be written
        elif isinstance(node, ast.For):
            written += [part.attr for part in ast.walk(node.iter) if isinstance(part, ast.Attribute)]
    return frozenset(written)


def _is_parameter(module: Module, value: ast.expr) -> bool:
    """`Parameter(torch.empty(…))` itself, which writes nothing."""
    if not isinstance(value, ast.Call) or module.called(value) not in PARAMETERS or not value.args:
        return False
    return isinstance(value.args[0], ast.Call) and _is_empty(module, value.args[0])


def _is_unknown(module: Module, call: ast.Call) -> bool:
    """Whether a function of the linted files, or of somewhere else but torch, is called by its name alone."""
    called = module.called(call)
    if called.startswith("torch.") or (isinstance(call.func, ast.Attribute) and not called):
        return False
    return "." in called or (isinstance(call.func, ast.Name) and not called)


@functools.lru_cache(maxsize=4096)
def _writes_all(module: Module) -> bool:
    """Whether a file goes through all parameters, or always reads weights: it may write any."""
    predicts = module.is_script and not module.is_training  # it reads weights that another script has trained
    for node in module.nodes:
        reads = isinstance(node, ast.Call) and READS.search(attribute(node)) and not predicts
        if reads and not _makes_another(module, node) and not _is_optional(module, node):
            return True
        if isinstance(node, ast.Call) and _is_applied(module, node):
            return True
        if isinstance(node, ast.For) and any(
            isinstance(call, ast.Call) and attribute(call) in ALL for call in ast.walk(node.iter)
        ):
            inside = (call for line in node.body for call in ast.walk(line) if isinstance(call, ast.Call))
            if any(WRITES.search(attribute(call)) and attribute(call) != "requires_grad_" for call in inside):
                return True
    return False


def _makes_another(module: Module, node: ast.AST) -> bool:
    """`transformers.CLIPModel.from_pretrained(…)`: a library's network, with weights of its own."""
    return module.called(node).endswith(".from_pretrained")


def _is_applied(module: Module, call: ast.Call) -> bool:
    """`model.apply(function)`, which no library's module of that name is."""
    is_method = isinstance(call.func, ast.Attribute) and not module.called(call)
    return is_method and attribute(call) == "apply" and len(call.args) == 1


def _is_optional(module: Module, node: ast.AST) -> bool:
    """Whether weights are read only where somebody continues an earlier run."""
    for outer in module.around(node):
        if isinstance(outer, ast.If | ast.Try):
            return True
        if isinstance(outer, ast.FunctionDef):
            return OPTIONAL.search(outer.name) is not None
    return False
