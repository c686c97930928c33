"""What draws from a global generator: a function of random numbers, a layer, a network, an initialiser."""

import ast
import re

from samebits_lint import names
from samebits_lint.module import Module, argument, attribute, gives, is_constant, last
from samebits_lint.seeding import NUMPY, PYTHON, TENSORFLOW, TORCH
from samebits_lint.splitting import draws_at_once

_PYTHON = (
    "random randint randrange choice choices sample shuffle uniform gauss normalvariate triangular "
    "betavariate expovariate gammavariate lognormvariate getrandbits randbytes"
)
_NUMPY = (
    "rand randn randint random random_sample ranf sample choice shuffle permutation uniform normal "
    "standard_normal beta binomial multinomial multivariate_normal poisson exponential gamma dirichlet "
    "laplace lognormal geometric triangular vonmises random_integers"
)
_TORCH = "rand randn randint randperm normal bernoulli multinomial rand_like randn_like"
DRAWS = {
    **{f"random.{name}": PYTHON for name in _PYTHON.split()},
    **{f"numpy.random.{name}": NUMPY for name in _NUMPY.split()},
    **{f"torch.{name}": TORCH for name in _TORCH.split()},
}
# A draw for one of these decides no bit of a training.
INNOCENT = (
    "port",
    "sleep",
    "delay",
    "wait",
    "jitter",
    "timeout",
    "backoff",
    "name",
    "suffix",
    "id",
    "addr",
    "uuid",
)

# Layers of torch that start from drawn weights; the others start from ones, zeros or nothing.
LAYERS = re.compile(
    r"(Lazy)?(Linear|Bilinear|Conv(Transpose)?[123]d|Embedding(Bag)?|RNN|LSTM|GRU|\w+Cell|MultiheadAttention)$"
    r"|Transformer\w*$"
)
INITIALISERS = re.compile(r"(xavier|kaiming|trunc)?_?(normal|uniform)_$|(orthogonal|sparse)_$")
PRETRAINED = ("weights", "pretrained")  # with one of these, a model is read and not drawn
ADAPTERS = ("peft.get_peft_model",)


def family_of(dotted: str) -> str:
    return DRAWS[dotted]


def draws_from(module: Module, call: ast.Call) -> str | None:
    """The family of the global generator that a library's function draws from; None where it draws nothing.

    A network of the linted files draws what the layers in it draw, and an optimiser nothing.
    """
    called = module.called(call)
    if called in DRAWS:
        drawn = argument(call, "generator") is None and not is_innocent(module, call)
        return DRAWS[called] if drawn else None
    if called.startswith("torch.nn.init."):
        drawn = INITIALISERS.match(last(called)) is not None and not gives(call, "generator")
        return TORCH if drawn else None
    if called.startswith("torch.nn."):
        is_meta = is_constant(argument(call, "device"), "meta")
        return TORCH if LAYERS.match(last(called)) and not is_meta else None
    if called.startswith("torchvision.models.") or called == "timm.create_model":
        read = [argument(call, name) for name in PRETRAINED]
        is_read = any(value is not None and not is_constant(value, None, False) for value in read)
        return TORCH if not is_read and attribute(call)[:1].islower() else None
    if called in ADAPTERS:
        return TORCH
    if draws_at_once(module, call):
        return None if is_innocent(module, call) else NUMPY
    if called in ("keras.Sequential", "keras.models.Sequential"):
        return TENSORFLOW
    if called.startswith("keras.applications.") and attribute(call)[:1].isupper():
        return TENSORFLOW if is_constant(argument(call, "weights"), None) else None
    return None


# Functions that show something, or write a text with a network that is trained already.
SHOWS = re.compile(
    r"show|plot|display|visuali[sz]|preview|(generate|sample|write)_(text|sentence|words?)$", re.I
)
COUNTS = re.compile(r"profile|summary|export|trace|flop|macs|complexity|add_graph", re.I)
PICTURES = {"imshow", "add_subplot", "subplot", "subplots", "imread"}
ASKED = re.compile(r"debug|verbose", re.I)


def is_innocent(module: Module, call: ast.Call) -> bool:
    """A draw for a port, a pause or a name, for a picture or a message; or for a seed, which is SB304's."""
    if _is_shown(module, call) or _is_only_measured(module, call):
        return True
    written = []
    for outer in module.around(call):
        if isinstance(outer, ast.Assign):
            written += [names.spelled(target) or "" for target in outer.targets]
        elif isinstance(outer, ast.Call):
            written.append(names.spelled(outer.func) or "")
            written += [keyword.arg or "" for keyword in outer.keywords if call in ast.walk(keyword.value)]
        elif isinstance(outer, ast.FunctionDef):
            written.append(outer.name)
            break
        elif isinstance(outer, ast.stmt):
            break
    parts = {part for name in written for part in name.lower().replace(".", "_").split("_")}
    return bool(
        parts & {*INNOCENT, "print", "seed", "manualseed", "onnx", "export", "trace", "summary", "dummy"}
    )


def _is_only_measured(module: Module, call: ast.Call) -> bool:
    """`x = torch.randn(1, 3, 8, 8)` that is given to what counts operations, or writes a graph."""
    holder = next((outer for outer in module.around(call) if isinstance(outer, ast.stmt)), None)
    if not isinstance(holder, ast.Assign) or not isinstance(holder.targets[0], ast.Name):
        return False
    name, scope = holder.targets[0].id, module.scope(call)
    uses = [
        node
        for node in names.own(scope)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]
    return bool(uses) and all(_is_given_to(module, use, COUNTS) for use in uses)


def _is_given_to(module: Module, node: ast.AST, functions: re.Pattern[str]) -> bool:
    for outer in module.around(node):
        if isinstance(outer, ast.Call):
            return functions.search(attribute(outer)) is not None
        if not isinstance(outer, ast.Tuple | ast.List | ast.keyword):
            return False
    return False


def _is_shown(module: Module, call: ast.Call) -> bool:
    """A draw that chooses what is shown, or is made only where somebody asked for messages."""
    for outer in module.around(call):
        is_and = isinstance(outer, ast.BoolOp) and isinstance(outer.op, ast.And)
        if is_and and ASKED.search(ast.dump(outer.values[0])):  # type: ignore[attr-defined]
            return True
        if isinstance(outer, ast.FunctionDef):
            return SHOWS.search(outer.name) is not None
        if isinstance(outer, ast.For | ast.With):
            called = {attribute(node) for node in ast.walk(outer) if isinstance(node, ast.Call)}
            if called & PICTURES and not called & {"backward", "fit"}:
                return True
    return False
