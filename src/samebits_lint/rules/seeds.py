"""Seeds that are missing, come too late, or are other ones in every run."""

import ast
import re
from collections.abc import Iterator

from samebits_lint import names, seeding
from samebits_lint.module import Module, argument, attribute, gives, is_constant, last
from samebits_lint.rules import rule
from samebits_lint.rules.clocks import CLOCKS
from samebits_lint.rules.draws import DRAWS, family_of

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
MODELS = ("torchvision.models.", "timm.create_model", "segmentation_models_pytorch.")
OPTIMIZERS = "torch.optim."
BASES = {
    "torch.nn.Module",
    "lightning.LightningModule",
    "keras.Model",
    "keras.models.Model",
    "keras.Sequential",
}


@rule("SB301", "no-seed")
def no_seed(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if not module.is_script or module.is_test or module.seeded or module.mentions_seed:
        return
    roots = {dotted.partition(".")[0] for dotted in module.aliases.values()}
    if not roots & FRAMEWORKS:
        return
    for call in module.reached:
        if isinstance(call.func, ast.Attribute) and _trains(module, call, roots):
            yield call, "this script trains and sets no seed: it starts from other weights in every run"
            return


# What has a method `fit` and is no network.
FITTED = re.compile(
    r"scaler|calibrator|encoder|tokenizer|pca|transform|imputer|vectorizer|binarizer|cluster|knn|means"
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
        if module.called(call) or FITTED.search(receiver) or module.only_prepares(call):
            return False
        lightning = bool(roots & {"lightning", "pytorch_lightning"}) and "trainer" in receiver
        return lightning or bool(roots & {"keras", "tensorflow"})
    return module.called(call) == "tensorflow.GradientTape"


def _once(module: Module, call: ast.Call) -> bool:
    """Whether a script takes this step a single time: a trial of something, no training."""
    scope = module.scope(call)
    return scope is module.tree and not _in_loop(module, call, scope)


@rule("SB302", "seed-too-late")
def seed_too_late(module: Module) -> Iterator[tuple[ast.AST, str]]:
    every = [(call, seeding.seeds(module, call)) for call in module.calls]
    every = [(call, families) for call, families in every if families]
    if any(isinstance(module.scope(call), ast.Lambda) for call, _ in every):
        return
    for family in seeding.FAMILIES:
        calls = [call for call, families in every if family in families]
        if not calls:
            continue
        scope = module.scope(calls[0])
        if scope is not module.tree and _is_helper(module, scope):
            continue  # `def set_seed(seed): …`: what matters is where that is called, see below
        first = calls[0]
        if any(module.scope(call) is not scope for call in calls) or _in_loop(module, first, scope):
            continue
        made = _made_before(module, scope, first, family)
        if made is not None:
            yield first, f"sets {family}'s seed after line {made.lineno} has made what was to start from it"
            return


def _is_helper(module: Module, scope: ast.AST) -> bool:
    return isinstance(scope, ast.FunctionDef) and "seed" in scope.name.lower()


def _becomes_seed(module: Module, call: ast.Call) -> bool:
    """Whether a draw is for a seed, which SB304 reports."""
    return any(call in ast.walk(value) for _, value in _seed_values(module))


def _in_loop(module: Module, call: ast.Call, scope: ast.AST) -> bool:
    for outer in module.around(call):
        if outer is scope:
            return False
        if isinstance(outer, ast.For | ast.While):
            return True
    return False


def _made_before(module: Module, scope: ast.AST, seed: ast.Call, family: str) -> ast.Call | None:
    """The first model or draw of a family that stands before its seed, at the same depth of the same body."""
    block = next(outer for outer in [seed, *module.around(seed)] if module.parents.get(outer) is scope)
    body = getattr(scope, "body", [])
    if block not in body:
        return None
    for statement in body[: body.index(block)]:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            continue
        for node in [statement, *names.own(statement)]:
            if isinstance(node, ast.Call) and _makes(module, node, family):
                return node
    return None


def _makes(module: Module, call: ast.Call, family: str) -> bool:
    called = module.called(call)
    if called in DRAWS:
        return family_of(called) == family and not _becomes_seed(module, call)
    if family == seeding.TORCH:
        if called.startswith(MODELS) or (called.startswith("torch.nn.") and last(called)[:1].isupper()):
            return last(called) not in ("Parameter", "DataParallel") and not last(called).endswith("Loss")
        if called.startswith(OPTIMIZERS) and last(called)[:1].isupper():
            return True
    if family in (seeding.TORCH, seeding.TENSORFLOW) and isinstance(call.func, ast.Name):
        cls = module.classes.get(call.func.id)
        if cls is not None:
            kind = module.bases(cls) & BASES
            return bool(kind) and any(base.startswith("keras") for base in kind) == (
                family == seeding.TENSORFLOW
            )
    if family == seeding.TENSORFLOW:
        return called in ("keras.Sequential", "keras.models.Sequential") or called.startswith(
            "keras.applications."
        )
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
    holder = module.parents[call]
    if not isinstance(holder, ast.Assign | ast.AnnAssign):
        return False
    target = holder.targets[0] if isinstance(holder, ast.Assign) else holder.target
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
    for place, value in _seed_values(module):
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
    choices = (one for one in ast.walk(value) if isinstance(one, ast.BoolOp))
    return any(node in ast.walk(other) for choice in choices for other in choice.values[1:])


def _seeded_above(module: Module, draw: ast.AST, family: str) -> bool:
    """Whether a family is seeded before a draw, as far as the order in the text shows it."""
    assert isinstance(draw, ast.Call)
    calls = [call for call in module.calls if family in seeding.seeds(module, call)]
    scope = module.scope(draw)
    if calls and all(module.scope(call) is scope for call in calls):
        return calls[0].lineno < draw.lineno
    return family in module.seeded


def _seed_values(module: Module) -> Iterator[tuple[ast.AST, ast.expr]]:
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
