"""What called the C library's float32 functions does so no more: in float64, or in whole vectors."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from samebits.proof.portable import inputs
from samebits.torch import libm

pytestmark = pytest.mark.usefixtures("routed")
ATEN = torch.ops.aten
ONE_NUMBER = ["acosh", "asinh", "atanh", "cosh", "erfinv", "sinh", "special_log_ndtr"]
TWO_NUMBERS = ["atan2", "igamma", "igammac", "logaddexp", "logaddexp2", "special_xlog1py"]
COMPLEX = [name for name in libm.FOR_COMPLEX if name not in ("angle", "pow")]
NARROW = [torch.float32, torch.bfloat16, torch.float16]


def numbers(dtype=torch.float32, size=999, salt=1):
    return torch.from_numpy(inputs.positive(size, salt=salt)).to(dtype)


def equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", ONE_NUMBER)
def test_functions_of_one_number_are_rounded_once(name, dtype):
    if name == "special_log_ndtr" and dtype != torch.float32:
        pytest.skip("torch has none of these types")
    function = getattr(ATEN, name)
    above = 1 if name == "acosh" else 0
    for x in (numbers(dtype) + above, (numbers(dtype) + above)[::3], numbers(dtype)[0] + above):
        right = function(x.double()).to(dtype)
        assert equal(function(x), right)
        assert equal(function(x, out=torch.empty(0, dtype=dtype)), right)
        if hasattr(ATEN, f"{name}_"):
            assert equal(getattr(ATEN, f"{name}_")(x.clone()), right)


@pytest.mark.parametrize("name", TWO_NUMBERS)
def test_functions_of_two_numbers_are_rounded_once(name):
    function, x, y = getattr(ATEN, name), numbers(), numbers(salt=2)
    right = function(x.double(), y.double()).float()
    assert equal(function(x, y), right)
    assert equal(function(x, y, out=torch.empty(0)), right)
    assert equal(function(x, y.double()), function(x.double(), y.double()))


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_functions_are_rounded_once(name):
    function, z = getattr(torch, name), torch.complex(numbers(), numbers(salt=2))
    right = function(z.to(torch.complex128)).to(torch.complex64)
    assert equal(function(z), right)
    assert equal(function(z, out=torch.empty(0, dtype=torch.complex64)), right)
    assert equal(torch.angle(z), torch.angle(z.to(torch.complex128)).float())
    assert equal(2.5**z, (2.5 ** z.to(torch.complex128)).to(torch.complex64))


FORWARDS = {
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "softplus": F.softplus,
    "mish": F.mish,
    "gelu_backward": lambda x: ATEN.gelu_backward(x.flip(0).flip(0), x),
    "gelu_backward tanh": lambda x: ATEN.gelu_backward(torch.ones_like(x), x, approximate="tanh"),
    "mish_backward": lambda x: ATEN.mish_backward(torch.ones_like(x), x),
}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", FORWARDS)
def test_a_number_gives_the_same_wherever_it_stands(name, dtype):
    """Plain torch computes what its vectors leave over with other instructions than what they hold."""
    function = FORWARDS[name]
    x = torch.from_numpy(inputs.numbers(4096, salt=1, scale=2)).to(dtype)
    whole = function(x)
    assert equal(torch.stack([function(number.view(1))[0] for number in x[:99]]), whole[:99])
    assert equal(function(x[::3]), whole[::3])
    assert equal(function(x[:4001]), whole[:4001])
    assert equal(function(x.view(64, 64).t()), whole.view(64, 64).t())


@pytest.mark.parametrize("name", FORWARDS)
def test_threads_get_whole_vectors_each(name):
    function, x = FORWARDS[name], torch.from_numpy(inputs.numbers(100_003, salt=1, scale=2)).float()
    result, before = function(x), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert equal(function(x), result)
    finally:
        torch.set_num_threads(before)


def test_memory_is_laid_out_as_torch_does():
    x = torch.ones(2, 3, 5, 7).to(memory_format=torch.channels_last)
    assert F.gelu(x).stride() == F.elu(x, inplace=True).stride() == x.sinh().stride() == x.stride()
    assert F.mish(torch.ones(3, 5).t()).stride() == (1, 5)


def test_numbers_take_the_place_of_tensors_as_in_torch():
    x = numbers()
    assert equal(torch.pow(2, torch.arange(3)), torch.tensor([1, 2, 4]))
    assert torch.pow(2.5, x).dtype == torch.special.xlog1py(2.0, x).dtype == torch.float32
    assert torch.allclose(torch.special.chebyshev_polynomial_t(x, 2), 2 * x * x - 1, atol=1e-5)
    assert torch.asinh(torch.tensor([1, 2])).dtype == torch.float32
    assert equal(torch.polygamma(2, x), torch.polygamma(2, x.double()).float())


def test_gradients_flow():
    x = numbers(size=33).requires_grad_()
    y = (F.gelu(x) + F.elu(x, inplace=False) + x.sinh() + torch.atan2(x, x + 1)).sum()
    (gradient,) = torch.autograd.grad(y, x)
    wide = x.detach().double().requires_grad_()
    z = (F.gelu(wide) + F.elu(wide) + wide.sinh() + torch.atan2(wide, wide + 1)).sum()
    assert np.allclose(gradient, torch.autograd.grad(z, wide)[0], rtol=1e-5)


def test_what_torch_refuses_is_refused():
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.arange(3).sinh_()
    with pytest.raises(RuntimeError, match="not implemented for 'Long'"):
        F.gelu(torch.arange(3))
    with pytest.raises(RuntimeError, match="must match the size"):
        ATEN.gelu_backward(torch.ones(3), torch.ones(4))
