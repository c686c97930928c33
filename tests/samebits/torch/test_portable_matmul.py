"""Matrix products in the portable profile: NumPy's bits, torch's meaning."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.conftest import printed

from samebits.proof.portable import inputs
from samebits.torch import portable_matmul

pytestmark = pytest.mark.usefixtures("routed")

REAL = [torch.float32, torch.float64]
SHAPES = [(64, 64, 64), (67, 129, 53), (8, 512, 97), (301, 111, 9), (129, 16, 255), (97, 1031, 61)]
INFINITE = torch.tensor(torch.inf)


def make(*shape, salt=0, dtype=torch.float32):
    return torch.from_numpy(inputs.numbers(*shape, salt=salt)).to(dtype)


def close(result, exact):
    tolerance = {torch.float32: 1e-4, torch.float64: 1e-12}[result.dtype]
    return result.shape == exact.shape and torch.allclose(result.double(), exact, rtol=0, atol=tolerance)


def same(result, array):
    return np.array_equal(result.detach().numpy(), array)


@pytest.fixture
def counted(monkeypatch):
    """Counts the calls of NumPy's product."""
    calls = []
    compute = portable_matmul._compute
    monkeypatch.setattr(portable_matmul, "_compute", lambda *given: (calls.append(1), compute(*given)))
    return calls


@pytest.fixture
def exact():
    """The sum of products, element by element, in float64: through no kernel that is routed."""

    def exact(a, b):
        return (a.double().unsqueeze(-1) * b.double().unsqueeze(-3)).sum(-2)

    return exact


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_product_is_numpys(shape, dtype, counted, exact):
    rows, inner, columns = shape
    a, b = make(rows, inner, dtype=dtype), make(inner, columns, salt=1, dtype=dtype)
    expected = exact(a, b)
    for left in (a, a.t().contiguous().t()):
        for right in (b, b.t().contiguous().t()):
            assert same(left @ right, left.numpy() @ right.numpy())
            assert close(left @ right, expected)
    assert len(counted) == 8
    assert (a @ b).is_contiguous()
    out = torch.empty(0, dtype=dtype)
    assert torch.mm(a, b, out=out) is out
    assert same(out, a.numpy() @ b.numpy())
    assert same(F.linear(a, b.t()), a.numpy() @ b.numpy())


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_views_that_openblas_could_not_take(dtype, counted, exact):
    whole = make(200, 600, dtype=dtype)
    views = [
        (whole[::2, ::3], whole[1::2, 1::3].t()),
        (whole[:1].expand(90, 600), whole[:150].t()),
        (whole[:, :1].expand(200, 300), whole[:, 5].as_strided((300, 40), (1, 1))),
        (whole[3:, 7:], whole[:190, 7:].t()),
        (whole.flip(0).as_strided((100, 100), (0, 0)), whole[:100]),
        (whole, whole.t()),
    ]
    for at, (a, b) in enumerate(views, start=1):
        assert close(a @ b, exact(a, b))
        assert len(counted) == at
    pairs = torch.complex(whole, whole)
    negative = pairs.conj().imag  # a view of `whole` that is to be negated
    assert negative.is_neg()
    assert torch.equal(negative @ whole.t(), -whole @ whole.t())
    assert len(counted) == len(views) + 2


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_sums_with_a_product_are_torchs(dtype, counted, exact):
    a, b = make(67, 129, dtype=dtype), make(129, 53, salt=1, dtype=dtype)
    product = exact(a, b)
    added = [make(*shape, salt=2, dtype=dtype) for shape in ((67, 53), (53,), (67, 1), (1, 53), (1,), ())]
    for c in added:
        for beta, alpha in ((1, 1), (0.5, 1), (1, -2), (0.25, 0.3), (0, 3), (-1, True)):
            expected = beta * c.double() + alpha * product
            result = torch.addmm(c, a, b, beta=beta, alpha=alpha)
            assert close(result, expected)
            assert result.is_contiguous()
            out = torch.empty(0, dtype=dtype)
            assert torch.addmm(c, a, b, beta=beta, alpha=alpha, out=out) is out
            assert close(out, expected)
            placed = c.expand(67, 53).clone()
            assert placed.addmm_(a, b, beta=beta, alpha=alpha) is placed
            assert close(placed, expected)
    assert len(counted) == len(added) * 6 * 3
    assert same(F.linear(a, b.t(), added[1]), a.numpy() @ b.numpy() + added[1].numpy())


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_batches(dtype, counted, exact):
    a, b, c = (
        make(5, 67, 129, dtype=dtype),
        make(5, 129, 33, salt=1, dtype=dtype),
        make(5, 67, 33, dtype=dtype),
    )
    expected = exact(a, b)
    for left in (a, a.mT.contiguous().mT, a.transpose(0, 1).contiguous().transpose(0, 1)):
        assert same(left @ b, left.numpy() @ b.numpy())
        assert close(left @ b, expected)
    assert len(counted) == 6
    assert close(a[:1].expand(5, 67, 129) @ b, exact(a[:1].expand(5, 67, 129), b))
    assert same(torch.bmm(a, b, out=torch.empty(0, dtype=dtype)), a.numpy() @ b.numpy())
    assert close(torch.baddbmm(c, a, b, beta=0.5, alpha=2), 0.5 * c.double() + 2 * expected)
    assert close(torch.baddbmm(c[0, 0], a, b), c[0, 0].double() + expected)
    assert close(c.clone().baddbmm_(a, b), c.double() + expected)
    assert len(counted) == 11
    assert close(torch.addbmm(c[0], a, b, beta=0.5) / 5, (0.5 * c[0].double() + expected.sum(0)) / 5)
    assert close(torch.einsum("bij,bjk->bki", a, b), expected.mT)
    assert len(counted) > 11


def test_what_is_not_to_be_read_is_not_read():
    a, b = make(67, 129), make(129, 53)
    nothing = torch.full((67, 53), torch.nan)
    assert torch.equal(torch.addmm(nothing, a, b, beta=0), a @ b)
    assert torch.equal(nothing.clone().addmm_(a, b, beta=0), a @ b)
    c = make(67, 53)
    assert torch.equal(torch.addmm(c, a * INFINITE, b, alpha=0), c)


def test_a_result_may_lie_where_a_factor_lies(exact):
    a, b = make(70, 70), make(70, 70, salt=1)
    expected = exact(a, b)
    for compute in (
        lambda a, b: torch.mm(a, b, out=a),
        lambda a, b: torch.mm(a, b, out=b),
        lambda a, b: torch.bmm(a[None], b[None], out=b[None])[0],
        lambda a, b: b.addmm_(a, b, beta=0),
        lambda a, b: torch.addmm(a[0], a, b, beta=0, out=a),
    ):
        assert close(compute(a.clone(), b.clone()), expected)
    strided = torch.zeros(70, 140)[:, ::2]
    assert torch.mm(a, b, out=strided) is strided
    assert torch.equal(strided, a @ b)


@pytest.mark.parametrize(
    ("compute", "said"),
    [
        (lambda a: torch.mm(a, a[:-1]), "cannot be multiplied"),
        (lambda a: torch.mm(a, a.double()), "same dtype"),
        (lambda a: torch.mm(a[None], a[None]), "must be a matrix"),
        (lambda a: torch.bmm(a[None], a.expand(2, 80, 80)), "size for first two dimensions"),
        (lambda a: torch.mm(a, a, out=a.double()), "Expected out tensor to have dtype float"),
        (lambda a: torch.mm(a, a, out=a[0].expand(80, 80)), "more than one element"),
        (lambda a: torch.addmm(a[:3, 0], a, a), "expanded size"),
        (lambda a: torch.addmm(a.double(), a, a), "same dtype"),
        (lambda a: a[0].addmm_(a, a), "should match"),
        (lambda a: torch.addmm(a, a, a, alpha=1j), "must not be a complex number"),
    ],
)
def test_what_torch_refuses_is_refused(compute, said):
    with pytest.raises(RuntimeError, match=said):
        compute(make(80, 80))


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.complex64, torch.int64, torch.int8], ids=str
)
def test_other_types_are_left_alone(dtype, counted):
    a = (make(70, 70) * 4).to(dtype)
    assert (a @ a).dtype == torch.addmm(a, a, a).dtype == torch.bmm(a[None], a[None]).dtype == dtype
    if dtype == torch.complex64:
        assert torch.allclose(a.conj() @ a.t(), (a @ a.mH).conj())
    assert counted == []


def test_sparse_matrices_and_small_ones_are_left_alone(counted):
    a = make(70, 70)
    assert torch.allclose(a.to_sparse() @ a, torch.sparse.mm(a.to_sparse(), a))
    small = make(63, 64)
    assert torch.equal(small[:0] @ small.t(), torch.empty(0, 63))
    assert torch.equal(small[:, :0] @ small[:, :0].t(), torch.zeros(63, 63))
    assert (small @ small.t()).shape == (63, 63)
    assert (make(7, 4000) @ make(4000, 200)).shape == (7, 200)
    assert make(1000, 1000).mv(make(1000)).shape == (1000,)
    assert counted == []


def test_infinities_are_told_by_no_warning(recwarn):
    a = make(70, 70)
    a[0, :2] = torch.tensor([torch.inf, -torch.inf])
    assert (a @ a.abs()).isnan().any()
    assert [str(warned.message) for warned in recwarn if issubclass(warned.category, RuntimeWarning)] == []


def test_gradients_flow(monkeypatch):
    monkeypatch.setattr(portable_matmul, "SMALLEST", 1)
    monkeypatch.setattr(portable_matmul, "THINNEST", 1)
    a, b, c = (make(*shape, dtype=torch.float64).requires_grad_() for shape in ((2, 3, 4), (2, 4, 3), (3, 3)))
    functions = [
        (torch.bmm, (a, b)),
        (torch.baddbmm, (c, a, b)),
        (lambda c, a, b: torch.addmm(c, a[0], b[0], beta=0.5, alpha=2), (c, a, b)),
        (lambda c, a, b: F.linear(a, b[0].t(), c[0]), (c, a, b)),
        (lambda a, b: a[0] @ b[0], (a, b)),
    ]
    for function, given in functions:
        assert torch.autograd.gradcheck(function, given)
        assert torch.autograd.gradgradcheck(function, given)
    assert torch.func.vmap(torch.mm)(a, b).shape == (2, 3, 3)
    with torch.no_grad():
        c.addmm_(a[0], b[0])
    assert c.requires_grad
    with torch.inference_mode():
        assert (a[0] @ b[0]).is_inference()
    with torch.device("meta"):
        assert (a[0] @ b[0]).device.type == "cpu"


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 3, 16])
def test_threads_share_large_products(number, threads, counted, exact):
    pairs = [
        (make(211, 203), make(203, 199, salt=1)),
        (make(9, 1100), make(1100, 900, salt=1).t().contiguous().t()),
        (make(17, 70, 131), make(17, 131, 67, salt=1)),
        (make(1, 211, 203), make(1, 203, 199)),
    ]
    threads(number)
    for a, b in pairs:
        counted.clear()
        assert close((a @ b).double().float() / 8, exact(a, b) / 8)
        assert len(counted) == number
    counted.clear()
    assert (make(100, 100) @ make(100, 100)).shape == (100, 100)
    assert len(counted) == 1


FORKED = """
import os, torch, samebits.torch
samebits.torch.make_deterministic()
a = torch.ones(256, 256) / 3
first = (a @ a).numpy().tobytes()
if (child := os.fork()) == 0:
    os._exit((a @ a).numpy().tobytes() != first)
print(torch.get_num_threads(), os.waitpid(child, 0)[1])
"""


def test_a_child_process_has_threads_of_its_own(start):
    done = start("python", "-c", FORKED, PROFILE="portable", SAMEBITS_THREADS="2", timeout=60)
    assert done.stdout.split() == ["2", "0"]


BITS = """
import hashlib, os, torch, samebits.torch
if CORES:
    os.sched_setaffinity(0, CORES)
samebits.torch.make_deterministic()
a, b = (torch.sin(torch.arange(n * 300.0)) for n in (301, 299))
print(repr(hashlib.sha256((a.view(301, 300) @ b.view(300, 299)).numpy().tobytes()).hexdigest()))
"""


def test_the_host_s_cores_do_not_matter(start):
    """As many threads give the same bits on one core as on all."""
    hashes = [
        printed(start, BITS.replace("CORES", cores), PROFILE="portable", SAMEBITS_THREADS="3")
        for cores in ("{min(os.sched_getaffinity(0))}", "None")
    ]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("given", ["plain", "mask", "floating mask", "causal", "scale", "grouped"])
def test_attention_is_made_of_products(given, monkeypatch, counted):
    mask = make(67, 71) > -0.3
    mask[3] = False
    named = {
        "plain": {},
        "mask": {"attn_mask": mask},
        "floating mask": {"attn_mask": make(67, 71)},
        "causal": {"is_causal": True},
        "scale": {"scale": 0.3},
        "grouped": {"enable_gqa": True},
    }[given]
    query = make(8, 4, 67, 32).requires_grad_()
    key, value = (make(8, 2 if given == "grouped" else 4, 71, 32, salt=salt) for salt in (1, 2))

    def compute():
        result = F.scaled_dot_product_attention(query, key, value, **named)
        return result, torch.autograd.grad(result.square().sum(), query)[0]

    made = compute()
    assert len(counted) == 4  # two forwards, two backwards: of the weights and of the query
    with torch.no_grad():
        assert torch.equal(F.scaled_dot_product_attention(query, key, value, **named), made[0])
    monkeypatch.setattr(portable_matmul, "ATTENTION", 2**62)
    for ours, theirs in zip(made, compute(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_attention_that_would_fill_memory_or_is_small_or_chosen_is_torchs_own(monkeypatch):
    def attend(*shape, **named):
        query = make(*shape)
        return F.scaled_dot_product_attention(query, query, query, **named)

    monkeypatch.setattr(torch.ops.aten, "_scaled_dot_product_attention_math", None)
    assert attend(1, 1, 520, 32).shape == (1, 1, 520, 32)
    assert attend(1, 2, 20, 32).shape == (1, 2, 20, 32)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION):
        assert attend(8, 4, 67, 32).shape == (8, 4, 67, 32)
    assert attend(8, 4, 67, 32, is_causal=True, attn_mask=make(67, 67)).shape == (8, 4, 67, 32)
    with pytest.raises(TypeError):
        attend(8, 4, 67, 32)
