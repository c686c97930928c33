"""Every kind of torch tensor and wrapper gives the bytes that one expects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from samebits._files import sha256_file
from samebits.errors import UsageError
from samebits.torch.weights import hash_weights, save_weights, tensors


class Net(nn.Module):
    """A convolution, batch normalisation (buffers, one of them a scalar integer), tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.embed = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("scratch", torch.zeros(2), persistent=False)


def net(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net()


def test_strict_loadable_with_tied_weights(tmp_path: Path) -> None:
    model = net()
    assert save_weights(model, tmp_path / "w") == hash_weights(model) == sha256_file(tmp_path / "w")
    loaded = safetensors.torch.load_file(tmp_path / "w")
    assert {"embed.weight", "head.weight", "norm.num_batches_tracked"} < loaded.keys()
    assert "scratch" not in loaded
    other = net(1)
    assert hash_weights(other) != hash_weights(model)
    other.load_state_dict(loaded, strict=True)
    assert hash_weights(other) == hash_weights(model)


def test_the_librarys_own_bytes(tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in net().state_dict().items()}  # it refuses tied ones
    safetensors.torch.save_file(state, tmp_path / "theirs")
    assert sha256_file(tmp_path / "theirs") == hash_weights(net()) == hash_weights(state)


COMPLEX = torch.tensor([[1 + 2j, 3 - 4j, -5j], [0, 7, 8 + 1j]])
IMAGES = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        (IMAGES.transpose(1, 3), IMAGES.transpose(1, 3).clone(memory_format=torch.contiguous_format)),
        (IMAGES.to(memory_format=torch.channels_last), IMAGES),
        (IMAGES[:, :, 1:3, ::2], IMAGES[:, :, 1:3, ::2].clone(memory_format=torch.contiguous_format)),
        (IMAGES[:1].expand(2, 3, 4, 5), IMAGES[:1].repeat(2, 1, 1, 1)),
        (COMPLEX.conj(), COMPLEX.conj_physical()),
        (COMPLEX.conj().imag, -COMPLEX.imag.contiguous()),
        (torch._neg_view(IMAGES), -IMAGES),
        (IMAGES.reshape(-1)[::3], IMAGES.reshape(-1)[::3].clone()),
        (COMPLEX.to(torch.complex128).conj().T, COMPLEX.to(torch.complex128).conj_physical().T.contiguous()),
        (nn.Parameter(IMAGES), IMAGES),
    ],
    ids=[
        "transposed",
        "channels-last",
        "sliced",
        "expanded",
        "conjugated",
        "imaginary",
        "negated",
        "strided",
        "complex128",
        "parameter",
    ],
)
def test_equal_values_are_equal_bytes(odd: torch.Tensor, plain: torch.Tensor) -> None:
    assert torch.equal(odd, plain)
    assert plain.is_contiguous()
    assert hash_weights({"w": odd}) == hash_weights({"w": plain})
    assert bytes(tensors({"w": odd}).popitem()[1].read()) == plain.resolve_conj().numpy().tobytes()


def test_every_type_comes_back(tmp_path: Path) -> None:
    state = {
        str(dtype): torch.tensor([0, 1, 1, 0]).to(dtype).reshape(2, 2)
        for dtype in [
            torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
            torch.uint16, torch.uint32, torch.uint64, torch.float16, torch.bfloat16, torch.float32,
            torch.float64, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2,
            torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
        ]
    }  # fmt: skip
    state |= {"empty": torch.empty(0, 3, dtype=torch.bfloat16), "scalar": torch.tensor(3, dtype=torch.int16)}
    save_weights(state, tmp_path / "w")
    loaded = safetensors.torch.load_file(tmp_path / "w")
    assert loaded.keys() == state.keys()
    for name, tensor in state.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        assert loaded[name].reshape(-1).view(torch.uint8).equal(tensor.reshape(-1).view(torch.uint8)), name
    safetensors.torch.save_file(state, tmp_path / "theirs")
    assert sha256_file(tmp_path / "theirs") == hash_weights(state)


def test_wrappers_add_nothing() -> None:
    expected = hash_weights(net())
    assert hash_weights(torch.compile(net())) == expected  # type: ignore[arg-type]
    assert hash_weights(nn.DataParallel(net())) == expected
    assert hash_weights(nn.DataParallel(torch.compile(net()))) == expected  # type: ignore[arg-type]
    inside = net()
    inside.conv = torch.compile(inside.conv)  # type: ignore[assignment]
    assert hash_weights(inside) == expected


def test_ddp_adds_nothing(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        assert hash_weights(nn.parallel.DistributedDataParallel(net())) == hash_weights(net())
        mesh = torch.distributed.init_device_mesh("cpu", (1,))
        with pytest.raises(UsageError, match="'w' is spread over processes"):
            hash_weights({"w": torch.distributed.tensor.distribute_tensor(torch.ones(2), mesh)})
    finally:
        torch.distributed.destroy_process_group()


def test_a_users_own_attribute_called_module_stays() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 2)
            self._orig_mod = nn.Linear(2, 2)

    names = {"module.weight", "module.bias", "_orig_mod.weight", "_orig_mod.bias"}
    assert tensors(Holder()).keys() == tensors(nn.DataParallel(Holder())).keys() == names


class WithState(nn.Linear):
    def get_extra_state(self) -> Any:
        return {"steps": 3}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WithState(2, 2), "'_extra_state' in the state dict is dict and no tensor"),
        (lambda: nn.Linear(2, 2, device="meta"), "'weight' is on the meta device"),
        (lambda: nn.LazyLinear(2), "'weight' has no shape yet: run one batch"),
        (lambda: {"s": torch.eye(3).to_sparse()}, "'s' is sparse_coo"),
        (lambda: {"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, "'q' is qint8"),
        (lambda: {3: torch.ones(1)}, "has 3 where the name of a tensor is expected"),
        (lambda: torch.ones(3), "not Tensor"),
    ],
    ids=["extra-state", "meta", "lazy", "sparse", "quantised", "name", "neither"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_stored_is_one_line(make: Callable[[], Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        save_weights(make(), tmp_path / "w")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_does_not_matter() -> None:
    assert hash_weights(net().cuda()) == hash_weights(net())


def test_a_scripted_module_has_its_names():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert hash_weights(torch.jit.script(model)) == hash_weights(model)
