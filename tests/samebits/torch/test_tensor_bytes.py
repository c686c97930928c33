"""The bytes of tensors whose values are in no memory as they are read."""

from pathlib import Path

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

from samebits.hashing.digest import digest
from samebits.torch.tensor_bytes import raw

COMPLEX = torch.tensor([1 + 2j, -0.5 - 3j])


@pytest.mark.parametrize(
    "view", [COMPLEX.conj(), COMPLEX.conj().imag, COMPLEX.conj()[1:], torch.zeros(2).neg()]
)
def test_a_view_gives_the_bytes_of_its_values(view: torch.Tensor) -> None:
    assert bytes(raw(view)) == bytes(raw(torch.tensor(view.tolist(), dtype=view.dtype)))


def test_a_distributed_tensor_counts_by_this_processs_part(tmp_path: Path) -> None:
    meet = f"file://{tmp_path}/meet"
    torch.distributed.init_process_group("gloo", init_method=meet, rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        x, unread = torch.arange(6.0).reshape(2, 3), set()
        parts = [distribute_tensor(part, mesh, [Shard(0)]) for part in (x, x.clone(), x + 1)]
        first, again, other = (digest(part, unread) for part in parts)
        assert first == again != other
        assert digest(distribute_tensor(x, mesh, [Replicate()])) not in (first, digest(x))
        assert not {name for name in unread if "Tensor" in name}
    finally:
        torch.distributed.destroy_process_group()
