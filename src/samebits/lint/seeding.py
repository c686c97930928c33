"""Which generators a file seeds. What draws from a global generator repeats when that one is seeded."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from samebits.lint import names
from samebits.lint.module import Module, attribute, last

PYTHON, NUMPY, TORCH, TENSORFLOW = FAMILIES = ("Python", "NumPy", "torch", "TensorFlow")
ALL = frozenset(FAMILIES)
SEEDS = {
    "random.seed": {PYTHON},
    "numpy.random.seed": {NUMPY},
    "numpy.random.set_state": {NUMPY},
    "torch.manual_seed": {TORCH},
    "torch.set_rng_state": {TORCH},
    "torch.cuda.manual_seed": set(),  # the CPU's generator decides initial weights and the order of samples
    "torch.cuda.manual_seed_all": set(),
    "torch.mps.manual_seed": set(),
    "tensorflow.random.set_seed": {TENSORFLOW},
    "tensorflow.set_random_seed": {TENSORFLOW},
    "tensorflow.random.set_random_seed": {TENSORFLOW},
    "keras.utils.set_random_seed": ALL,
    "lightning.seed_everything": {PYTHON, NUMPY, TORCH},
    "lightning.fabric.seed_everything": {PYTHON, NUMPY, TORCH},
}
# These seed when they are made, or when they train; 42 unless told otherwise.
TRAINERS = re.compile(r"(transformers|trl|sentence_transformers|setfit|peft)\..*(Trainer|TrainingArguments)$")
NO_SEEDING = re.compile(
    r"get_|initial_seed|seed_worker|worker_init|spawn|generate_|random_seed_from|_seeds?_for"
)


def seeds(module: Module, call: ast.Call) -> frozenset[str]:
    """The families that a call seeds: by name for the libraries', all for `set_seed(…)` of somewhere else."""
    called = module.called(call)
    if called in SEEDS:
        return frozenset(SEEDS[called]) if call.args or call.keywords else frozenset()
    if TRAINERS.match(called):
        return ALL
    name = attribute(call)
    if "seed" not in name.lower() or NO_SEEDING.search(name) or name in ("seed", "manual_seed"):
        return frozenset()  # `env.seed(…)`, `generator.manual_seed(…)`: an object's own
    if not called and name in module.functions:
        return frozenset()  # defined here: what it calls is in this file, too
    if not called and isinstance(call.func, ast.Attribute) and names.spelled(call.func.value) != "self":
        return frozenset()  # `environment.set_seed(…)`: that object's alone
    if name[:1].isupper() and "seed" not in last(called).lower()[-6:]:
        return frozenset()
    return ALL


def own(module: Module) -> frozenset[str]:
    """The families that a file seeds itself."""
    found = frozenset[str]().union(*(seeds(module, call) for call in module.calls))
    if any(TRAINERS.match(dotted) for dotted in module.aliases.values()):
        return ALL
    return found


def spread(modules: Mapping[Path, Module]) -> None:
    """Fill in `seeded`: a file's own, that of files which import it, and for a module its package's."""
    by_name: dict[str, list[Path]] = {}
    for path, module in modules.items():
        if not module.is_script:
            by_name.setdefault(_parts(path)[-1], []).append(path)
    imported = {path: _imported(path, module, by_name) for path, module in modules.items()}
    seeded = {path: own(module) for path, module in modules.items()}
    changed = True
    while changed:
        changed = False
        for path, targets in imported.items():
            for target in targets:
                if not seeded[path] <= seeded[target]:
                    seeded[target] |= seeded[path]
                    changed = True
    in_package: dict[Path, frozenset[str]] = {}
    for path in modules:
        package = _package(path)
        in_package[package] = in_package.get(package, frozenset()) | seeded[path]
    for path, module in modules.items():
        if not module.is_script and _is_given_one(module):
            seeded[path] = ALL  # somebody hands a seed in
        module.seeded = seeded[path] if module.is_script else seeded[path] | in_package[_package(path)]


def _is_given_one(module: Module) -> bool:
    """Whether a file has a parameter `seed`, or reads `settings.seed`."""
    return any(
        (isinstance(node, ast.arg) and node.arg == "seed")
        or (isinstance(node, ast.Attribute) and node.attr == "seed" and not _is_called(module, node))
        for node in module.nodes
    )


def _is_called(module: Module, node: ast.AST) -> bool:
    call = module.parents.get(node)
    return isinstance(call, ast.Call) and call.func is node


def _package(path: Path) -> Path:
    """The outermost folder around a file that is a package; the file itself where there is none."""
    found, folder = path, path.absolute().parent
    while (folder / "__init__.py").exists():
        found, folder = folder, folder.parent
    return found


def _imported(path: Path, module: Module, by_name: Mapping[str, list[Path]]) -> set[Path]:
    """The linted files that a file imports, as far as their paths show it; none that are scripts."""
    found = set()
    for dotted in module.aliases.values():
        parts = tuple(part for part in dotted.split(".") if part)
        for end in filter(None, (parts, parts[:-1])):
            found |= {other for other in by_name.get(end[-1], ()) if _parts(other)[-len(end) :] == end}
    return found - {path}


def _parts(path: Path) -> tuple[str, ...]:
    """A file's path as a dotted name has it."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
