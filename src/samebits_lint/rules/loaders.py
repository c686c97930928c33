"""Loaders, samplers and pipelines whose order is drawn, or left to chance."""

import ast
from collections.abc import Iterator

from samebits_lint.module import Module, argument, gives, is_constant, last
from samebits_lint.rules import rule
from samebits_lint.seeding import TENSORFLOW, TORCH
from samebits_lint.workers import LOADER, WORKERS, only_evaluates

# What draws, and the position of its generator.
DRAWING = {
    "torch.utils.data.random_split": 2,
    "torch.utils.data.RandomSampler": 3,
    "torch.utils.data.WeightedRandomSampler": 3,
    "torch.utils.data.SubsetRandomSampler": 1,
}
UNSEEDED = "torch's global generator, which nothing here seeds"


@rule("SB201", "loader-without-generator")
def loader_without_generator(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if TORCH in module.seeded:
        return
    for call in module.calls:
        if what := unseeded_loader(module, call):
            draws = "draws its order" if module.called(call) == LOADER else "draws"
            yield call, f"{what} without generator {draws} from {UNSEEDED}"


def unseeded_loader(module: Module, call: ast.Call) -> str:
    """What a loader, sampler or split is named that draws from torch's global generator; else empty."""
    called = module.called(call)
    if called == LOADER:
        shuffles = is_constant(argument(call, "shuffle", 2), True) and not gives(call, "generator")
        return "DataLoader(shuffle=True)" if shuffles and not only_evaluates(module, call) else ""
    draws = called in DRAWING and not gives(call, "generator", DRAWING[called])
    return last(called) if draws else ""


@rule("SB203", "unordered-pipeline")
def unordered_pipeline(module: Module) -> Iterator[tuple[ast.AST, str]]:
    yield from _out_of_order(module)
    if not any(
        dotted.partition(".")[0] in ("tensorflow", "tensorflow_datasets")
        for dotted in module.aliases.values()
    ):
        return
    line = "lets a dataset give whichever element is ready first: another order in every run"
    for node in module.nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                written = isinstance(target, ast.Attribute) and target.attr
                if written in ("deterministic", "experimental_deterministic") and is_constant(
                    node.value, False
                ):
                    yield node, f"{written} = False {line}"
        elif isinstance(node, ast.Call):
            called = module.called(node)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if method in ("map", "interleave") and is_constant(argument(node, "deterministic"), False):
                yield node, f"deterministic=False {line}"
            elif last(called) == "parallel_interleave" and is_constant(argument(node, "sloppy"), True):
                yield node, f"sloppy=True {line}"


def _out_of_order(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """`in_order=False` of torch's DataLoader (from 2.6 on) and of torchdata's mappers, with workers."""
    for call in module.calls:
        root = module.called(call).partition(".")[0]
        has_workers = not is_constant(argument(call, "num_workers", WORKERS if root == "torch" else None), 0)
        is_parallel = root == "torchdata" or argument(call, "num_workers", WORKERS) is not None
        if (
            root in ("torch", "torchdata")
            and is_constant(argument(call, "in_order"), False)
            and has_workers
            and is_parallel
        ):
            yield call, "in_order=False gives whichever element is ready first: another order in every run"


@rule("SB204", "list-files-without-seed")
def list_files_without_seed(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if TENSORFLOW in module.seeded or not module.is_script:
        return
    for call in module.calls:
        if module.called(call) == "tensorflow.data.Dataset.list_files":
            shuffles = not is_constant(argument(call, "shuffle", 1), False)
            if shuffles and not gives(call, "seed", 2):
                yield call, "Dataset.list_files shuffles, with a seed that nothing here sets"
