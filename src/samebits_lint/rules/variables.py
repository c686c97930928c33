"""Environment variables that are set inside Python, after what reads them has read them."""

import ast
from collections.abc import Iterator

from samebits_lint import names
from samebits_lint.module import Module, argument
from samebits_lint.rules import rule
from samebits_lint.rules.order import set_order, string_hash

# Variables of determinism.env that the loader or Python reads, before any line of a program. Tests compare
# these two tables with that file.
AT_START = {
    "GLIBC_TUNABLES",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONNOUSERSITE",
    "PYTHONPATH",
}
# Those that libraries read when they are imported, and the libraries.
_NUMERIC = ("numpy", "torch", "tensorflow", "scipy", "sklearn")
AT_IMPORT = {
    "GOMP_SPINCOUNT": ("torch", "sklearn"),
    "KERAS_BACKEND": ("keras",),
    "NPY_DISABLE_CPU_FEATURES": _NUMERIC,
    "OMP_DYNAMIC": _NUMERIC,
    "OMP_NUM_THREADS": _NUMERIC,
    "OMP_THREAD_LIMIT": _NUMERIC,
    "OMP_WAIT_POLICY": _NUMERIC,
    "OPENBLAS_CORETYPE": ("numpy", "scipy", "sklearn"),
    "OPENBLAS_NUM_THREADS": ("numpy", "scipy", "sklearn"),
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


# Where Python looks for modules: set in Python, it is for the processes that are started.
FOR_OTHERS = {"PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE"}
# How many threads there are: set too late it is the machine's own number, the same in every run there.
THREADS = {"OMP_DYNAMIC", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS"}
THREADS |= {"GOMP_SPINCOUNT"}


@rule("SB306", "variable-too-late")
def variable_too_late(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for node, name in _late(module):
        if name in FOR_OTHERS:
            continue
        if name in AT_START:
            if name != "PYTHONHASHSEED" or _depends_on_strings(module):
                yield (
                    node,
                    f"{name} is read before Python starts: set here it changes nothing in this process",
                )
        elif name not in THREADS:
            yield node, _told(module, node, name)


@rule("SB405", "threads-too-late", elsewhere=True)
def threads_too_late(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for node, name in _late(module):
        if name in THREADS:
            yield node, _told(module, node, name)


def _late(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every place that sets a variable after it was read, and the variable."""
    if any(module.called(call).startswith(STARTERS) for call in module.calls):
        return
    for node, name in _set(module):
        if name in AT_START or _imported_above(module, node, AT_IMPORT.get(name, ())):
            yield node, name


def _told(module: Module, node: ast.AST, name: str) -> str:
    return f"{name} is read when {_imported_above(module, node, AT_IMPORT[name])} is imported, which is above"


def _depends_on_strings(module: Module) -> bool:
    """Whether an order or a hash of strings matters in the files that belong together."""
    return any(
        next(check(other), None) is not None
        for other in module.program.related(module)
        for check in (set_order, string_hash)
    )


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
