"""Which generators a file seeds. What draws from a global generator repeats when that one is seeded."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from samebits_lint import names, reach
from samebits_lint.module import Module, argument, attribute, is_constant, last

PYTHON, NUMPY, TORCH, TENSORFLOW = FAMILIES = ("Python", "NumPy", "torch", "TensorFlow")
ALL = frozenset(FAMILIES)
SEEDS = {
    "random.seed": frozenset({PYTHON}),
    "numpy.random.seed": frozenset({NUMPY}),
    "numpy.random.set_state": frozenset({NUMPY}),
    "torch.manual_seed": frozenset({TORCH}),
    "torch.set_rng_state": frozenset({TORCH}),
    "torch.cuda.manual_seed": frozenset(),  # what decides is the CPU's
    "torch.cuda.manual_seed_all": frozenset(),
    "torch.mps.manual_seed": frozenset(),
    "tensorflow.random.set_seed": frozenset({TENSORFLOW}),
    "tensorflow.set_random_seed": frozenset({TENSORFLOW}),
    "tensorflow.random.set_random_seed": frozenset({TENSORFLOW}),
    "keras.utils.set_random_seed": ALL,
    "lightning.seed_everything": frozenset({PYTHON, NUMPY, TORCH}),
    "lightning.fabric.seed_everything": frozenset({PYTHON, NUMPY, TORCH}),
    "samebits.torch.open_run": frozenset({PYTHON, NUMPY, TORCH}),
    "samebits.keras.open_run": ALL,
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
        return SEEDS[called] if call.args or call.keywords else frozenset()
    if TRAINERS.match(called):
        return ALL
    if called in ("lightning.cli.LightningCLI", "lightning.LightningCLI"):
        unseeded = is_constant(argument(call, "seed_everything_default"), False, None)
        return frozenset() if unseeded else SEEDS["lightning.seed_everything"]
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
    families = frozenset[str]().union(*(seeds(module, call) for call in module.calls))
    if any(TRAINERS.match(dotted) for dotted in module.aliases.values()):
        return ALL
    return families


def spread(modules: Mapping[Path, Module]) -> None:
    """Fill in `seeded`, `seeded_by_calls` and `trained`.

    A file has what it does itself, and what files do that import it; a module, which is no script, also
    what its package does. A script that imports what seeds is taken to call it.
    """
    imported = reach.imports(modules)
    own_seeds = {path: own(module) for path, module in modules.items()}
    seeded = _handed_down(own_seeds, imported)
    trained = _handed_down(
        {path: frozenset({"trains"} if module.is_training else ()) for path, module in modules.items()},
        imported,
    )
    in_package: dict[Path, frozenset[str]] = {}
    for path in modules:
        package = reach.package(path)
        in_package[package] = in_package.get(package, frozenset()) | seeded[path] | trained[path]
    for path, module in modules.items():
        families = seeded[path] | trained[path]
        if module.is_script:
            families = families.union(*(own_seeds[target] for target in imported[path]))
        else:
            families |= in_package[reach.package(path)]
        module.seeded_by_calls = families & ALL
        is_given = not module.is_script and _is_given_one(module)  # somebody hands a seed in
        module.seeded = ALL if is_given else families & ALL
        module.trained = "trains" in families


def _handed_down(
    start: Mapping[Path, frozenset[str]], imported: Mapping[Path, set[Path]]
) -> dict[Path, frozenset[str]]:
    """What each file has itself, and what those have that import it, through any number of files."""
    handed = dict(start)
    changed = True
    while changed:
        changed = False
        for path, targets in imported.items():
            for target in targets:
                if not handed[path] <= handed[target]:
                    handed[target] |= handed[path]
                    changed = True
    return handed


def _is_given_one(module: Module) -> bool:
    """Whether a file has a parameter `seed` that it reads, or reads `settings.seed`."""
    takes = any(isinstance(node, ast.arg) and node.arg == "seed" for node in module.nodes)
    return any(
        (takes and isinstance(node, ast.Name) and node.id == "seed" and isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.Attribute) and node.attr == "seed" and not _is_called(module, node))
        for node in module.nodes
    )


def _is_called(module: Module, node: ast.AST) -> bool:
    call = module.parents.get(node)
    return isinstance(call, ast.Call) and call.func is node
