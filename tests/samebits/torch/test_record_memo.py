"""Digests that were just taken: they are those of the tensor as it is now."""

import pytest

torch = pytest.importorskip("torch")

from samebits.torch import record_memo  # noqa: E402
from samebits.torch.record_digests import digests  # noqa: E402
from samebits.torch.record_memo import Memo  # noqa: E402


def in_place(tensor):
    tensor[100, 100] += 1


def past_torch(tensor):
    tensor.numpy()[...] *= 2


def past_the_counter(tensor):
    tensor.data[0, 0] = 7


def other_memory(tensor):
    tensor.data = torch.ones_like(tensor)


def other_shape(tensor):
    tensor.t_()


@pytest.mark.parametrize("write", [in_place, past_torch, past_the_counter, other_memory, other_shape])
@pytest.mark.parametrize("size", [200, 3])
def test_what_is_written_is_read_again(write, size):
    memo, tensor = Memo(), torch.arange(size * 200, dtype=torch.float32).reshape(-1, 200)
    tensor = tensor if size > 100 else tensor.repeat(67, 1)[:130]  # just above and far above what is small
    before = memo.digests([tensor])
    assert before == digests([tensor])
    write(tensor)
    assert memo.digests([tensor]) == digests([tensor]) != before


def test_another_tensor_at_the_same_place_is_read():
    memo = Memo()
    for number in range(20):
        tensor = torch.full((64, 64), float(number))
        assert memo.digests([tensor]) == digests([tensor])
        del tensor


def test_a_tensor_is_read_once(monkeypatch):
    read = []
    monkeypatch.setattr(record_memo, "digests", lambda tensors: digests(read.extend(t := [*tensors]) or t))
    memo, tensor, small = Memo(), torch.randn(128, 128), torch.randn(4)
    for _ in range(3):
        memo.digests([tensor, small, tensor.t()])
    assert sum(each is tensor for each in read) == 1
    assert sum(each is small for each in read) == 3
    memo.clear()
    memo.digests([tensor])
    assert sum(each is tensor for each in read) == 2


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(1).expand(200, 200),
        torch.randn(200, 200).t(),
        torch.randn(100, 100, dtype=torch.complex64).conj(),
        torch.randn(200, 200).to_sparse(),
        torch.empty(0, 3),
        torch.randn(200, 200, device="meta"),
    ],
    ids=["expanded", "transposed", "conjugated", "sparse", "empty", "meta"],
)
def test_tensors_of_odd_kinds(tensor):
    memo = Memo()
    assert memo.digests([tensor]) == memo.digests([tensor]) == digests([tensor])
    with torch.inference_mode():
        inside = torch.ones(100, 100)
        before = memo.digests([inside])
        inside[50, 50] = 2
        assert memo.digests([inside]) != before
