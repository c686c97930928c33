"""Casts of weights that autocast keeps longer than the weights stay the same."""

import ast
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument, attribute, is_constant
from samebits_lint.rules import rule

AUTOCASTS = {
    "torch.autocast",
    "torch.amp.autocast",
    "torch.amp.autocast_mode.autocast",
    "torch.cuda.amp.autocast",
    "torch.cuda.amp.autocast_mode.autocast",
    "torch.cpu.amp.autocast",
}
CLEARS = ("clear_autocast_cache", "set_autocast_cache_enabled")
DEEPEST = 6
Loop = ast.For | ast.While | ast.AsyncFor


@rule("SB404", "autocast-around-steps")
def autocast_around_steps(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for node, body in _regions(module):
        step = _repeated_step(module, body, in_loop=False, seen=frozenset())
        if step is not None:
            yield (
                node,
                f"autocast is on around a loop that steps (line {step.lineno}): its casts of the weights are "
                "kept and grow old; enter it in each step, around forward and loss",
            )


def _regions(module: Module) -> Iterator[tuple[ast.expr, list[ast.stmt]]]:
    """Every place that switches autocast on, and the statements for which it stays on."""
    for node in module.nodes:
        if isinstance(node, ast.With):
            for item in node.items:
                if _keeps_casts(module, item.context_expr):
                    yield item.context_expr, node.body
        elif isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if _keeps_casts(module, decorator):
                    yield decorator, node.body


def _keeps_casts(module: Module, node: ast.expr) -> bool:
    """Whether this is an autocast that is on and keeps its casts, as far as constants show it."""
    call = node
    if isinstance(node, ast.Name):  # `context = torch.autocast(…)`, and `with context:`
        scope = next((s for s in module.scopes(node) if node.id in module.assigned(s)), module.tree)
        values = module.assigned(scope).get(node.id, [])
        call = values[0] if len(values) == 1 else node
    if not isinstance(call, ast.Call) or module.called(call) not in AUTOCASTS:
        return False
    is_off = is_constant(argument(call, "enabled"), False) or is_constant(
        argument(call, "cache_enabled"), False
    )
    if module.called(call).startswith(("torch.cuda", "torch.cpu")):
        is_off = is_off or is_constant(argument(call, "enabled", 0), False)
    return not is_off


def _repeated_step(
    module: Module, body: list[ast.stmt], *, in_loop: bool, seen: frozenset[ast.AST]
) -> ast.Call | None:
    """The optimiser's step below a loop, in these statements or in what they call; None if there is none."""
    called = [(call, repeated or in_loop) for line in body for call, repeated in _calls(line, repeated=False)]
    if any(attribute(call) in CLEARS for call, _ in called):
        return None
    has_backward = any(attribute(call) == "backward" for call, _ in called)
    for call, repeated in called:
        if repeated and has_backward and _steps(module, call):
            return call
        definition = module.program.called(module, call)
        if definition is None or isinstance(definition.node, ast.ClassDef) or definition.node in seen:
            continue
        if len(seen) < DEEPEST:
            inner = _repeated_step(
                definition.module, definition.node.body, in_loop=repeated, seen=seen | {definition.node}
            )
            if inner is not None:
                return inner if definition.module is module else call
    return None


def _calls(node: ast.AST, *, repeated: bool) -> Iterator[tuple[ast.Call, bool]]:
    """The calls of a statement that run with it, and whether a loop of it repeats them."""
    waiting = [(node, repeated)]
    while waiting:
        node, repeated = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node, repeated
        for child in reversed(list(ast.iter_child_nodes(node))):
            inside = isinstance(node, Loop) and child is not getattr(node, "iter", None)
            waiting.append((child, repeated or inside))


def _steps(module: Module, call: ast.Call) -> bool:
    """`optimizer.step()`, `scaler.step(optimizer)`; no scheduler's and no profiler's."""
    if attribute(call) != "step" or not isinstance(call.func, ast.Attribute) or module.only_prepares(call):
        return False
    written = (names.spelled(call.func.value) or "").lower()
    return not any(word in written for word in ("sched", "lr_", "env", "progress", "pbar"))
