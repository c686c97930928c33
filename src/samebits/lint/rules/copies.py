"""Copies of Keras beside Keras: what seeds one does not reach the other."""

import ast
from collections.abc import Iterator

from samebits.lint import names
from samebits.lint.module import Module
from samebits.lint.rules import rule

PRIVATE = "tensorflow.python.keras"


def _imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Every import and the dotted name that it names."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


@rule("SB501", "private-keras")
def private_keras(module: Module) -> Iterator[tuple[ast.AST, str]]:
    line = "is a copy of Keras 2 that keras.utils.set_random_seed does not seed: import keras"
    seen: set[ast.AST] = set()
    for node, dotted in _imports(module):
        if f"{dotted}.".startswith(f"{PRIVATE}.") and node not in seen:
            seen.add(node)
            yield node, f"{PRIVATE} {line}"
    for used in module.nodes:
        inner = module.parents.get(used)
        if isinstance(used, ast.Attribute) and module.name(used) == PRIVATE and inner not in seen:
            yield used, f"{PRIVATE} {line}"


@rule("SB502", "mixed-keras")
def mixed_keras(module: Module) -> Iterator[tuple[ast.AST, str]]:
    kinds: dict[str, ast.stmt | ast.expr] = {}
    for node, dotted in _imports(module):
        if any(isinstance(outer, ast.Try) for outer in module.around(node)):
            continue  # whichever there is
        for kind in ("keras", "tensorflow.keras", "tf_keras"):
            if f"{dotted}.".startswith(f"{kind}."):
                kinds.setdefault(kind, node)
    if "keras" not in kinds and "tf_keras" not in kinds:
        return
    if "tensorflow.keras" not in kinds:
        for used in module.nodes:
            package, _, rest = (names.spelled(used) or "").partition(".")
            if (
                isinstance(used, ast.Attribute)
                and rest == "keras"
                and module.aliases.get(package) == "tensorflow"
            ):
                kinds["tensorflow.keras"] = used
                break
    if len(kinds) > 1:
        first, second = sorted(kinds.items(), key=lambda item: item[1].lineno)[:2]
        yield (
            second[1],
            f"{second[0]} beside {first[0]} (line {first[1].lineno}) may be two Keras with two states",
        )
