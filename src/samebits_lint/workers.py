"""Whether the loaders of a training have workers, in which torch seeds Python and NumPy."""

import ast

from samebits_lint import names
from samebits_lint.module import Module, argument, is_constant

LOADER = "torch.utils.data.DataLoader"
WORKERS = 5  # the position of `num_workers`
# Parts of names of data that are looked at and not trained on: a sum over all of it has no order to speak of.
EVALUATED = {"test", "testing", "val", "valid", "validation", "eval", "evaluation"}


def has_none(module: Module) -> bool:
    """Whether every loader in the files that belong together, but those of tests, loads without workers.

    Options that only one branch adds (`if use_cuda:`) count as none: where it is not taken, there are none.
    False where the text does not say, or there is no loader.
    """
    loaders = [
        (other, call)
        for other in module.program.related(module)
        for call in other.calls
        if other.called(call) == LOADER and not only_evaluates(other, call)
    ]
    return bool(loaders) and all(_has_none(other, call) for other, call in loaders)


def _has_none(module: Module, call: ast.Call) -> bool:
    given = argument(call, "num_workers", WORKERS)
    if given is not None:
        return is_constant(given, 0)
    if any(isinstance(value, ast.Starred) for value in call.args):
        return False
    options = [keyword.value for keyword in call.keywords if keyword.arg is None]
    return all(_without_workers(module, value) for value in options)


def _without_workers(module: Module, options: ast.expr) -> bool:
    """Whether `**options` is a dictionary made there that gives no workers, or in one branch only."""
    if not isinstance(options, ast.Name):
        return False
    scope = module.scope(options)
    made = module.assigned(scope).get(options.id, [])
    if not made or not all(isinstance(value, ast.Dict) and not _names_workers(value) for value in made):
        return False
    for node in names.own(scope):
        changed = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
            changed = node.func.value
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            changed = node.value
        if changed is None or names.spelled(changed) != options.id:
            continue
        in_branch = any(isinstance(outer, ast.If) for outer in module.around(node) if outer is not scope)
        if not in_branch:
            return False
    return True


def _names_workers(made: ast.Dict) -> bool:
    return any(key is None or is_constant(key, "num_workers") for key in made.keys)


def only_evaluates(module: Module, call: ast.Call) -> bool:
    """Whether the variable of a loader or list is called a test's or a validation's, and no training's."""
    holder = module.parents[call]
    if not isinstance(holder, ast.Assign) or holder.value is not call:
        return False
    words = {
        word
        for target in holder.targets
        for word in (names.spelled(target) or "").lower().replace(".", "_").split("_")
    }
    words |= {word.removesuffix("loader") for word in words}
    return bool(words & EVALUATED) and "train" not in words
