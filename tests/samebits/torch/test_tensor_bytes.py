"""The bytes of tensors whose values are in no memory as they are read."""

import pytest
import torch

from samebits.torch.tensor_bytes import raw

COMPLEX = torch.tensor([1 + 2j, -0.5 - 3j])


@pytest.mark.parametrize(
    "view", [COMPLEX.conj(), COMPLEX.conj().imag, COMPLEX.conj()[1:], torch.zeros(2).neg()]
)
def test_a_view_gives_the_bytes_of_its_values(view: torch.Tensor) -> None:
    assert bytes(raw(view)) == bytes(raw(torch.tensor(view.tolist(), dtype=view.dtype)))
