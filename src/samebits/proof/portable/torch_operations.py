"""A table of torch's operations on the CPU, each a function that computes tensors from exact inputs."""

# mypy: disable-error-code="misc"
# (lambdas that bind what a loop names, whose types mypy cannot infer)

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from samebits.proof.portable import inputs

Operation = Callable[[], Any]
FLOATS = {"f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16, "f16": torch.float16}
SIZE = inputs.SIZE

# Element by element, and on which numbers: all, above 0, from -1 to 1, from 1 on.
ELEMENTWISE = {
    "all": """
        exp exp2 expm1 sin cos tan tanh sinh cosh sigmoid erf erfc atan asinh abs neg sign floor
        ceil round trunc frac square reciprocal deg2rad rad2deg sinc nan_to_num positive special.i0
        special.i0e special.i1 special.i1e special.ndtr special.log_ndtr special.expit special.erfcx
        special.bessel_j0 special.bessel_j1 special.entr special.airy_ai special.spherical_bessel_j0
        nn.functional.gelu nn.functional.silu nn.functional.softplus nn.functional.mish
        nn.functional.elu nn.functional.selu nn.functional.celu nn.functional.relu
        nn.functional.relu6 nn.functional.hardswish nn.functional.hardsigmoid
        nn.functional.logsigmoid nn.functional.softsign nn.functional.leaky_relu
        nn.functional.tanhshrink nn.functional.hardtanh
    """,
    "positive": """
        log log2 log10 log1p sqrt rsqrt lgamma digamma special.bessel_y0 special.bessel_y1
        special.modified_bessel_k0 special.scaled_modified_bessel_k0 polygamma2 zeta2
    """,
    "unit": "asin acos atanh erfinv logit special.ndtri",
    "from one": "acosh",
}
FEW_TYPES = (  # these, and all beside float32 and float64, have no kernel for short types
    *("special.airy", "special.bessel", "special.spherical", "special.modified", "special.scaled"),
    *("special.log_ndtr", "special.erfcx", "special.ndtri", "zeta2"),
)


def operations() -> Iterable[tuple[str, Operation]]:
    """(name, function) of every operation, in a fixed order."""
    yield from _elementwise()
    yield from _binary()
    yield from _reductions()
    yield from _products()
    yield from _large_products()
    yield from _layers()
    yield from _recurrent()
    yield from _linear_algebra()
    yield from _random()
    yield from _losses()
    yield from _optimisers()


def tensor(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.from_numpy(np.array(values)).to(dtype)


def make(*shape: int, salt: int = 0, scale: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return tensor(inputs.numbers(*shape, salt=salt, scale=scale), dtype)


# ---------------------------------------------------------------- element by element


def _find(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    if name == "polygamma2":
        return lambda x: torch.polygamma(2, x)
    if name == "zeta2":
        return lambda x: torch.special.zeta(x + 1, 2.0)
    operation: Any = torch
    for part in name.split("."):
        operation = getattr(operation, part)
    return operation


def _domain(kind: str, dtype: torch.dtype) -> list[torch.Tensor]:
    """A long contiguous tensor, a strided one, a short one, and the special values."""
    long = tensor(inputs.domain(kind), dtype)
    return [long, long[::3], long[:7], long[: 60 * 68].view(60, 68).t(), tensor(inputs.special(), dtype)]


def _elementwise() -> Iterable[tuple[str, Operation]]:
    for kind, names in ELEMENTWISE.items():
        for name in names.split():
            for short, dtype in FLOATS.items():
                if dtype.itemsize == 2 and name.startswith(FEW_TYPES):
                    continue

                def compute(name: str = name, kind: str = kind, dtype: torch.dtype = dtype) -> Any:
                    function, domain = _find(name), _domain(kind, dtype)
                    return [*map(function, domain), *_gradients(function, domain)]

                yield f"torch.{name} {short}", compute
    for name in ("sqrt", "exp", "log", "sin", "tan", "atan", "asin", "log2", "log10", "acos", "rsqrt"):

        def compute_otherwise(name: str = name) -> Any:
            return [*_otherwise(name, torch.float32), *_otherwise(name, torch.float64)]

        yield f"torch.{name} in place, out=, foreach, complex", compute_otherwise


def _gradients(function: Callable[[torch.Tensor], torch.Tensor], domain: list[torch.Tensor]) -> list[Any]:
    given = domain[0].clone().requires_grad_()
    result = function(given)
    if not result.requires_grad:
        return []
    with contextlib.suppress(RuntimeError):  # a few have no derivative
        return [torch.autograd.grad(result.sum(), given)]
    return []


def _otherwise(name: str, dtype: torch.dtype) -> Any:
    domain = _domain("unit" if name in ("asin", "acos") else "positive", dtype)
    out = torch.empty(SIZE, dtype=dtype)
    getattr(torch, name)(domain[0][:SIZE], out=out)
    placed = [getattr(x.clone(), f"{name}_")() for x in domain]
    each = getattr(torch, f"_foreach_{name}")(domain) if hasattr(torch, f"_foreach_{name}") else []
    whole = getattr(torch, name)(torch.arange(1, 98))
    pairs = torch.complex(make(SIZE, salt=8, dtype=dtype), make(SIZE, salt=9, dtype=dtype))
    return [out, *placed, *each, whole, getattr(torch, name)(pairs)]


def _binary() -> Iterable[tuple[str, Operation]]:
    exponents = (0.5, -0.5, -1.0, 2.0, 3.0, -2.0, 0.25, 1.5, 2.7)
    for short, dtype in FLOATS.items():
        x = tensor(
            np.concatenate([inputs.positive(SIZE, salt=10, scale=3), inputs.wide(SIZE, exponent=30)]), dtype
        )
        y = make(2 * SIZE, salt=12, scale=2, dtype=dtype)
        z = make(2 * SIZE, salt=13, dtype=dtype)
        yield f"torch.pow scalar {short}", lambda x=x: [torch.pow(x, e) for e in exponents]
        yield f"torch.pow tensor {short}", lambda x=x, y=y: [torch.pow(x, y), torch.pow(2.5, y)]
        yield (
            f"torch.pow_ {short}",
            lambda x=x, y=y: [x.clone().pow_(e) for e in exponents] + [x.clone().pow_(y)],
        )
        for name in (
            "atan2",
            "fmod",
            "remainder",
            "hypot",
            "div",
            "mul",
            "sub",
            "copysign",
            "nextafter",
            "logaddexp",
        ):
            if dtype.itemsize == 2 and name in ("nextafter",):
                continue
            yield (
                f"torch.{name} {short}",
                lambda name=name, x=x, y=y: [
                    getattr(torch, name)(y, x),
                    getattr(torch, name)(y[::3], x[::3]),
                ],
            )
        yield (
            f"torch.lerp, addcmul, addcdiv {short}",
            lambda x=x, y=y, z=z: [
                torch.lerp(x, y, 0.3),
                torch.addcmul(x, y, z, value=0.7),
                torch.addcdiv(x, y, x, value=0.7),
            ],
        )
        yield f"torch.xlogy {short}", lambda x=x, y=y: torch.xlogy(y, x)
    yield "torch.float_power", lambda: torch.float_power(make(SIZE, salt=14).abs(), 0.5)
    yield (
        "torch.special.gammainc",
        lambda: torch.special.gammainc(make(SIZE, salt=15).abs(), make(SIZE).abs()),
    )
    yield (
        "torch.complex functions",
        lambda: [
            function(torch.complex(make(SIZE, salt=16), make(SIZE, salt=17)))
            for function in (torch.abs, torch.angle, torch.exp, torch.tanh, torch.reciprocal, torch.log1p)
        ],
    )
    yield "torch.polar", lambda: torch.polar(make(SIZE, salt=16).abs(), make(SIZE, salt=17, scale=2))


# ---------------------------------------------------------------- reductions


def _reductions() -> Iterable[tuple[str, Operation]]:
    functions: dict[str, Callable[[torch.Tensor], Any]] = {
        "sum": lambda x: [x.sum(), x.sum(0), x.sum(1)],
        "mean": lambda x: [x.mean(), x.mean(0), x.mean(1)],
        "var": lambda x: [x.var(), x.var(0), x.var(1)],
        "std": lambda x: [x.std(), x.std(0), x.std(1)],
        "norm": lambda x: [x.norm(), x.norm(dim=0), torch.linalg.vector_norm(x, 3, dim=1), x.norm(p=1)],
        "prod": lambda x: [(1 + x / 64).prod(), (1 + x / 64).prod(1)],
        "cumsum": lambda x: [x.cumsum(0), x.cumsum(1)],
        "cumprod": lambda x: (1 + x / 64).cumprod(1),
        "logsumexp": lambda x: [x.logsumexp(0), x.logsumexp(1)],
        "logcumsumexp": lambda x: x.logcumsumexp(1),
        "softmax": lambda x: [x.softmax(0), x.softmax(1)],
        "log_softmax": lambda x: [x.log_softmax(0), x.log_softmax(1)],
        "nansum, quantile": lambda x: [x.nansum(1), x.float().quantile(0.3, dim=1)],
        "sort, topk, median": lambda x: [*x.sort(1), *x.topk(5), *x.median(1)],
        "cdist": lambda x: torch.cdist(x[:9].float(), x[9:20].float()),
        "renorm, normalize": lambda x: [x.renorm(2, 0, 1.0), F.normalize(x)],
    }
    for short, dtype in FLOATS.items():
        for name, function in functions.items():

            def compute(
                function: Callable[[torch.Tensor], Any] = function, dtype: torch.dtype = dtype
            ) -> list[Any]:
                x = make(61, 1031, salt=20, scale=1, dtype=dtype)
                return [function(x), function(x.t()), function(x[::2, ::3])]

            yield f"torch.{name} {short}", compute


# ---------------------------------------------------------------- products


def _products() -> Iterable[tuple[str, Operation]]:
    for short, dtype in FLOATS.items():
        a, b = make(67, 129, salt=30, dtype=dtype), make(129, 53, salt=31, dtype=dtype)
        yield (
            f"torch.matmul {short}",
            lambda a=a, b=b: [a @ b, a @ a.t(), a @ b[:, 0], a[0] @ b[:, 1], (b.t() @ a.t())],
        )
        large = make(130, 611, salt=32, dtype=dtype)
        yield f"torch.matmul large {short}", lambda large=large: large @ large.t()
        yield f"torch.bmm {short}", lambda a=a: torch.bmm(a.view(1, 67, 129).expand(5, 67, 129), make_like(a))
        yield (
            f"torch.addmm, baddbmm {short}",
            lambda a=a, b=b: [
                torch.addmm(b[:67, :53], a, b, beta=0.5, alpha=0.3),
                torch.addmv(a[:, 0], a, b[:, 0]),
                torch.addr(a, a[:, 0], a[0]),
            ],
        )
        yield (
            f"torch.einsum {short}",
            lambda a=a, b=b: [torch.einsum("ij,jk->ki", a, b), torch.einsum("ij,ij->i", a, a)],
        )
        yield f"linear, bilinear {short}", lambda a=a, b=b: [F.linear(a, b.t(), b[0]), F.linear(a[:1], b.t())]
        yield (
            f"outer, kron, tensordot {short}",
            lambda a=a: [torch.outer(a[0], a[1]), torch.kron(a[:3, :5], a[:2, :7])],
        )


def _large_products() -> Iterable[tuple[str, Operation]]:
    """Those that are routed in the profile portable, in all forms of a call, and shared by threads."""
    sizes = ((64, 64, 64), (67, 129, 53), (8, 512, 97), (301, 111, 9), (129, 16, 255), (97, 1031, 61))
    for short, dtype in (("f32", torch.float32), ("f64", torch.float64)):

        def m(*shape: int, salt: int = 35, dtype: torch.dtype = dtype) -> torch.Tensor:
            return make(*shape, salt=salt, dtype=dtype)

        for rows, inner, columns in sizes:
            a, b, c = m(rows, inner), m(inner, columns, salt=36), m(rows, columns, salt=37)
            yield (
                f"products {rows} {inner} {columns} {short}",
                lambda a=a, b=b, c=c: [
                    a @ b,
                    a.t().contiguous().t() @ b,
                    a @ b.t().contiguous().t(),
                    a.t().contiguous().t() @ b.t().contiguous().t(),
                    torch.mm(a, b, out=torch.empty(0, dtype=a.dtype)),
                    torch.addmm(b[0], a, b),
                    torch.addmm(c, a, b, beta=0.5, alpha=0.3),
                    torch.addmm(c, a, b, beta=0, alpha=-2, out=torch.empty(0, dtype=a.dtype)),
                    c.clone().addmm_(a, b, beta=-1),
                    *_both(F.linear, a, b.t().contiguous(), b[0]),
                ],
            )
        wide = m(140, 1222)
        yield (
            f"products strided, expanded {short}",
            lambda w=wide: [w[::2, ::2] @ w[1::2, ::2].t(), w[:1].expand(99, 1222) @ w.t(), w @ w.t()],
        )
        batch, other = m(5, 67, 129), m(5, 129, 33, salt=38)
        yield (
            f"products batched {short}",
            lambda a=batch, b=other: [
                torch.bmm(a, b, out=torch.empty(0, dtype=a.dtype)),
                torch.bmm(a.mT.contiguous().mT, b.mT.contiguous().mT),
                torch.bmm(a[:1].expand(5, 67, 129), b),
                torch.baddbmm(b[:, :67], a, b, beta=0.5, alpha=0.3),
                a[:, :33, :33].clone().baddbmm_(a[:, :33], b),
                torch.addbmm(b[0, :67], a, b, beta=0.5, alpha=0.3),
                torch.einsum("bij,bjk->bki", a, b),
            ],
        )
        yield f"products, 3 threads {short}", lambda m=m: _threaded(3, m)
        yield (
            f"attention of products {short}",
            lambda m=m: [
                *_both(F.scaled_dot_product_attention, *(m(8, 4, 67, 32, salt=salt) for salt in (1, 2, 3))),
                F.scaled_dot_product_attention(*(m(8, 4, 67, 32),) * 3, is_causal=True),
            ],
        )


def _threaded(threads: int, m: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
    """Products that are large enough to be shared, with as many threads: by rows, columns and batch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [
            m(211, 203) @ m(203, 199),
            m(199, 203) @ m(203, 211),
            m(8, 70, 131) @ m(8, 131, 127),
            m(2, 170, 163) @ m(2, 163, 157),
        ]
    finally:
        torch.set_num_threads(before)


def make_like(a: torch.Tensor) -> torch.Tensor:
    return make(5, a.shape[1], 33, salt=34, dtype=a.dtype)


# ---------------------------------------------------------------- layers, forwards and backwards


def _both(function: Callable[..., torch.Tensor], *given: torch.Tensor) -> list[torch.Tensor]:
    """The result, and the gradient of a weighted sum of it with respect to each given tensor."""
    given = tuple(tensor.clone().requires_grad_() for tensor in given)
    result = function(*given)
    weight = make(*result.shape, salt=40, dtype=result.dtype)
    return [result, *torch.autograd.grad((result * weight).sum(), given)]


def _layers() -> Iterable[tuple[str, Operation]]:
    for short, dtype in (("f32", torch.float32), ("f64", torch.float64), ("bf16", torch.bfloat16)):

        def m(*shape: int, salt: int = 41, dtype: torch.dtype = dtype) -> torch.Tensor:
            return make(*shape, salt=salt, dtype=dtype)

        yield (
            f"conv1d {short}",
            lambda m=m: _both(lambda x, w: F.conv1d(x, w, padding=1), m(3, 5, 31), m(7, 5, 3)),
        )
        yield (
            f"conv2d {short}",
            lambda m=m: [
                *_both(lambda x, w: F.conv2d(x, w, padding=1), m(5, 3, 11, 13), m(16, 3, 3, 3)),
                *_both(lambda x, w: F.conv2d(x, w, stride=2), m(3, 16, 12, 12), m(32, 16, 3, 3)),
                *_both(lambda x, w: F.conv2d(x, w), m(2, 64, 8, 8), m(128, 64, 1, 1)),
                *_both(lambda x, w: F.conv2d(x, w, padding=2), m(2, 48, 9, 9), m(40, 48, 5, 5)),
                *_both(lambda x, w: F.conv2d(x, w, groups=4), m(4, 32, 8, 8), m(32, 8, 3, 3)),
                *_both(lambda x, w: F.conv2d(x, w, groups=24), m(4, 24, 9, 9), m(24, 1, 3, 3)),
                *_both(lambda x, w: F.conv2d(x, w, dilation=2), m(4, 8, 12, 12), m(9, 8, 3, 3)),
            ],
        )
        yield (
            f"conv2d channels last {short}",
            lambda m=m: _both(
                lambda x, w: F.conv2d(x.to(memory_format=torch.channels_last), w, padding=1),
                m(4, 16, 9, 9),
                m(24, 16, 3, 3),
            ),
        )
        yield (
            f"conv2d wide {short}",
            lambda m=m: _both(lambda x, w: F.conv2d(x, w, padding=1), m(1, 192, 7, 7), m(160, 192, 3, 3)),
        )
        yield (
            f"conv3d {short}",
            lambda m=m: _both(lambda x, w: F.conv3d(x, w), m(2, 3, 7, 8, 9), m(5, 3, 3, 3, 3)),
        )
        yield (
            f"conv_transpose2d {short}",
            lambda m=m: _both(lambda x, w: F.conv_transpose2d(x, w, stride=2), m(3, 8, 7, 7), m(8, 6, 3, 3)),
        )
        yield (
            f"batch_norm {short}",
            lambda m=m: [
                *_both(lambda x, w: F.batch_norm(x, None, None, w, training=True), m(9, 7, 5, 6), m(7)),
                *_both(lambda x, w: F.batch_norm(x, m(7), m(7) * m(7) + 1, w), m(9, 7, 5, 6), m(7)),
                *_both(lambda x, w: F.batch_norm(x, None, None, w, training=True), m(33, 130), m(130)),
            ],
        )
        yield (
            f"layer_norm {short}",
            lambda m=m: _both(lambda x, w: F.layer_norm(x, (67,), w, w), m(9, 13, 67), m(67)),
        )
        yield (
            f"group_norm, instance_norm {short}",
            lambda m=m: [
                *_both(lambda x, w: F.group_norm(x, 3, w, w), m(4, 12, 5, 7), m(12)),
                *_both(lambda x: F.instance_norm(x), m(4, 12, 5, 7)),
            ],
        )
        yield (
            f"rms_norm, local_response_norm {short}",
            lambda m=m: [
                *_both(lambda x, w: F.rms_norm(x, (67,), w), m(9, 67), m(67)),
                *_both(lambda x: F.local_response_norm(x, 3), m(4, 12, 5, 7).float()),
            ],
        )
        yield (
            f"attention {short}",
            lambda m=m: [
                *_both(
                    F.scaled_dot_product_attention,
                    m(2, 4, 19, 16),
                    m(2, 4, 23, 16, salt=42),
                    m(2, 4, 23, 16, salt=43),
                ),
                *_both(
                    lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
                    m(1, 2, 270, 32),
                    m(1, 2, 270, 32, salt=42),
                    m(1, 2, 270, 32, salt=43),
                ),
            ],
        )
        yield (
            f"pooling {short}",
            lambda m=m: [
                *_both(lambda x: F.max_pool2d(x, 2), m(3, 5, 12, 14)),
                *_both(lambda x: F.avg_pool2d(x, 3, 2), m(3, 5, 12, 14)),
                *_both(lambda x: F.adaptive_avg_pool2d(x, (3, 4)), m(3, 5, 13, 15)),
                *_both(lambda x: F.lp_pool2d(x, 2, 2), m(3, 5, 12, 14).abs() + 1),
            ],
        )
        yield (
            f"interpolate {short}",
            lambda m=m: [
                *_both(lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"), m(2, 3, 11, 13)),
                *_both(lambda x: F.interpolate(x, size=(7, 9), mode="bicubic"), m(2, 3, 11, 13)),
                *_both(
                    lambda x: F.interpolate(x, size=(7, 9), mode="bilinear", antialias=True),
                    m(2, 3, 20, 20).float(),
                ),
            ],
        )
        if dtype != torch.bfloat16:  # torch has it for no shorter type
            yield f"grid_sample {short}", lambda m=m: _grid_samples(m(2, 3, 11, 13), m(2, 7, 9, 2, salt=46))
        yield (
            f"embedding {short}",
            lambda m=m: [
                *_both(lambda w: F.embedding(torch.arange(80).view(8, 10) % 17, w), m(17, 33)),
                *_both(
                    lambda w: F.embedding_bag(torch.arange(80).view(8, 10) % 17, w, mode="mean"), m(17, 33)
                ),
            ],
        )
        yield (
            f"scatter, index_add, gather {short}",
            lambda m=m: [
                torch.zeros(17, 33, dtype=m(1).dtype).index_add_(0, torch.arange(80) % 17, m(80, 33)),
                torch.zeros(17, 33, dtype=m(1).dtype).scatter_add_(
                    0, (torch.arange(80 * 33) % 17).view(80, 33), m(80, 33)
                ),
            ],
        )
        yield (
            f"transformer encoder layer {short}",
            lambda dtype=dtype: _module(
                nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, dtype=dtype),
                make(3, 11, 32, salt=44, dtype=dtype),
            ),
        )
        yield (
            f"multihead attention {short}",
            lambda dtype=dtype: _module(
                nn.MultiheadAttention(32, 4, dtype=dtype), *(make(11, 3, 32, salt=44, dtype=dtype),) * 3
            ),
        )


def _module(module: nn.Module, *given: torch.Tensor) -> list[Any]:
    """A module with exact weights, in training and in evaluation."""
    with torch.no_grad():
        for at, parameter in enumerate(module.parameters()):
            parameter.copy_(make(*parameter.shape, salt=50 + at, scale=-2))
    result = module(*given)
    parts = list(_tensors(result))
    gradients = torch.autograd.grad(
        torch.stack([(part * 0.5).sum() for part in parts]).sum(),
        list(module.parameters()),
        allow_unused=True,
    )
    with torch.no_grad():
        evaluated = list(_tensors(module.eval()(*given)))
    return [*parts, *(gradient for gradient in gradients if gradient is not None), *evaluated]


def _tensors(value: Any) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def _grid_samples(image: torch.Tensor, grid: torch.Tensor) -> list[torch.Tensor]:
    results = []
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            sample = functools.partial(F.grid_sample, mode=mode, padding_mode=padding, align_corners=False)
            results += _both(sample, image, grid)
    return results


def _recurrent() -> Iterable[tuple[str, Operation]]:
    for kind in ("LSTM", "GRU", "RNN"):
        for short, dtype in (("f32", torch.float32), ("f64", torch.float64), ("bf16", torch.bfloat16)):
            for more in ({}, {"num_layers": 2, "bidirectional": True, "batch_first": True}):

                def compute(kind: str = kind, dtype: torch.dtype = dtype, more: Any = more) -> Any:
                    module = getattr(nn, kind)(13, 29, dtype=dtype, **more)
                    return _module(module, make(7, 5, 13, salt=60, dtype=dtype))

                yield f"{kind} {'deep ' if more else ''}{short}", compute
        yield (
            f"{kind} wide f32",
            lambda kind=kind: _module(getattr(nn, kind)(130, 257), make(3, 65, 130, salt=62)),
        )
        yield (
            f"{kind}Cell",
            lambda kind=kind: _module(getattr(nn, f"{kind}Cell")(13, 29), make(7, 13, salt=61)),
        )


# ---------------------------------------------------------------- linear algebra, Fourier


def _linear_algebra() -> Iterable[tuple[str, Operation]]:
    linalg = torch.linalg
    for short, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        a = make(37, 37, salt=70, dtype=dtype)
        s = a @ a.t() / 4 + 4 * torch.eye(37, dtype=dtype)
        functions: dict[str, Operation] = {
            "cholesky": lambda s=s: linalg.cholesky(s),
            "qr": lambda a=a: linalg.qr(a),
            "svd": lambda a=a: linalg.svd(a),
            "svdvals": lambda a=a: linalg.svdvals(a),
            "eigh": lambda s=s: linalg.eigh(s),
            "eig": lambda a=a: linalg.eig(a),
            "inv": lambda a=a: linalg.inv(a),
            "solve": lambda a=a, s=s: linalg.solve(a, s),
            "det, slogdet": lambda a=a: [linalg.det(a), *linalg.slogdet(a)],
            "lstsq": lambda a=a: linalg.lstsq(a[:, :20], a[:, 20:23]).solution,
            "pinv": lambda a=a: linalg.pinv(a[:, :20]),
            "lu": lambda a=a: linalg.lu(a),
            "matrix_exp": lambda a=a: linalg.matrix_exp(a),
            "matrix_norm": lambda a=a: [linalg.matrix_norm(a), linalg.matrix_norm(a, 2), linalg.cond(a)],
            "triangular_solve": lambda a=a, s=s: linalg.solve_triangular(s.triu(), a, upper=True),
            "cholesky large": lambda dtype=dtype: linalg.cholesky(
                200 * torch.eye(200, dtype=dtype)
                + make(200, 200, salt=71, dtype=dtype) @ make(200, 200, salt=71, dtype=dtype).t()
            ),
        }
        for name, function in functions.items():
            yield f"linalg.{name} {short}", function
        for length in (64, 97, 1000, 1536):
            x = make(5, length, salt=72, dtype=dtype)
            yield (
                f"fft {length} {short}",
                lambda x=x: [
                    torch.fft.fft(x),
                    torch.fft.rfft(x),
                    torch.fft.irfft(torch.fft.rfft(x)),
                    torch.fft.fft2(x),
                ],
            )
        yield (
            f"stft {short}",
            lambda dtype=dtype: torch.stft(
                make(3000, salt=73, dtype=dtype),
                128,
                window=torch.hann_window(128, dtype=dtype),
                return_complex=True,
            ),
        )
        yield f"linspace, logspace {short}", lambda dtype=dtype: [
            torch.linspace(-3, 7, 1001, dtype=dtype), torch.logspace(-3, 2, 1001, dtype=dtype),
            torch.hamming_window(513, dtype=dtype), torch.kaiser_window(513, dtype=dtype),
        ]  # fmt: skip


# ---------------------------------------------------------------- random numbers


def _random() -> Iterable[tuple[str, Operation]]:
    def seeded(draw: Callable[[], Any]) -> Operation:
        def compute() -> Any:
            torch.manual_seed(7)
            return [draw(), draw()]

        return compute

    for short, dtype in FLOATS.items():
        empty = torch.empty(SIZE, dtype=dtype)
        for name in (
            "normal_",
            "uniform_",
            "exponential_",
            "cauchy_",
            "log_normal_",
            "geometric_",
            "bernoulli_",
        ):
            given = (0.3,) if name in ("geometric_", "bernoulli_") else ()
            yield (
                f"Tensor.{name} {short}",
                seeded(
                    lambda empty=empty, name=name, given=given: [
                        getattr(empty.clone(), name)(*given),
                        getattr(empty[:7].clone(), name)(*given),
                    ]
                ),
            )
    probabilities = make(31, 17, salt=80).abs()
    yield "torch.randperm", seeded(lambda: [torch.randperm(1000), torch.randperm(70001)[:100]])
    yield "torch.randint", seeded(lambda: torch.randint(0, 1000, (SIZE,)))
    yield (
        "torch.multinomial",
        seeded(lambda: [torch.multinomial(probabilities, 5), torch.multinomial(probabilities, 50, True)]),
    )
    yield "torch.bernoulli tensor", seeded(lambda: torch.bernoulli(probabilities))
    yield "torch.poisson", seeded(lambda: torch.poisson(probabilities * 30))
    yield "torch.binomial", seeded(lambda: torch.binomial(probabilities.round() * 20 + 5, probabilities))
    yield "torch.normal tensor", seeded(lambda: torch.normal(probabilities, probabilities))
    yield (
        "dropout",
        seeded(
            lambda: [
                F.dropout(make(SIZE), 0.3),
                F.dropout2d(make(3, 5, 7, 7), 0.3),
                F.alpha_dropout(make(SIZE), 0.2),
            ]
        ),
    )
    yield (
        "gumbel_softmax, rrelu",
        seeded(lambda: [F.gumbel_softmax(make(31, 17)), F.rrelu(make(31, 17), training=True)]),
    )
    distributions = torch.distributions
    yield (
        "distributions",
        seeded(
            lambda: [
                distributions.Gamma(probabilities + 0.1, 1.0).sample(),
                distributions.Beta(probabilities + 0.1, 1.0).sample(),
                distributions.Dirichlet(probabilities + 0.1).sample(),
                distributions.StudentT(3.0).sample((50,)),
                distributions.VonMises(torch.tensor(0.0), torch.tensor(2.0)).sample((50,)),
                distributions.Laplace(0.0, 1.0).sample((50,)),
                distributions.Gumbel(0.0, 1.0).sample((50,)),
                distributions.Normal(0.0, 1.0).icdf(probabilities * 0.9 + 0.05),
            ]
        ),
    )

    def initialised() -> list[torch.Tensor]:
        names = (
            "kaiming_uniform_",
            "kaiming_normal_",
            "xavier_uniform_",
            "xavier_normal_",
            "orthogonal_",
            "trunc_normal_",
        )
        return [getattr(nn.init, name)(torch.empty(33, 21)) for name in names]

    yield "nn.init", seeded(initialised)


# ---------------------------------------------------------------- losses, optimisers


def _losses() -> Iterable[tuple[str, Operation]]:
    x, y = make(33, 17, salt=90, scale=1), make(33, 17, salt=91, scale=1)
    labels = torch.arange(33) % 17
    functions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "cross_entropy": lambda x: F.cross_entropy(x, labels),
        "cross_entropy smoothed": lambda x: F.cross_entropy(x, labels, label_smoothing=0.1),
        "nll_loss": lambda x: F.nll_loss(x.log_softmax(1), labels),
        "mse_loss": lambda x: F.mse_loss(x, y),
        "l1_loss, smooth_l1, huber": lambda x: F.l1_loss(x, y) + F.smooth_l1_loss(x, y) + F.huber_loss(x, y),
        "bce_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, y.sigmoid()),
        "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), y.sigmoid()),
        "kl_div": lambda x: F.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean"),
        "poisson_nll, gaussian_nll": lambda x: (
            F.poisson_nll_loss(x, y.abs(), full=True) + F.gaussian_nll_loss(x, y, y * y + 1)
        ),
        "cosine, triplet, margin": lambda x: (
            F.cosine_similarity(x, y).sum()
            + F.triplet_margin_loss(x, y, y.flip(0))
            + F.multi_margin_loss(x, labels)
            + F.soft_margin_loss(x, y.sign())
        ),
        "ctc_loss": lambda x: F.ctc_loss(
            x.view(33, 1, 17).log_softmax(2),
            torch.arange(1, 9).view(1, 8),
            torch.tensor([33]),
            torch.tensor([8]),
        ),
    }
    for name, function in functions.items():
        yield name, lambda function=function: _both(function, x)
    yield "quantized linear", lambda: _quantized()
    yield "clip_grad_norm_", lambda: _clipped()


def _quantized() -> torch.Tensor:
    module = nn.Sequential(nn.Linear(67, 33))
    _module(module, make(5, 67))
    result: torch.Tensor = torch.ao.quantization.quantize_dynamic(module, {nn.Linear})(make(5, 67, scale=2))
    return result


def _clipped() -> list[torch.Tensor]:
    parameters = [nn.Parameter(make(31, 17, salt=at)) for at in range(3)]
    for at, parameter in enumerate(parameters):
        parameter.grad = make(31, 17, salt=at + 5)
    return [
        nn.utils.clip_grad_norm_(parameters, 1.0),
        *(parameter.grad for parameter in parameters if parameter.grad is not None),
    ]


def _optimisers() -> Iterable[tuple[str, Operation]]:
    optim = torch.optim
    kinds: dict[str, Callable[[Any], Any]] = {
        "SGD": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "Adam": lambda p: optim.Adam(p, 0.01),
        "Adam amsgrad": lambda p: optim.Adam(p, 0.01, amsgrad=True),
        "AdamW": lambda p: optim.AdamW(p, 0.01),
        "AdamW foreach": lambda p: optim.AdamW(p, 0.01, foreach=True),
        "AdamW fused": lambda p: optim.AdamW(p, 0.01, fused=True),
        "SGD fused": lambda p: optim.SGD(p, 0.1, momentum=0.9, fused=True),
        "NAdam": lambda p: optim.NAdam(p, 0.01),
        "RAdam": lambda p: optim.RAdam(p, 0.01),
        "Adamax": lambda p: optim.Adamax(p, 0.01),
        "Adagrad": lambda p: optim.Adagrad(p, 0.01),
        "Adagrad fused": lambda p: optim.Adagrad(p, 0.01, fused=True),
        "Adadelta": lambda p: optim.Adadelta(p, 0.5),
        "Adafactor": lambda p: optim.Adafactor(p, 0.01),
        "RMSprop": lambda p: optim.RMSprop(p, 0.01, centered=True, momentum=0.5),
        "Rprop": lambda p: optim.Rprop(p, 0.01),
        "ASGD": lambda p: optim.ASGD(p, 0.1),
        "LBFGS": lambda p: optim.LBFGS(p, 0.5, line_search_fn="strong_wolfe"),
    }
    if hasattr(optim, "Muon"):
        kinds["Muon"] = lambda p: optim.Muon(p[:2], 0.01)
    for name, kind in kinds.items():
        yield f"optim.{name}", lambda kind=kind: _optimised(kind)


def _optimised(kind: Callable[[Any], Any]) -> list[Any]:
    parameters = [
        nn.Parameter(make(17, 33, salt=95)),
        nn.Parameter(make(33, 9, salt=96)),
        nn.Parameter(make(9, salt=97)),
    ]
    optimizer = kind(parameters)
    x = make(21, 17, salt=98)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = ((x @ parameters[0]).tanh() @ parameters[1] + parameters[2]).square().mean()
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(loss)
    return [parameter.detach() for parameter in parameters]


def quiet() -> None:
    """Warnings about deprecated names and missing kernels are not what is looked for."""
    warnings.filterwarnings("ignore")
