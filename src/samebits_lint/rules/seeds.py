"""Seeds that are missing, or are other ones in every run. Those that come too late are in late.py."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names, options, seeding
from samebits_lint.drawing import DRAWS, family_of
from samebits_lint.module import APPLIES, Module, argument, attribute, gives, is_constant, last
from samebits_lint.rules import rule
from samebits_lint.rules.clocks import CLOCKS

FRAMEWORKS = {"torch", "keras", "tensorflow", "lightning", "pytorch_lightning"}

# Fresh entropy when they are given no seed.
GENERATORS = {
    "numpy.random.default_rng": "seed",
    "numpy.random.RandomState": "seed",
    "numpy.random.SeedSequence": "entropy",
    "numpy.random.PCG64": "seed",
    "numpy.random.MT19937": "seed",
    "numpy.random.Philox": "seed",
    "numpy.random.SFC64": "seed",
    "numpy.random.seed": "seed",
    "random.Random": "x",
    "random.seed": "a",
}
# Fresh entropy whatever they are given.
ENTROPY = {
    "torch.seed",
    "torch.cuda.seed",
    "torch.cuda.seed_all",
    "tensorflow.random.Generator.from_non_deterministic_state",
}
# What a caller hands in, where it wants a draw to repeat.
GIVEN = re.compile(r"rng|generator|random|seed", re.I)


@rule("SB301", "no-seed")
def no_seed(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not module.is_script or module.is_test or module.only_measures:
        return
    if module.seeded or module.mentions_seed:
        return
    roots = {dotted.partition(".")[0] for dotted in module.aliases.values()}
    if not roots & FRAMEWORKS:
        return
    for call in module.reached:
        is_method = isinstance(call.func, ast.Attribute)
        if is_method and _trains(module, call, roots) and not options.is_off(module, call):
            yield call, "this script trains and sets no seed: it starts from other weights in every run"
            return


# What has a method `fit` and is no network.
FITTED = re.compile(
    r"scaler|normali[sz]er|calibrator|encoder|tokenizer|pca|transform|imputer|vectorizer|binarizer|cluster|knn|means"
)


def _trains(module: Module, call: ast.Call, roots: set[str]) -> bool:
    method = attribute(call)
    if method == "backward":
        steps = any(
            attribute(other) == "step" and not module.only_prepares(other) for other in module.reached
        )
        return steps and not module.called(call) and "torch" in roots and not _once(module, call)
    if method in ("fit", "fit_generator", "train_on_batch"):
        assert isinstance(call.func, ast.Attribute)
        receiver = last(names.spelled(call.func.value) or "").lower()
        made = module.made.get(names.spelled(call.func.value) or "", "")
        prepares = FITTED.search(receiver) or FITTED.search(last(made).lower())
        if module.called(call) or prepares or module.only_prepares(call):
            return False
        lightning = bool(roots & {"lightning", "pytorch_lightning"}) and "trainer" in receiver
        return lightning or bool(roots & {"keras", "tensorflow"})
    applies = any(attribute(other) in APPLIES for other in module.reached)
    return applies and module.called(call) == "tensorflow.GradientTape"


def _once(module: Module, call: ast.Call) -> bool:
    """Whether a script takes this step a single time: a trial of something, no training."""
    scope = module.scope(call)
    return scope is module.tree and not in_loop(module, call, scope)


def in_loop(module: Module, call: ast.Call, scope: ast.AST) -> bool:
    for outer in module.around(call):
        if outer is scope:
            return False
        if isinstance(outer, ast.For | ast.While):
            return True
    return False


@rule("SB303", "unseeded-generator")
def unseeded_generator(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for call in module.calls:
        called = module.called(call)
        if any(isinstance(outer, ast.Dict) for outer in module.around(call)):
            continue  # an identifier in what is sent or stored
        if _is_fallback(module, call):
            continue  # a caller may hand one in
        if called in ENTROPY:
            yield call, f"{called} takes fresh entropy from the system in every run"
        elif (
            called in GENERATORS
            and not gives(call, GENERATORS[called], 0)
            and not _is_set_later(module, call)
        ):
            yield call, f"{called}() without a seed takes fresh entropy from the system in every run"
        elif not called and _seeds_itself(module, call):
            yield call, "Generator.seed() takes fresh entropy from the system; manual_seed(…) takes yours"


def _is_fallback(module: Module, call: ast.Call) -> bool:
    """`rng or default_rng()`, or below `if rng is None` or `if seed`."""
    return isinstance(module.parents[call], ast.BoolOp) or module.is_chosen(call, GIVEN)


def _is_set_later(module: Module, call: ast.Call) -> bool:
    """`rng = random.Random()`, and then `rng.seed(…)` or a state that was kept."""
    target = names.target(module.parents[call])
    if target is None:
        return False
    written = names.spelled(target)
    return any(
        isinstance(node, ast.Attribute)
        and (node.attr in ("seed", "setstate", "set_state") or isinstance(node.ctx, ast.Store))
        and names.spelled(node.value) in (written, f"{written}.bit_generator")
        for node in module.nodes
    )


def _seeds_itself(module: Module, call: ast.Call) -> bool:
    """`g.seed()` where `g = torch.Generator()`, or `torch.Generator().seed()`."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "seed" or call.args or call.keywords:
        return False
    made = call.func.value
    if isinstance(made, ast.Name):
        values = [
            node.value
            for node in module.nodes
            if isinstance(node, ast.Assign) and names.spelled(node.targets[0]) == made.id
        ]
        return any(module.called(value) == "torch.Generator" for value in values)
    return module.called(made) == "torch.Generator"


@rule("SB304", "seed-from-clock")
def seed_from_clock(module: Module) -> Iterator[tuple[ast.AST, str]]:
    reported: set[ast.AST] = set()
    for place, value in seed_values(module):
        if module.is_chosen(place, GIVEN):
            continue  # below `if seed is None`: whoever wants it to repeat gives one
        for node in ast.walk(value):
            called = module.called(node)
            if node in reported or not called or _is_alternative(value, node):
                continue
            drawn = (
                called in DRAWS and module.is_script and not _seeded_above(module, node, family_of(called))
            )
            if called in CLOCKS or drawn:
                reported.add(node)
                what = "is drawn by" if drawn else "comes from"
                yield place, f"the seed {what} {called}: another one in every run"


def _is_alternative(value: ast.expr, node: ast.AST) -> bool:
    """`seed or randint(…)`: as below `if seed is None`."""
    choices = (part for part in ast.walk(value) if isinstance(part, ast.BoolOp))
    return any(node in ast.walk(other) for choice in choices for other in choice.values[1:])


def _seeded_above(module: Module, draw: ast.AST, family: str) -> bool:
    """Whether a family is seeded before a draw, as far as the order in the text shows it."""
    assert isinstance(draw, ast.Call)
    calls = [call for call in module.calls if family in seeding.seeds(module, call)]
    scope = module.scope(draw)
    if calls and all(module.scope(call) is scope for call in calls):
        return calls[0].lineno < draw.lineno
    return family in module.seeded


def seed_values(module: Module) -> Iterator[tuple[ast.AST, ast.expr]]:
    """What is given as a seed, or assigned to something that is called one."""
    for node in module.nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            is_seed = any(_is_seed(last(names.spelled(target) or "")) for target in targets)
            if is_seed and not isinstance(node.value, ast.Lambda | ast.Dict):
                yield node, node.value
        elif isinstance(node, ast.Call):
            if (seeding.seeds(module, node) and "rainer" not in attribute(node)) or attribute(node) in (
                "manual_seed",
                "default_rng",
                "RandomState",
            ):
                yield from ((node, value) for value in node.args[:1])
            for keyword in node.keywords:
                if keyword.arg and _is_seed(keyword.arg):
                    yield node, keyword.value
            if attribute(node) == "add_argument" and node.args and is_constant(node.args[0], "--seed"):
                default = argument(node, "default")
                if default is not None:
                    yield node, default


def _is_seed(name: str) -> bool:
    return name.lower() in (
        "seed",
        "random_state",
        "manual_seed",
        "manualseed",
        "rng_seed",
        "random_seed",
        "randseed",
    )
