"""What a name in a file stands for: `tts` is `sklearn.model_selection.train_test_split`."""

import ast
import builtins
import functools

# The same thing under its usual name. The first that fits is taken.
CANONICAL = (
    ("tensorflow.compat.v1.", "tensorflow."),
    ("tensorflow.compat.v2.", "tensorflow."),
    ("tensorflow.keras.", "keras."),
    ("tf_keras.", "keras."),
    ("pytorch_lightning.", "lightning."),
    ("lightning.pytorch.", "lightning."),
    ("torch.utils.data.dataloader.", "torch.utils.data."),
    ("torch.utils.data.dataset.", "torch.utils.data."),
    ("torch.utils.data.sampler.", "torch.utils.data."),
    ("torch.random.", "torch."),
    ("tqdm.auto.", "tqdm."),
)
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def canonical(dotted: str) -> str:
    """A dotted name with another spelling of the same package replaced by the usual one."""
    for old, new in CANONICAL:
        if dotted.startswith(old):
            return canonical(new + dotted.removeprefix(old))
    return dotted


def aliases(tree: ast.Module) -> dict[str, str]:
    """What imports bind, anywhere in a file, and `layers = keras.layers` at its top: name to dotted name."""
    bound_to: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                bound_to.setdefault(bound, alias.name if alias.asname else bound)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                separator = "" if module.endswith(".") else "."
                bound_to.setdefault(alias.asname or alias.name, f"{module}{separator}{alias.name}")
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Attribute):
            dotted = spelled(statement.value)
            root, _, rest = (dotted or "").partition(".")
            for target in statement.targets:
                if isinstance(target, ast.Name) and root in bound_to:
                    bound_to.setdefault(target.id, f"{bound_to[root]}.{rest}")
    return bound_to


def target(node: ast.AST) -> ast.expr | None:
    """What an assignment gives its value to, the first of several; None of another node."""
    if isinstance(node, ast.Assign):
        return node.targets[0]
    return node.target if isinstance(node, ast.AnnAssign) else None


def spelled(node: ast.AST) -> str | None:
    """`a.b.c` as it is written; None for anything but names and attributes of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = spelled(node.value)
        return base and f"{base}.{node.attr}"
    return None


def bound_in(function: Function) -> set[str]:
    """Names that a function binds itself: parameters and assignments, not imports."""
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    names = {argument.arg for argument in every if argument}
    return names | {
        node.id for node in own(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


@functools.lru_cache(maxsize=65536)
def own(scope: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes of a function or module, without those of functions and classes inside it."""
    listed = []
    waiting = [*reversed(list(ast.iter_child_nodes(scope)))]
    while waiting:
        node = waiting.pop()
        listed.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += reversed(list(ast.iter_child_nodes(node)))
    return tuple(listed)


def is_builtin(name: str) -> bool:
    return hasattr(builtins, name)
