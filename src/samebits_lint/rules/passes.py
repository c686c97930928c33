"""Predictions of one pass over shuffled data beside labels of another pass."""

import ast
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, attribute
from samebits_lint.rules import rule
from samebits_lint.rules.pipelines import FIXED, chain_of, is_tensorflow, reshuffles
from samebits_lint.splitting import FLOWS, shuffles_flow

PREDICTS = ("predict", "predict_generator")
# Labels of a flow, in the order of the files.
IN_ORDER = ("classes", "labels")
# With one of these the same samples come in the same order as before.
SAME = {
    "unbatch",
    "as_numpy_iterator",
    "map",
    "batch",
    "prefetch",
    "as_numpy",
    "enumerate",
    "iter",
    "list",
    "tqdm",
}
COLLECTS = ("append", "extend", "concat", "concatenate")


@rule("SB208", "labels-of-another-pass")
def labels_of_another_pass(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not {dotted.partition(".")[0] for dotted in module.aliases.values()} & {"keras", "tensorflow"}:
        return
    for call in module.calls:
        if attribute(call) not in PREDICTS or not isinstance(call.func, ast.Attribute) or not call.args:
            continue
        data = call.args[0]
        if not isinstance(data, ast.Name):
            continue
        kind = _shuffled(module, data, call)
        place = _labels(module, data, call, kind) if kind else None
        if place is not None:
            yield (
                call,
                f"`{data.id}` is shuffled anew on each pass, and its labels (line {place.lineno}) are of "
                "another pass: they belong to other samples; shuffle=False",
            )


def _shuffled(module: Module, data: ast.Name, place: ast.Call) -> str:
    """How a variable's data are shuffled on each pass: `flow` or `pipeline`; empty where they are not."""
    for made in chain_of(module, data, place):
        name = attribute(made)
        if name in FIXED:
            return ""
        if name in FLOWS:
            return "flow" if shuffles_flow(module, made) else ""
        if (anew := reshuffles(module, made)) is not None:
            return "pipeline" if anew and is_tensorflow(module) else ""
    return ""


def _labels(module: Module, data: ast.Name, predicts: ast.Call, kind: str) -> ast.expr | None:
    """Where labels of another pass are taken from the same variable, in the same function."""
    scope = module.scope(predicts)
    receiver = names.spelled(predicts.func.value) if isinstance(predicts.func, ast.Attribute) else None
    for node in names.own(scope):
        if (
            not isinstance(node, ast.Name)
            or node.id != data.id
            or node.lineno < _made_at(module, data, predicts)
        ):
            continue
        holder = module.parents[node]
        if kind == "flow":
            if isinstance(holder, ast.Attribute) and holder.attr in IN_ORDER:
                return node
            continue
        if _is_read_again(module, node, receiver):
            return node
    return None


def _is_read_again(module: Module, data: ast.Name, receiver: str | None) -> bool:
    """Whether something is collected from all samples at a place, in a pass that predicts nothing."""
    for outer in module.around(data):
        if isinstance(outer, ast.comprehension):
            return not _predicts_in(module.parents[outer], receiver)
        if isinstance(outer, ast.For):
            return data in ast.walk(outer.iter) and _collects(outer, receiver)
        is_same = isinstance(outer, ast.Call) and attribute(outer) in SAME
        if not is_same and not isinstance(outer, ast.Attribute | ast.keyword):
            break
    return False


def _made_at(module: Module, data: ast.Name, place: ast.Call) -> int:
    """The line of the last assignment above: an earlier use of the name is of other data."""
    lines = [
        value.lineno
        for value in module.assigned(module.scope(place)).get(data.id, ())
        if hasattr(value, "lineno") and value.lineno <= place.lineno
    ]
    return max(lines, default=0)


def _predicts_in(node: ast.AST, receiver: str | None) -> bool:
    """Whether predictions are made in that pass, too: then they belong together."""
    return any(
        isinstance(call, ast.Call)
        and (attribute(call).startswith("predict") or (receiver and names.spelled(call.func) == receiver))
        for call in ast.walk(node)
    )


def _collects(loop: ast.For, receiver: str | None) -> bool:
    inside = [node for line in loop.body for node in ast.walk(line)]
    gathers = any(
        (isinstance(node, ast.Call) and attribute(node) in COLLECTS)
        or (isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add))
        for node in inside
    )
    return gathers and not any(_predicts_in(line, receiver) for line in loop.body)
