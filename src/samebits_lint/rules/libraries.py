"""Generators that belong to objects of a library, and that no seed of Python, NumPy or torch reaches."""

import ast
import re
from collections.abc import Iterator
from importlib import metadata

from samebits_lint import names, requirements
from samebits_lint.module import Module, attribute, gives, last
from samebits_lint.rules import rule
from samebits_lint.workers import LOADER

# albumentations from 1.4.19 on: https://albumentations.ai/docs, reproducibility. The older ones drew from
# Python's and NumPy's global generators.
OWN_GENERATOR = (1, 4, 19)
COMPOSED = {"albumentations.Compose", "albumentations.core.composition.Compose"}
COMPOSED |= {"albumentations.ReplayCompose", "albumentations.core.composition.ReplayCompose"}
SEEDS_COMPOSED = ("set_random_seed", "set_random_state")
# Its transforms that draw, by parts of their names; those that are left only resize, pad and normalise.
ALBUMENTS = re.compile(
    r"Random|Flip|Rotate|Jitter|Noise|Blur|Dropout|Cutout|Affine|Elastic|Distortion|OneOf|SomeOf|Transpose"
    r"|Perspective|Mixup|Mosaic|Shadow|Shift|Gamma|Fog|Rain|Snow|Posterize|Solarize|D4|Sharpen|Emboss|CLAHE"
)
# MONAI's transforms have a RandomState each; monai.data's loaders seed them, those of torch do not.
MONAI = re.compile(r"monai\.transforms\..*\bRand[A-Z]\w*$|monai\.transforms\.Rand[A-Z]\w*$")
SEEDS_MONAI = ("set_determinism", "set_random_state", "set_rnd", "worker_init_fn")
MONAI_LOADERS = ("monai.data.DataLoader", "monai.data.ThreadDataLoader", "monai.data.dataloader.DataLoader")
# Environments of Gymnasium start from a generator of their own at the first `reset`.
ENVIRONMENTS = (
    "gymnasium.make",
    "gym.make",
    "gymnasium.make_vec",
    "gymnasium.vector.make",
    "gym.vector.make",
)
ONLY_LOOKS = re.compile(r"render|eval|test|play|record|demo|watch", re.I)


@rule("SB308", "library-generator")
def library_generator(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if module.is_test or not module.trained:
        return
    yield from _of_albumentations(module)
    yield from _of_monai(module)
    yield from _of_gymnasium(module)


def _of_albumentations(module: Module) -> Iterator[tuple[ast.AST, str]]:
    composed = [call for call in module.calls if module.called(call) in COMPOSED and not gives(call, "seed")]
    if not composed:
        return
    for other in module.program.related(module):
        if any(attribute(call) in SEEDS_COMPOSED and not other.called(call) for call in other.calls):
            return
    version = requirements.allowed(module.path, "albumentations") or _installed("albumentations")
    if version is None or version < OWN_GENERATOR:
        return
    for call in composed:
        if any(module.called(outer) in COMPOSED for outer in module.around(call)):
            continue  # the outer one hands its generator down
        drawing = [
            last(called)
            for node in ast.walk(call)
            if (called := module.called(node)).startswith("albumentations.")
            and ALBUMENTS.search(last(called))
        ]
        if drawing:
            yield (
                call,
                f"{last(module.called(call))} without seed: {drawing[0]} draws from a generator of its own, "
                "which starts from fresh entropy (albumentations 1.4.19 and later)",
            )


def _installed(package: str) -> tuple[int, ...] | None:
    """The version in this environment, where no list says which one a project wants."""
    try:
        numbers = re.findall(r"\d+", metadata.version(package))[:3]
    except metadata.PackageNotFoundError:
        return None
    return tuple(int(number) for number in numbers)


def _of_monai(module: Module) -> Iterator[tuple[ast.AST, str]]:
    drawing = [call for call in module.calls if MONAI.match(module.called(call))]
    if not drawing:
        return
    related = [(other, call) for other in module.program.related(module) for call in other.calls]
    loaders = {other.called(call) for other, call in related}
    is_seeded = any(attribute(call) in SEEDS_MONAI for _, call in related)
    # Where no loader of torch is in these files, who loads is not known.
    if not is_seeded and LOADER in loaders and not loaders & set(MONAI_LOADERS):
        yield (
            drawing[0],
            f"{attribute(drawing[0])} draws from a generator of its own, which starts from fresh entropy: "
            "monai.utils.set_determinism(seed=…) first",
        )


def _of_gymnasium(module: Module) -> Iterator[tuple[ast.AST, str]]:
    related = module.program.related(module)
    roots = {dotted.partition(".")[0] for other in related for dotted in other.aliases.values()}
    if not roots & {"gymnasium", "gym"}:
        return
    # Stable Baselines seeds its environments and their spaces itself, where it is given a seed.
    if "stable_baselines3" in roots:
        return
    yield from _of_spaces(module)
    made = [
        call
        for call in module.calls
        if module.called(call) in ENVIRONMENTS and not ONLY_LOOKS.search(_context(module, call))
    ]
    if not made:
        return
    resets = [
        call
        for other in related
        for call in other.calls
        if attribute(call) in ("reset", "seed") and not other.called(call)
    ]
    is_seeded = any(call.args or call.keywords or attribute(call) == "seed" for call in resets)
    if resets and not is_seeded:
        yield (
            made[0],
            "the environment starts from fresh entropy in every run: env.reset(seed=…) the first time",
        )


def _of_spaces(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """The first action that a training draws from a space which nothing seeds; `env.reset` does not."""
    for other in module.program.related(module):
        if any(attribute(call) == "seed" and _of_space(other, call) for call in other.calls):
            return
    drawn = [call for call in module.calls if attribute(call) == "sample" and _of_space(module, call)]
    drawn = [call for call in drawn if not ONLY_LOOKS.search(_context(module, call))]
    if drawn:
        yield (
            drawn[0],
            "the space draws from a generator of its own, which env.reset(seed=…) does not seed: "
            "env.action_space.seed(…)",
        )


def _of_space(module: Module, call: ast.Call) -> bool:
    """Whether a call is a method of an environment's `action_space`, or of a variable that holds it."""
    if not isinstance(call.func, ast.Attribute):
        return False
    held = call.func.value
    values: list[ast.expr] = [held]
    if isinstance(held, ast.Name):
        scope = next((s for s in module.scopes(held) if held.id in module.stored_in(s)), None)
        values += module.assigned(scope).get(held.id, []) if scope is not None else []
    return any(last(names.spelled(value) or "") == "action_space" for value in values)


def _context(module: Module, call: ast.Call) -> str:
    """The name of the function around a call, in small letters."""
    scope = module.scope(call)
    return scope.name.lower() if isinstance(scope, ast.FunctionDef) else ""
