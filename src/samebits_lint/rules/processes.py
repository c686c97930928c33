"""Processes that step the same weights at the same time (Hogwild)."""

import ast
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument, attribute, last
from samebits_lint.program import Definition
from samebits_lint.rules import rule

DEEPEST = 6
STARTS = ("Process", "spawn", "start_processes")


@rule("SB603", "shared-parameters")
def shared_parameters(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for call in module.calls:
        if attribute(call) != "share_memory" or not isinstance(call.func, ast.Attribute) or call.args:
            continue
        shared = names.spelled(call.func.value)
        for start in module.calls:
            if shared is None or not _starts(module, start) or shared not in _given(start):
                continue
            definition = _target(module, start)
            if definition is not None and _steps(definition, frozenset()):
                yield (
                    call,
                    f"processes (line {start.lineno}) step these shared weights at the same time: in another "
                    "order in every run",
                )
                break


def _starts(module: Module, call: ast.Call) -> bool:
    """Whether a call starts several processes: a spawn, or a process in a loop."""
    if attribute(call) not in STARTS:
        return False
    if attribute(call) != "Process":
        return True
    loops = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp)
    return any(isinstance(outer, loops) for outer in module.around(call))


def _given(start: ast.Call) -> set[str]:
    return {names.spelled(node) or "" for node in ast.walk(start)}


def _target(module: Module, start: ast.Call) -> Definition | None:
    target = argument(start, "fn" if attribute(start) != "Process" else "target", 0)
    return module.program.resolve(module, target) if target is not None else None


def _steps(definition: Definition, seen: frozenset[ast.AST]) -> bool:
    """Whether a function takes an optimiser's step, itself or in what it calls, and shares no lock for it."""
    calls = [node for node in ast.walk(definition.node) if isinstance(node, ast.Call)]
    methods = {attribute(call) for call in calls}
    if methods & {"init_process_group", "all_reduce", "DistributedDataParallel"}:
        return False
    has_optimizer = any(
        definition.module.called(call).startswith("torch.optim.")
        or "optim" in last(names.spelled(call.func) or "")
        for call in calls
    ) or any("optim" in given.arg for given in ast.walk(definition.node) if isinstance(given, ast.arg))
    if {"backward", "step"} <= methods and (has_optimizer or seen):
        return True
    if len(seen) > DEEPEST:
        return False
    called = (definition.module.program.called(definition.module, call) for call in calls)
    functions = [inner for inner in called if inner and not isinstance(inner.node, ast.ClassDef)]
    return any(_steps(inner, seen | {definition.node}) for inner in functions if inner.node not in seen)
