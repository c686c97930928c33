"""Copies of Keras beside Keras: what seeds one does not reach the other."""

import ast
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, last
from samebits_lint.rules import rule

PRIVATE = "tensorflow.python.keras"
KINDS = ("keras", "tensorflow.keras", "tf_keras")
# What of it has weights, draws or keeps a state.
STATEFUL = {"initializers", "engine", "layers", "models", "optimizers", "Model", "Sequential"}


def _imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Every import and the dotted name that it names."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


@rule("SB501", "private-keras")
def private_keras(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not module.seeded:
        return  # no copy is seeded: that is what has to be fixed first
    line = "is a copy of Keras 2 that keras.utils.set_random_seed does not seed: import keras"
    for node, dotted in _imports(module):
        if _is_choice(module, node):
            continue
        parts = set(dotted.removeprefix(PRIVATE).split("."))
        if f"{dotted}.".startswith(f"{PRIVATE}.") and (dotted == PRIVATE or parts & STATEFUL):
            yield node, f"{PRIVATE} {line}"
    for used in module.nodes:
        if isinstance(used, ast.Attribute) and module.name(used) == PRIVATE:
            yield used, f"{PRIVATE} {line}"


def _is_choice(module: Module, node: ast.AST) -> bool:
    """Whether an import is made where there is that version only: below `try` or `if`."""
    return any(isinstance(outer, ast.Try | ast.If) for outer in module.around(node))


@rule("SB502", "mixed-keras")
def mixed_keras(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not module.seeded:
        return
    choices = {names for node, dotted in _imports(module) if _is_choice(module, node) for names in [dotted]}
    kinds: dict[str, ast.Call] = {}
    for call in module.calls:
        written = names.spelled(call.func) or ""
        first, _, rest = written.partition(".")
        dotted = f"{module.aliases.get(first, '')}.{rest}".rstrip(".")
        kind = next((kind for kind in KINDS if dotted.startswith(f"{kind}.")), None)
        chosen = any(dotted.startswith(choice) for choice in choices)
        if kind and not chosen and last(dotted)[:1].isupper():
            kinds.setdefault(kind, call)
    if len(kinds) > 1:
        (first, first_call), (other, second_call) = list(kinds.items())[:2]
        line = f"{other} beside {first} (line {first_call.lineno}) may be two Keras with two states"
        yield second_call, line
