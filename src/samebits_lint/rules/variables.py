"""Environment variables that are set inside Python, after what reads them has read them."""

import ast
from collections.abc import Iterator

from samebits.process import variables
from samebits_lint import names
from samebits_lint.module import Module, argument
from samebits_lint.rules import rule

# Of determinism.env's variables, those that begin so are read by the loader or Python, before any line
# of a program; or by a library, when it is imported.
AT_START = ("PYTHON", "LD_", "GLIBC_")
AT_IMPORT = {
    "OMP_": ("numpy", "torch", "tensorflow", "scipy", "sklearn"),
    "GOMP_": ("torch", "sklearn"),
    "OPENBLAS_": ("numpy", "scipy", "sklearn"),
    "NPY_": ("numpy", "torch", "tensorflow", "scipy", "sklearn"),
    "KERAS_BACKEND": ("keras",),
    "TF_ENABLE_ONEDNN_OPTS": ("tensorflow",),
}
# What starts another process, which does read them.
STARTERS = (
    "subprocess.",
    "multiprocessing.",
    "torch.multiprocessing.spawn",
    "os.exec",
    "os.spawn",
    "os.system",
    "os.posix_spawn",
    "os.popen",
)


@rule("SB306", "variable-too-late")
def variable_too_late(module: Module) -> Iterator[tuple[ast.AST, str]]:
    known = {row.name for row in variables.read()}
    starts_another = any(module.called(call).startswith(STARTERS) for call in module.calls)
    for node, name in _set(module):
        if name not in known or starts_another:
            continue
        if name.startswith(AT_START):
            yield node, f"{name} is read before Python starts: set here it changes nothing in this process"
            continue
        for prefix, libraries in AT_IMPORT.items():
            if name.startswith(prefix) and (library := _imported_above(module, node, libraries)):
                yield node, f"{name} is read when {library} is imported, which is above"
                break


def _set(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every place that sets a variable, and the variable's name."""
    for node in module.nodes:
        keys: list[ast.expr | None] = []
        if isinstance(node, ast.Assign):
            targets = [target for target in node.targets if isinstance(target, ast.Subscript)]
            keys = [target.slice for target in targets if module.name(target.value) == "os.environ"]
        elif isinstance(node, ast.Call):
            called = module.called(node)
            if called in ("os.environ.setdefault", "os.putenv"):
                keys = [argument(node, "key", 0)]
            elif called == "os.environ.update":
                keys = [key for given in node.args if isinstance(given, ast.Dict) for key in given.keys]
                yield from ((node, keyword.arg) for keyword in node.keywords if keyword.arg)
        for key in keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield node, key.value


def _imported_above(module: Module, node: ast.AST, libraries: tuple[str, ...]) -> str | None:
    """The first of these libraries that the file imports at its top, above a place."""
    for statement in names.own(module.tree):
        if not isinstance(statement, ast.Import | ast.ImportFrom) or statement.lineno >= node.lineno:  # type: ignore[attr-defined]
            continue
        dotted = [alias.name for alias in statement.names]
        if isinstance(statement, ast.ImportFrom):
            dotted = [statement.module or ""] if not statement.level else []
        for name in dotted:
            if name.partition(".")[0] in libraries:
                return name.partition(".")[0]
    return None
