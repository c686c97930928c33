"""Sorts that give equal values in any order, where their places choose samples."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument, attribute, is_constant
from samebits_lint.rules import rule

# What chooses, and the position of what makes it stable, by name and value.
FUNCTIONS = {"numpy.argsort", "torch.argsort", "torch.sort", "torch.topk", "numpy.argpartition"}
METHODS = ("argsort", "argpartition", "topk")
STABLE = ("stable", "mergesort")
# Names of what holds samples, and of what is made of chosen samples.
SAMPLES = re.compile(
    r"(^|_)(data|dataset|samples?|examples?|images?|train|pool|records|paths|files|texts?|corpus)(_|$)",
    re.I,
)
TAKES = ("Subset", "SubsetRandomSampler", "select", "take", "index_select", "iloc")


@rule("SB108", "unstable-sort", elsewhere=True)
def unstable_sort(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for call in module.calls:
        called, name = module.called(call), attribute(call)
        if called not in FUNCTIONS and (
            called or name not in METHODS or not isinstance(call.func, ast.Attribute)
        ):
            continue
        if is_constant(argument(call, "stable"), True) or is_constant(argument(call, "kind"), *STABLE):
            continue
        cuts = name in ("topk", "argpartition")
        if _chooses(module, call, cut=cuts, depth=0):
            fix = "sort with stable=True, and cut" if cuts else "stable=True (NumPy: kind='stable')"
            yield (
                call,
                f"{name} gives equal values in any order, and their places choose: another choice on "
                f"another CPU or GPU; {fix}",
            )


def _chooses(module: Module, node: ast.AST, *, cut: bool, depth: int) -> bool:
    """Whether places become the numbers of some of the samples: `data[order[:100]]`, `Subset(data, order)`.

    Args:
        module: the file.
        node: the expression that gives places.
        cut: it gives only some of them, so that one of two equal values can be left out.
        depth: of the variables on the way.
    """
    parent = module.parents.get(node)
    match parent:
        case ast.Subscript() if parent.value is node:
            is_slice = isinstance(parent.slice, ast.Slice)
            reverses = is_slice and parent.slice.lower is None and parent.slice.upper is None  # type: ignore[attr-defined]
            return _chooses(module, parent, cut=cut or (is_slice and not reverses), depth=depth)
        case ast.Subscript() if isinstance(parent.ctx, ast.Store):
            return cut and _marks(module, parent)
        case ast.Subscript():
            return cut and SAMPLES.search(_last(names.spelled(parent.value))) is not None
        case ast.Attribute():
            if parent.attr not in ("indices", "tolist", "numpy", "cpu", "flatten", "copy", "astype", "long"):
                return False
            return _chooses(module, parent, cut=cut, depth=depth)
        case ast.Call() if parent.func is node:
            return _chooses(module, parent, cut=cut, depth=depth)
        case ast.Call():
            if attribute(parent) in ("list", "asarray", "array", "flip", "sorted", "set"):
                return _chooses(module, parent, cut=cut, depth=depth)
            return cut and attribute(parent) in TAKES
        case ast.Assign() if depth < 4:
            target = parent.targets[0]
            if isinstance(target, ast.Tuple) and len(target.elts) == 2:
                target = target.elts[1]  # values, places = …
            written = names.spelled(target)
            return written is not None and any(
                _chooses(module, use, cut=cut, depth=depth + 1)
                for use in ast.walk(module.scope(parent))
                if isinstance(use, ast.Name | ast.Attribute)
                and isinstance(use.ctx, ast.Load)
                and names.spelled(use) == written
                and use.lineno > parent.lineno
            )
    return False


def _marks(module: Module, place: ast.Subscript) -> bool:
    """`kept[places] = False`: a mask that says which are taken and which are not."""
    holder = module.parents.get(place)
    return isinstance(holder, ast.Assign) and is_constant(holder.value, True, False)


def _last(written: str | None) -> str:
    return (written or "").rpartition(".")[2]
