"""Switches of torch and TensorFlow that give up what repeats."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument, is_constant
from samebits_lint.rules import rule

CUDNN = "torch.backends.cudnn"
# Where one of these is asked for first, somebody decides for each run.
CHOICE = re.compile(r"bench|determin|tf32|seed|reproduc", re.I)
# Functions that are there to take a switch back.
UNDOES = re.compile(r"^_*(unset|disable|restore|reset|exit|teardown)", re.I)


def _assigned(module: Module) -> Iterator[tuple[ast.Assign, str, ast.expr]]:
    """Every `a.b.c = value`, with the dotted name that is assigned to."""
    for node in module.nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and (dotted := module.name(target)):
                    yield node, dotted, node.value


def _is_decided(module: Module, node: ast.AST) -> bool:
    """Whether each run decides: an option asks for it, or the function is there to take it back."""
    scope = module.scope(node)
    undoes = isinstance(scope, ast.FunctionDef) and UNDOES.search(scope.name) is not None
    return undoes or module.is_chosen(node, CHOICE)


def _is_taken_back(module: Module, node: ast.AST, dotted: str) -> bool:
    """Whether the same function gives a switch another value further down."""
    assert isinstance(node, ast.stmt)
    return any(
        other == dotted
        and later.lineno > node.lineno
        and module.scope(later) is module.scope(node)
        and not is_constant(value, True)
        for later, other, value in _assigned(module)
    )


@rule("SB401", "benchmark-on")
def benchmark_on(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if module.only_measures:
        return
    line = "cuDNN picks each convolution's algorithm by its time, so by chance"
    for node, dotted, value in _assigned(module):
        if dotted != f"{CUDNN}.benchmark" or not is_constant(value, True):
            continue
        if not _is_decided(module, node) and not _is_taken_back(module, node, dotted):
            yield node, f"cudnn.benchmark is switched on: {line}"
    for call in module.calls:
        called = module.called(call)
        trainer = called in ("lightning.Trainer", "lightning.Fabric")
        if trainer and is_constant(argument(call, "benchmark"), True):
            yield call, f"benchmark=True: {line}"


@rule("SB402", "determinism-off")
def determinism_off(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for node, dotted, value in _assigned(module):
        off = dotted == f"{CUDNN}.deterministic" and is_constant(value, False)
        if off and not _is_decided(module, node):
            yield node, "cudnn.deterministic is switched off: gradients add up in no fixed order on a GPU"
    for call in module.calls:
        called = module.called(call)
        if called == "torch.use_deterministic_algorithms":
            if is_constant(argument(call, "mode", 0), False) and not _is_decided(module, call):
                yield call, "switches deterministic algorithms off"
            elif is_constant(argument(call, "warn_only"), True):
                yield call, "warn_only=True: an operation without a deterministic kernel runs all the same"
        elif (
            called == "torch.set_deterministic_debug_mode"
            and not is_constant(argument(call, "debug_mode", 0), "error", 2)
            and isinstance(argument(call, "debug_mode", 0), ast.Constant)
        ):
            yield call, 'an operation without a deterministic kernel runs all the same; "error" stops it'


@rule("SB403", "tf32-on", elsewhere=True)
def tf32_on(module: Module) -> Iterator[tuple[ast.AST, str]]:
    line = "float32 products lose 13 bits on GPUs that have TF32 (Ampere and later), and on no others"
    for node, dotted, value in _assigned(module):
        if dotted in (f"{CUDNN}.allow_tf32", "torch.backends.cuda.matmul.allow_tf32") and is_constant(
            value, True
        ):
            yield node, f"{dotted.removeprefix('torch.backends.')} is switched on: {line}"
        elif (
            dotted.startswith("torch.backends.")
            and dotted.endswith("fp32_precision")
            and is_constant(value, "tf32")
        ):
            yield node, f"{dotted.removeprefix('torch.backends.')} is tf32: {line}"
    for call in module.calls:
        if module.called(call) == "torch.set_float32_matmul_precision":
            given = argument(call, "precision", 0)
            if is_constant(given, "high", "medium"):
                assert isinstance(given, ast.Constant)
                yield call, f"set_float32_matmul_precision({given.value!r}): {line}"


def deterministic_mode(module: Module) -> bool:
    """Whether a file switches torch's deterministic algorithms on."""
    for call in module.calls:
        if module.called(call) == "torch.use_deterministic_algorithms":
            if not is_constant(argument(call, "mode", 0), False):
                return True
        elif (names.spelled(call.func) or "").endswith(("make_deterministic", "open_run")):
            return True
    return False
