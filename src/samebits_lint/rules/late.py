"""Seeds that are set after something was drawn that was to start from them."""

import ast
from collections.abc import Iterator

from samebits_lint import execution, names, seeding
from samebits_lint.drawing import DRAWS, draws_from, family_of, is_innocent
from samebits_lint.module import Module, attribute, last
from samebits_lint.program import Definition
from samebits_lint.rules import rule
from samebits_lint.rules.seeds import in_loop, seed_values

MODELS = ("torchvision.models.", "timm.create_model", "segmentation_models_pytorch.")
OPTIMIZERS = "torch.optim."
BASES = {
    "torch.nn.Module",
    "lightning.LightningModule",
    "keras.Model",
    "keras.models.Model",
    "keras.Sequential",
}


@rule("SB302", "seed-too-late")
def seed_too_late(module: Module) -> Iterator[tuple[ast.AST, str]]:
    reported = set()
    for late in execution.late_seeds(module.program):
        place, message = _told(late)
        if late.draw.at.module is module and place not in reported:
            reported.add(place)
            yield place, message
    written = _in_one_body(module)
    if written is not None and written[0] not in reported:
        yield written


def _told(late: execution.Late) -> tuple[ast.Call, str]:
    """Where a seed that comes too late is reported, and in which words.

    Where both stand in one body that is the seed, which has to be moved up. Where calls lead to either, it
    is the call that draws.
    """
    draw, seed = late.draw, late.seed
    if draw.at == draw.origin and seed.at == seed.origin:
        return seed.at.call, _late_in_one_body(late.family, draw.at.call)
    drawn = f" ({_where(draw.origin, draw.at)})" if draw.origin != draw.at else ""
    return draw.at.call, (
        f"{attribute(draw.at.call)}(…) draws from {late.family}'s generator{drawn} before its seed is set "
        f"({_where(seed.origin, draw.at)})"
    )


def _late_in_one_body(family: str, made: ast.Call) -> str:
    return f"sets {family}'s seed after line {made.lineno} has made what was to start from it"


def _where(place: execution.Place, seen_from: execution.Place) -> str:
    module = place.module
    return f"{'line ' if module is seen_from.module else f'{module.path.name}:'}{place.call.lineno}"


def _in_one_body(module: Module) -> tuple[ast.Call, str] | None:
    """A seed below what it was to decide, in a function that no linted script need call."""
    every = [(call, seeding.seeds(module, call)) for call in module.calls]
    every = [
        (call, families)
        for call, families in every
        if families and not execution.is_forked(module, call) and not attribute(call).endswith("Arguments")
    ]  # settings of a Trainer seed nothing; the Trainer does
    if any(isinstance(module.scope(call), ast.Lambda) for call, _ in every):
        return None
    for family in seeding.FAMILIES:
        calls = [call for call, families in every if family in families]
        if not calls:
            continue
        scope = module.scope(calls[0])
        if scope is not module.tree and _is_helper(module, scope):
            continue  # `def set_seed(seed): …`: what matters is where that is called, see below
        first = calls[0]
        if any(module.scope(call) is not scope for call in calls) or in_loop(module, first, scope):
            continue
        made = _made_before(module, scope, first, family)
        if made is not None:
            return first, _late_in_one_body(family, made)
    return None


def _is_helper(module: Module, scope: ast.AST) -> bool:
    return isinstance(scope, ast.FunctionDef) and "seed" in scope.name.lower()


def _becomes_seed(module: Module, call: ast.Call) -> bool:
    """Whether a draw is for a seed, which SB304 reports."""
    return any(call in ast.walk(value) for _, value in seed_values(module))


def _made_before(module: Module, scope: ast.AST, seed: ast.Call, family: str) -> ast.Call | None:
    """The first model or draw of a family that stands before its seed, at the same depth of the same body."""
    block = next(outer for outer in [seed, *module.around(seed)] if module.parents.get(outer) is scope)
    body = getattr(scope, "body", [])
    if block not in body:
        return None
    for statement in body[: body.index(block)]:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            continue
        for node in [statement, *names.own(statement)]:
            if isinstance(node, ast.Call) and _makes(module, node, family):
                return node
    return None


def _makes(module: Module, call: ast.Call, family: str) -> bool:
    """Whether a call draws from a family's generator, or shows that a model was made above."""
    if execution.is_below_meta(module, call):
        return False
    called = module.called(call)
    if called in DRAWS:
        innocent = _becomes_seed(module, call) or is_innocent(module, call)
        return family_of(called) == family and not innocent
    if family == seeding.TORCH and called.startswith(OPTIMIZERS) and last(called)[:1].isupper():
        return True
    if family == seeding.TORCH and called.startswith(MODELS):
        return True
    if family in (seeding.TORCH, seeding.TENSORFLOW) and isinstance(call.func, ast.Name):
        cls = module.classes.get(call.func.id)
        if cls is not None:
            kind = module.bases(cls) & BASES
            is_keras = any(base.startswith("keras") for base in kind)
            return bool(kind) and is_keras == (family == seeding.TENSORFLOW) and _may_draw(module, cls)
    return draws_from(module, call) == family


def _may_draw(module: Module, cls: ast.ClassDef) -> bool:
    """Whether making a network draws: not where its `__init__` makes only what starts without numbers."""
    method = module.program.method(Definition(module, cls), "__init__")
    if method is None:
        return True
    if execution.draws(method):
        return True
    inside = [node for node in ast.walk(method.node) if isinstance(node, ast.Call)]
    return any(not method.module.called(node).startswith(("torch.", "super")) for node in inside)
