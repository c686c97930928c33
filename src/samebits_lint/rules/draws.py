"""Draws from the global generators of Python, NumPy and torch, where nobody can say what drew before."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from samebits_lint import execution, names, workers
from samebits_lint.drawing import DRAWS, is_innocent
from samebits_lint.module import Module, argument, attribute, last
from samebits_lint.rules import rule
from samebits_lint.seeding import NUMPY, PYTHON, TORCH

# Their workers, order and augmentation must not depend on what else draws.
DATASETS = (
    "Dataset",
    "IterableDataset",
    "Dataset2",
    "VisionDataset",
    "ImageFolder",
    "DatasetFolder",
    "Sequence",
)
ENTRIES = ("__getitem__", "__iter__", "__next__", "__call__", "__getitems__", "forward")


@rule("SB202", "draw-in-dataset")
def draw_in_dataset(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for node, called, family, where in _draws_in_data(module):
        if family in module.seeded:
            continue
        if TORCH not in module.seeded:
            told = "which nothing here seeds"
        elif workers.has_none(module):
            told = "which nothing here seeds: torch does so in workers, and here the script itself loads"
        else:
            continue
        yield node, f"{called} in {where} draws from {family}'s global generator, {told}"


@rule("SB205", "draw-tied-to-workers", elsewhere=True)
def draw_tied_to_workers(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for node, called, family, where in _draws_in_data(module):
        yield (
            node,
            f"{called} in {where} draws from {family}'s global generator: a sample depends on the number of "
            "workers and on what drew before",
        )


def _draws_in_data(module: Module) -> Iterator[tuple[ast.Call, str, str, str]]:
    """The first draw in each function that makes samples: the call, its name, the family, the function."""
    for function, where in _data_functions(module):
        for node in names.own(function):
            if not isinstance(node, ast.Call):
                continue
            called = module.called(node)
            if DRAWS.get(called) in (PYTHON, NUMPY):
                yield node, called, DRAWS[called], where
                break


def _data_functions(module: Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    """What is called for each sample: a dataset's methods, a transform's, a collate function."""
    seen = set()
    for cls in module.classes.values():
        bases = {last(base) for base in module.bases(cls)}
        is_dataset = any(base in DATASETS or base.endswith("Dataset") for base in bases)
        is_transform = not is_dataset and _is_transform(module, cls, bases)
        if not is_dataset and not is_transform:
            continue
        methods = {node.name: node for node in cls.body if isinstance(node, ast.FunctionDef)}
        entries = ENTRIES if is_dataset else ("__call__",)
        waiting = [methods[name] for name in entries if name in methods]
        while waiting:
            method = waiting.pop(0)
            if method in seen:
                continue
            seen.add(method)
            yield method, f"{cls.name}.{method.name}"
            used = {names.spelled(node) or "" for node in ast.walk(method)}
            waiting += [methods[name] for name in methods if f"self.{name}" in used and name != "__init__"]
    given = {
        names.spelled(value) for call in module.calls if (value := argument(call, "collate_fn")) is not None
    }
    for function in module.functions.values():
        if function not in seen and (function.name in given or "collate" in function.name):
            yield function, function.name


def _is_transform(module: Module, cls: ast.ClassDef, bases: set[str]) -> bool:
    """A class that is no network, and is called with one sample."""
    roots = {dotted.partition(".")[0] for dotted in module.aliases.values()}
    if not roots & {"torch", "torchvision", "tensorflow", "keras"} or bases & {"Module", "Layer", "Model"}:
        return False
    words = (
        "Random",
        "Transform",
        "Augment",
        "Crop",
        "Flip",
        "Jitter",
        "Blur",
        "Erasing",
        "Cutout",
        "Collat",
    )
    return any(word in cls.name for word in words)


@rule("SB305", "draw-without-seed")
def draw_without_seed(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not module.is_script or module.is_test or module.only_measures:
        return
    if not module.train_something(module.reached):
        return
    drawn = defaultdict(list)
    in_data = {function for function, _ in _data_functions(module)}
    for call in module.reached:
        family = DRAWS.get(module.called(call))
        if family is None or family in module.seeded or is_innocent(module, call):
            continue
        if argument(call, "generator") is not None or in_data & set(module.around(call)):
            continue
        drawn[family].append(call)
    for family, calls in drawn.items():
        more = f" (and {len(calls) - 1} more below)" if len(calls) > 1 else ""
        called = module.called(calls[0])
        yield (
            calls[0],
            f"{called} draws from {family}'s global generator, which this script does not seed{more}",
        )
    if module.seeded and TORCH not in module.seeded and TORCH not in drawn:  # where nothing is: SB301
        draw = execution.unseeded_draw(module)
        if draw is not None and draw.at.module is module:
            yield (
                draw.at.call,
                f"{attribute(draw.at.call)}(…) draws from torch's global generator, which this script does "
                "not seed",
            )
