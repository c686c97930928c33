"""The kernels that torch is given in the portable profile: right, and in every form of a call."""

import numpy as np
import pytest
import torch
from tests.conftest import printed

import samebits.torch
from samebits.proof.portable import inputs
from samebits.torch import portable

NAMES = sorted(portable.ROUTED)
OTHERS = [torch.float16, torch.bfloat16, torch.complex64, torch.int64, torch.bool]
pytestmark = pytest.mark.usefixtures("routed")


def domain(name, dtype):
    values = inputs.numbers(999, salt=1) if name in ("asin", "acos") else inputs.wide(999, exponent=30)
    return torch.from_numpy(np.concatenate([values, inputs.special()])).to(dtype)


def expected(name, x):
    with np.errstate(all="ignore"):
        wide = portable.ROUTED[name](x.detach().double().numpy())
    return torch.from_numpy(np.asarray(wide)).to(x.dtype)


def equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_form_of_a_call_gives_the_rounded_result(name, dtype):
    if (name, dtype) in portable.UNAFFECTED:
        pytest.skip("left to torch")
    x = domain(name, dtype)
    function = getattr(torch, name)
    views = [x, x[::3], x[1:7], x[: 30 * 30].view(30, 30).t(), x[:0], x[0], x[:5].expand(4, 5)]
    for view in views:
        result = function(view)
        assert equal(result, expected(name, view))
        out = torch.empty(0, dtype=dtype)
        assert equal(function(view, out=out), result)
        assert equal(getattr(view.clone(), f"{name}_")(), result)
        strided = torch.zeros(*view.shape, 2, dtype=dtype)[..., 0].copy_(view)
        assert getattr(strided, f"{name}_")() is strided
        assert equal(strided, result)
    assert equal(function(x, out=x), expected(name, domain(name, dtype)))


def test_memory_is_laid_out_as_torch_does():
    x = torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert x.sqrt().is_contiguous(memory_format=torch.channels_last)
    assert torch.ones(3, 4).t().sqrt().stride() == (1, 4)


@pytest.mark.parametrize("dtype", OTHERS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_other_types_are_as_they_were(name, dtype):
    x = torch.tensor([1, 0, 1]).to(dtype) if dtype == torch.bool else torch.tensor([1, 0, 1, 1]).to(dtype)
    result = getattr(torch, name)(x)
    whole = dtype in (torch.int64, torch.bool)
    assert result.dtype == (torch.float32 if whole else dtype)
    complex_ = getattr(torch, name)(x.to(torch.complex64))
    assert torch.allclose(result.to(torch.complex64), complex_, rtol=0.01, equal_nan=True)
    if whole:
        with pytest.raises(RuntimeError, match="can't be cast"):
            getattr(x, f"{name}_")()


def test_a_wrong_out_is_refused_as_by_torch():
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.sqrt(torch.ones(3), out=torch.empty(3, dtype=torch.int64))
    out = torch.empty(3, dtype=torch.float64)
    assert torch.sqrt(torch.full((3,), 2.0), out=out) is out
    assert equal(out, torch.full((3,), 2.0).sqrt().double())


def test_half_a_power_is_a_square_root():
    x = domain("sqrt", torch.float32)
    root = expected("sqrt", x)
    assert equal(x**0.5, root)
    assert equal(x.clone().pow_(0.5), root)
    assert equal(torch.pow(x, 0.5, out=torch.empty(0)), root)
    assert equal(torch.arange(5) ** 0.5, torch.arange(5.0).sqrt())
    assert equal(torch.pow(x, 2.0), x * x)
    assert equal(torch.stack(torch._foreach_sqrt([x, x])), torch.stack([root, root]))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_flow(name):
    x = (inputs.positive(20) * 0.8 + 0.1).astype(np.float64)
    given = torch.from_numpy(x).requires_grad_()
    assert torch.autograd.gradcheck(getattr(torch, name), given)
    assert torch.autograd.gradgradcheck(getattr(torch, name), given)
    assert torch.func.vmap(torch.func.grad(getattr(torch, name)))(given.detach()).shape == (20,)
    leaf = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        leaf.sqrt_()
    assert leaf.requires_grad


def test_no_type_is_left_that_is_not_correctly_rounded():
    for dtype, width in ((torch.float32, np.float32), (torch.float64, np.float64)):
        x = torch.from_numpy(inputs.wide(200_000)).to(dtype)
        assert (torch.sqrt(x).numpy() == np.sqrt(x.numpy().astype(width))).all()


def test_cholesky_of_float32_is_that_of_float64_rounded():
    a = torch.from_numpy(inputs.numbers(3, 9, 9)).float()
    matrix = a @ a.mT + 9 * torch.eye(9)
    matrix = (matrix + matrix.mT) / 2  # a product's two halves may differ in their last bits
    factor = torch.linalg.cholesky(matrix.double()).float()
    assert equal(torch.linalg.cholesky(matrix), factor)
    assert equal(torch.linalg.cholesky_ex(matrix)[0], factor)
    assert equal(torch.linalg.cholesky(matrix, out=torch.empty(0)), factor)
    assert equal(torch.linalg.cholesky(matrix, upper=True), factor.mT)
    assert equal(torch.linalg.cholesky(matrix.tril() + torch.ones(9, 9).triu(1)), factor)  # one half is read
    assert equal(torch.linalg.cholesky(matrix.triu() + torch.ones(9, 9).tril(-1), upper=True), factor.mT)
    assert equal(torch.cholesky(matrix), factor)
    with pytest.raises(RuntimeError, match="not positive-definite"):
        torch.linalg.cholesky(-matrix)
    symmetric = matrix.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda m: torch.linalg.cholesky((m + m.mT) / 2), symmetric)


def test_least_squares_take_a_driver_that_does_not_differ():
    a = torch.from_numpy(inputs.numbers(9, 4))
    b = torch.from_numpy(inputs.numbers(9, 2, salt=1))
    solution, residuals, rank, values = torch.linalg.lstsq(a, b)
    assert equal(solution, torch.linalg.lstsq(a, b, driver="gelsd").solution)
    assert torch.allclose(solution, torch.linalg.pinv(a) @ b)
    assert (int(rank), values.shape, residuals.shape) == (4, (4,), (2,))


@pytest.mark.parametrize(
    ("compute", "named"),
    [
        (
            lambda: torch.linalg.lstsq(torch.eye(3), torch.eye(3), driver="gelsy"),
            "lstsq with the driver 'gelsy'",
        ),
        (
            lambda: torch.triangular_solve(torch.ones(3, 1), torch.eye(3).to_sparse_csr()),
            "triangular_solve of a sparse matrix",
        ),
    ],
)
def test_what_cannot_be_made_portable_is_refused_by_name(compute, named):
    with pytest.raises(RuntimeError) as raised:
        compute()
    line = samebits.torch.explain(raised.value)
    assert line.startswith(f"{named} gives other bits on other CPUs: PROFILE=portable refuses it; use ")


CELL = """
import warnings
import torch, samebits.torch
warnings.simplefilter("error")
from torch import nn
samebits.torch.make_deterministic()
lstm, given = nn.LSTM(13, 29), torch.ones(7, 5, 13, requires_grad=True)
lstm(given)[0].sum().backward()
with torch.inference_mode():
    lstm(given.detach())
nn.Conv2d(3, 8, 3)(torch.ones(2, 3, 9, 9))
"""


@pytest.mark.parametrize("profile", ["run", "portable"])
def test_onednn_heeds_its_variable(start, profile):
    """oneDNN tells what it takes only when it is asked to, in a process of its own."""
    done = start("python", "-c", CELL, PROFILE=profile, ONEDNN_VERBOSE="1")
    assert done.returncode == 0, done.stderr
    used = [line.split(",") for line in done.stdout.splitlines() if line.startswith("onednn_verbose")]
    kinds = {words[5] for words in used if words[3] == "exec"}
    assert {"convolution", "rnn"} <= kinds
    if profile == "portable":
        assert ["cpu", "isa:Intel AVX2"] in [words[3:5] for words in used]
        assert not any("avx512" in word for words in used for word in words)


def test_the_profile_run_is_left_alone(start):
    code = "import samebits.torch as s; s.make_deterministic(); from samebits.torch import portable as p"
    assert printed(start, f"{code}; print(p.routed())", PROFILE="run") == [False]
    assert printed(start, f"{code}; print(p.routed())", PROFILE="portable") == [True]
