"""Operations without a deterministic kernel on a GPU, as far as reading the code can tell."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument, attribute, is_constant, last
from samebits_lint.operations import INTERPOLATED, PADDED, TENSORFLOW, TORCH
from samebits_lint.rules import rule
from samebits_lint.rules.switches import deterministic_mode


@rule("SB601", "nondeterministic-operation")
def nondeterministic_operation(module: Module) -> Iterator[tuple[ast.AST, str]]:
    handled = deterministic_mode(module)
    for call in module.calls:
        called = module.called(call)
        if called in TORCH:
            operation = last(called)
        elif called in INTERPOLATED and not handled:
            mode = argument(call, "mode", INTERPOLATED[called])
            if not is_constant(mode, "bilinear", "bicubic", "trilinear", "linear"):
                continue
            assert isinstance(mode, ast.Constant)
            operation = f"{last(called)}(mode={mode.value!r})"
        elif called in PADDED and is_constant(argument(call, "mode", 2), "reflect"):
            operation = f"{last(called)}(mode='reflect')"
        elif called == "torch.nn.EmbeddingBag" and is_constant(argument(call, "mode"), "max"):
            operation = "EmbeddingBag(mode='max')"
        else:
            continue
        if _is_trained_through(module, call):
            yield call, f"{operation} adds up its gradient in no fixed order on a GPU"


@rule("SB602", "nondeterministic-tf-operation")
def nondeterministic_tf_operation(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for call in module.calls:
        called = module.called(call)
        if called in TENSORFLOW and _is_trained_through(module, call):
            name = called.replace("tensorflow.", "tf.", 1)
            yield call, f"{name} or its gradient adds up in no fixed order on a GPU"


def _is_trained_through(module: Module, call: ast.Call) -> bool:
    """Whether a gradient flows through a call: a layer, a forward pass or a loss."""
    if "Loss" in attribute(call) or "loss" in attribute(call):
        return True
    if not module.trained:
        return False
    cls = module.class_of(call)
    function = module.scope(call)
    if cls is None or not isinstance(function, ast.FunctionDef) or not _is_network(module, cls):
        return False
    guards = "".join(ast.dump(line) for line in _guards(module, call))
    if "no_grad" in guards or "inference_mode" in guards or _is_given(module, function, call):
        return False
    if attribute(call)[:1].isupper():
        return not isinstance(module.parents[call], ast.Call) or "Sequential" in ast.dump(
            module.parents[call]
        )
    return "forward" in function.name or function.name in ("call", "__call__", "loss")


# Words in names of what is given, and not computed with weights.
INPUTS = {"mask", "masks", "img", "image", "images", "input", "inputs", "label", "labels", "gt", "target"}
INPUTS |= {"map", "rir"}


def _is_given(module: Module, function: ast.FunctionDef, call: ast.Call) -> bool:
    """Whether it is called with what the function was given, with which nothing was computed so far."""
    first = argument(call, "input", 0)
    if first is None or attribute(call)[:1].isupper() or not module.called(call).startswith("torch."):
        return False
    stored = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < call.lineno
    }
    parameters = {given.arg for given in function.args.args} - {"self"} - stored
    used = {node.id for node in ast.walk(first) if isinstance(node, ast.Name)}
    return bool(used & parameters) or _is_input(first)


def _is_input(node: ast.expr) -> bool:
    written = [names.spelled(part) or "" for part in ast.walk(node)]
    return "detach" in ast.dump(node) or bool(set(re.split(r"[._]", ".".join(written).lower())) & INPUTS)


def _is_network(module: Module, cls: ast.ClassDef) -> bool:
    kinds = ("Module", "Layer", "Model", "Head", "Block", "Net")
    return any(last(base).endswith(kinds) for base in module.bases(cls))


def _guards(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The `with` clauses and decorators around a call."""
    for outer in module.around(call):
        if isinstance(outer, ast.With):
            yield from (item.context_expr for item in outer.items)
        elif isinstance(outer, ast.FunctionDef):
            yield from outer.decorator_list
