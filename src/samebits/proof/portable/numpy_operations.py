"""A table of NumPy's operations and of Python's math module, each a function of exact inputs."""

# mypy: disable-error-code="misc"
# (lambdas that bind what a loop names, whose types mypy cannot infer)

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from samebits.proof.portable import inputs

SIZE = inputs.SIZE
ELEMENTWISE = {
    "all": """
        exp exp2 expm1 sin cos tan arctan sinh cosh tanh arcsinh absolute sign floor ceil rint trunc square
        reciprocal cbrt fabs deg2rad rad2deg signbit spacing isnan sinc i0
    """,
    "positive": "log log2 log10 log1p sqrt",
    "unit": "arcsin arccos arctanh",
    "from one": "arccosh",
}
MATH = {
    "all": "exp expm1 sin cos tan atan sinh cosh tanh asinh erf erfc gamma lgamma cbrt exp2 degrees radians",
    "positive": "log log2 log10 log1p sqrt lgamma gamma",
    "unit": "asin acos atanh",
    "from one": "acosh",
}
TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16}

Operation = Callable[[], Any]


def operations() -> Iterable[tuple[str, Operation]]:
    """(name, function) of every operation, in a fixed order."""
    yield from _elementwise()
    yield from _binary()
    yield from _reductions()
    yield from _linear_algebra()
    yield from _random()
    yield from _python()


def _elementwise() -> Iterable[tuple[str, Operation]]:
    for kind, names in ELEMENTWISE.items():
        for name in names.split():
            for short, dtype in TYPES.items():

                def compute(name: str = name, kind: str = kind, dtype: Any = dtype) -> Any:
                    function, long = getattr(np, name), inputs.domain(kind).astype(dtype)
                    return [function(x) for x in (long, long[::3], long[:7], inputs.special().astype(dtype))]

                yield f"numpy.{name} {short}", compute


def _binary() -> Iterable[tuple[str, Operation]]:
    for short, dtype in TYPES.items():
        x = np.concatenate([inputs.positive(SIZE, salt=10, scale=3), inputs.wide(SIZE, exponent=30)]).astype(
            dtype
        )
        y = inputs.numbers(2 * SIZE, salt=12, scale=2).astype(dtype)
        for name in (
            "power",
            "arctan2",
            "fmod",
            "remainder",
            "hypot",
            "logaddexp",
            "divide",
            "floor_divide",
            "copysign",
        ):
            yield (
                f"numpy.{name} {short}",
                lambda name=name, x=x, y=y: [
                    getattr(np, name)(*((x, y) if name == "power" else (y, x))),
                    getattr(np, name)(*((x[::3], y[::3]) if name == "power" else (y[::3], x[::3]))),
                ],
            )
        yield f"numpy.power scalar {short}", lambda x=x: [x**e for e in (0.5, -0.5, 2, 3, -1, 1.5, 0.25)]
    z = (inputs.numbers(SIZE, salt=13) + 1j * inputs.numbers(SIZE, salt=14)).astype(np.complex64)
    yield (
        "numpy complex",
        lambda: [f(z) for f in (np.abs, np.angle, np.exp, np.sqrt, np.log, np.square, np.tanh)],
    )


def _reductions() -> Iterable[tuple[str, Operation]]:
    for short, dtype in TYPES.items():
        x = inputs.numbers(61, 1031, salt=20, scale=1).astype(dtype)
        for name in ("sum", "mean", "var", "std", "cumsum", "median", "sort", "nansum", "max", "diff"):
            yield (
                f"numpy.{name} {short}",
                lambda name=name, x=x: [
                    getattr(np, name)(x, axis=1),
                    getattr(np, name)(x, axis=0),
                    getattr(np, name)(x[::2, ::3], axis=1),
                    getattr(np, name)(x.ravel()),
                ],
            )
        yield (
            f"numpy.prod, cumprod {short}",
            lambda x=x: [np.prod(1 + x / 64, axis=1), np.cumprod(1 + x / 64, axis=1)],
        )
        yield (
            f"numpy.percentile, interp {short}",
            lambda x=x: [
                np.percentile(x, [3, 50, 97], axis=1),
                np.interp(x[0], np.sort(x[1]), x[2]),
                np.histogram(x, 37)[0],
                np.convolve(x[0], x[1]),
                np.argsort(x, axis=1, kind="stable"),
            ],
        )
        yield f"numpy.argsort {short}", lambda x=x: [np.argsort(x, axis=1), np.argpartition(x, 30, axis=1)]


def _linear_algebra() -> Iterable[tuple[str, Operation]]:
    for short, dtype in (("f32", np.float32), ("f64", np.float64), ("c128", np.complex128)):
        a: Any = inputs.numbers(37, 37, salt=70).astype(dtype)
        if dtype is np.complex128:
            a = a + 1j * inputs.numbers(37, 37, salt=71)
        s = a @ a.T.conj() / 4 + 4 * np.eye(37, dtype=dtype)
        long, wide = (
            inputs.numbers(130, 611, salt=32).astype(dtype),
            inputs.numbers(611, 67, salt=33).astype(dtype),
        )
        yield (
            f"numpy.matmul {short}",
            lambda long=long, wide=wide: [
                long @ wide,
                long @ long.T,
                long @ wide[:, 0],
                wide[:, 0] @ wide[:, 1],
                long[:3] @ wide,
                long[::2, ::3] @ long[::2, ::3].T,
            ],
        )
        yield (
            f"numpy.einsum, tensordot {short}",
            lambda a=a: [
                np.einsum("ij,jk->ki", a, a),
                np.einsum("ij,ij->i", a, a),
                np.einsum("ij,kj,kl->il", a, a, a, optimize=True),
                np.kron(a[:3, :5], a[:2, :7]),
                np.outer(a[0], a[1]),
                np.vdot(a, a),
            ],
        )
        for name in ("qr", "svd", "inv", "det", "slogdet", "eig", "pinv", "norm"):
            yield f"numpy.linalg.{name} {short}", lambda name=name, a=a: getattr(np.linalg, name)(a)
        yield f"numpy.linalg.cholesky {short}", lambda s=s: np.linalg.cholesky(s)
        yield f"numpy.linalg.eigh {short}", lambda s=s: np.linalg.eigh(s)
        yield f"numpy.linalg.solve {short}", lambda a=a, s=s: np.linalg.solve(s, a)
        yield (
            f"numpy.linalg.lstsq {short}",
            lambda a=a: np.linalg.lstsq(a[:, :20], a[:, 20:23], rcond=None)[0],
        )
        for length in (64, 97, 1000):
            x = inputs.numbers(5, length, salt=72).astype(dtype)
            yield f"numpy.fft {length} {short}", lambda x=x: [np.fft.fft(x), np.fft.ifft(x), np.fft.fft2(x)]


def _random() -> Iterable[tuple[str, Operation]]:
    draws: dict[str, Callable[[np.random.Generator], Any]] = {
        "random": lambda g: [g.random(SIZE), g.random(SIZE, dtype=np.float32)],
        "normal": lambda g: [g.normal(size=SIZE), g.standard_normal(SIZE, dtype=np.float32)],
        "exponential": lambda g: g.exponential(size=SIZE),
        "gamma, beta": lambda g: [g.gamma(0.7, size=99), g.gamma(3, size=SIZE), g.beta(0.5, 0.7, SIZE)],
        "integers": lambda g: [g.integers(0, 99, SIZE), g.permutation(999), g.choice(999, 50, False)],
        "poisson, binomial": lambda g: [g.poisson(3.5, SIZE), g.poisson(50, SIZE), g.binomial(40, 0.3, SIZE)],
        "multivariate": lambda g: g.multivariate_normal([0, 1], [[2, 0.5], [0.5, 1]], SIZE),
        "dirichlet, laplace, vonmises, zipf": lambda g: [
            g.dirichlet([0.5, 1, 2], 500), g.laplace(size=SIZE), g.vonmises(0, 2, SIZE), g.zipf(2.5, SIZE),
            g.lognormal(size=SIZE), g.weibull(1.5, SIZE), g.gumbel(size=SIZE), g.logistic(size=SIZE),
        ],
    }  # fmt: skip
    for name, draw in draws.items():
        yield f"numpy.random {name}", lambda draw=draw: draw(np.random.default_rng(7))
    yield (
        "numpy.random legacy",
        lambda: [
            np.random.RandomState(7).normal(size=SIZE),
            np.random.RandomState(7).gamma(0.7, size=SIZE),
            np.random.RandomState(7).permutation(1000),
        ],
    )


def _python() -> Iterable[tuple[str, Operation]]:
    for kind, names in MATH.items():
        for name in names.split():

            def compute(name: str = name, kind: str = kind) -> Any:
                values = inputs.domain(kind)[::5].tolist()
                return np.array([_tried(getattr(math, name), value) for value in values])

            yield f"math.{name} ({kind})", compute
    pairs = list(
        zip(inputs.domain("positive")[::5].tolist(), inputs.domain("all")[::5].tolist(), strict=True)
    )
    for name in ("pow", "atan2", "fmod", "hypot"):
        yield (
            f"math.{name}",
            lambda name=name: np.array([_tried(getattr(math, name), *pair) for pair in pairs]),
        )
    yield (
        "math.fsum, sum",
        lambda: np.array([math.fsum(inputs.domain("all").tolist()), sum(inputs.domain("all").tolist())]),
    )


def _tried(function: Callable[..., float], *values: float) -> float:
    try:
        return function(*values)
    except (OverflowError, ValueError):
        return math.nan
