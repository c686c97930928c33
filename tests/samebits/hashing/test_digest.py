"""A digest sees every bit, position, shape and type, whatever it is of, and is fast."""

import collections
import dataclasses
import enum
import time
from typing import Any

import numpy as np
import pytest
import torch
import xxhash
from torch.nn.utils.rnn import pack_sequence

from samebits.hashing.digest import DIGITS, ROW_DIGITS, digest, rows


def all_other(*values: Any) -> bool:
    return len({digest(value) for value in values}) == len(values)


def test_the_algorithm_is_what_the_page_says() -> None:
    """Anybody can make a digest again."""
    x = np.arange(6, dtype="f4").reshape(2, 3)
    seed = xxhash.xxh3_64_intdigest(b"float32 (2, 3)")
    assert digest(x) == xxhash.xxh3_128_hexdigest(x.tobytes(), seed)
    assert len(digest(x)) == DIGITS


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_values_positions_shapes_and_types_count(make: Any) -> None:
    x = np.arange(1, 13, dtype="f4").reshape(3, 4)
    swapped = x.copy()
    swapped[0, [0, 1]] = x[0, [1, 0]]
    others = [
        x,
        swapped,
        x.T.copy(),
        x.reshape(4, 3),
        x.reshape(-1),
        x.reshape(1, 3, 4),
        x[[1, 0, 2]],
        x[::-1].copy(),
        x.view("i4"),
        x.astype("f8"),
        x.astype("f2"),
        x.astype("i8"),
        x.astype("i4"),
        x > 3,
        x * 1j,
        x[:2],
        x[:0],
        x[:, :0],
        np.nextafter(x, np.float32(99)),
    ]
    assert all_other(*map(make, others))
    assert digest(make(x)) == digest(x)
    assert digest(make(np.asfortranarray(x))) == digest(make(x[:, ::-1].copy()[:, ::-1].copy())) == digest(x)


def test_bits_count_and_not_what_they_are_equal_to() -> None:
    nans = np.array([0x7FC00000, 0x7FC00001, 0xFFC00000, 0x7F800001], "u4").view("f4")
    zeros = np.array([0.0, -0.0], "f4")
    # One number at a time, as an array, a scalar, and a tensor.
    for values in (nans, zeros):
        assert all_other(*(values[n : n + 1] for n in range(len(values))))
        assert all_other(*(torch.from_numpy(values[n : n + 1]) for n in range(len(values))))
        assert all_other(*values)
    assert all_other(0.0, -0.0, 0, False, None, "0", b"0", np.float64(0), np.float32(0))
    payload = float(np.array(0x7FF8000000000001, "u8").view("f8"))
    assert all_other(float("nan"), payload)
    assert digest(np.array([1, 2], ">i4")) == digest(np.array([1, 2], "<i4"))


@pytest.mark.parametrize("elements", [10**8, pytest.param(10**9, marks=pytest.mark.slow)])
def test_one_flipped_bit_is_seen(elements: int) -> None:
    memory = torch.zeros(elements, dtype=torch.uint8)
    before = digest(memory)
    for at in (0, elements // 3, elements - 1):
        memory[at] = 1 << 5
        assert digest(memory) != before
        memory[at] = 0
    assert digest(memory) == before


def test_rows_tell_order_from_content() -> None:
    x = torch.randn(5, 2, 3)

    def split(text: str | None) -> list[str]:
        assert text is not None
        return [text[at : at + ROW_DIGITS] for at in range(0, len(text), ROW_DIGITS)]

    order = torch.tensor([3, 1, 0, 4, 2])
    assert split(rows(x[order])) == [split(rows(x))[n] for n in order]
    assert rows(x.numpy()) == rows(x) == rows(x.transpose(1, 2).contiguous().transpose(1, 2))
    changed = x.clone()
    changed[2, 0, 0] += 1
    assert [a == b for a, b in zip(split(rows(x)), split(rows(changed)), strict=True)] == [1, 1, 0, 1, 1]
    assert rows(x.to(torch.bfloat16)) == rows(x.to(torch.bfloat16).view(torch.int16))
    for without in (torch.tensor(1.0), torch.zeros(0, 3), torch.zeros(3, 0), x.to_sparse(), "abc", [x]):
        assert rows(without) is None
    assert rows(torch.zeros(2, dtype=torch.complex64)) == rows(torch.zeros(2, dtype=torch.float64))


def test_views_count_by_their_values() -> None:
    x = torch.randn(4, 6, dtype=torch.complex64)
    for view in (x.conj(), x.conj().imag, x.T, x[::2, 1::2], x.expand(2, 4, 6), x[:, None, ::3]):
        assert digest(view) == digest(view.clone().resolve_conj().resolve_neg().contiguous())
    assert x.conj().imag.is_neg()
    assert all_other(x, x.conj(), x.T, x.mT.conj(), x.real, x.imag)
    image = torch.randn(2, 3, 4, 5)
    assert digest(image.to(memory_format=torch.channels_last)) == digest(image)
    assert digest(torch.nn.Parameter(image)) == digest(image.requires_grad_()) == digest(image.detach())


SPECIAL = (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex32, torch.bool, torch.uint16)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", SPECIAL, ids=str)
def test_types_that_numpy_lacks(dtype: torch.dtype) -> None:
    unread: set[str] = set()
    x = torch.tensor([[0.0, 1.0], [2.0, 0.0]]).to(dtype)
    y = torch.tensor([[0.0, 1.0], [0.0, 2.0]]).to(dtype)
    assert digest(x, unread) != digest(y, unread)
    assert digest(x.T, unread) == digest(x.T.contiguous(), unread)
    assert digest(y.T, unread) != digest(y, unread)
    assert digest(x[:0], unread) != digest(x.to(torch.float32)[:0], unread)
    assert not unread


@pytest.mark.filterwarnings("ignore:Sparse|.*prototype|.*deprecated")
def test_tensors_that_are_not_dense() -> None:
    unread: set[str] = set()
    dense = torch.zeros(4, 4)
    dense[0, 1], dense[2, 3] = 1.0, -2.0
    moved = dense[[2, 1, 0, 3]]
    changed = dense * 2
    forms = [
        torch.Tensor.to_sparse,
        torch.Tensor.to_sparse_csr,
        torch.Tensor.to_sparse_csc,
        lambda x: x.to_sparse_bsr((2, 2)),
        lambda x: x.to_sparse_bsc((2, 2)),
        torch.Tensor.to_mkldnn,
        lambda x: torch.quantize_per_tensor(x, 0.1, 3, torch.quint8),
        lambda x: torch.quantize_per_tensor(x, 0.1, 4, torch.quint8),
        lambda x: torch.quantize_per_tensor(x, 0.2, 3, torch.quint8),
        lambda x: torch.quantize_per_channel(x, torch.rand(4) * 0 + 0.1, torch.arange(4), 0, torch.qint8),
        lambda x: torch.nested.nested_tensor([x, x[:2]]),
        lambda x: torch.nested.nested_tensor([x, x[:2]], layout=torch.jagged),
    ]
    seen = set()
    for form in forms:
        first, again = digest(form(dense), unread), digest(form(dense.clone()), unread)
        assert first == again
        three = {first, digest(form(moved), unread), digest(form(changed), unread)}
        assert len(three) == 3, form
        seen |= three
    assert len(seen) == 3 * len(forms)
    shorter = [torch.nested.nested_tensor([dense[:n], dense[n:]], layout=torch.jagged) for n in (1, 2)]
    assert all_other(*shorter)
    assert not {name for name in unread if "Tensor" in name}


def test_tensors_without_values_are_named() -> None:
    unread: set[str] = set()
    inside = []
    digest([torch.empty(3, device="meta"), torch.nn.UninitializedParameter()], unread)
    torch.vmap(lambda x: inside.append(digest(x, unread)) or x)(torch.zeros(2))
    assert {name.rpartition(".")[2] for name in unread} == {
        "Tensor on meta",
        "UninitializedParameter on cpu",
        "Tensor on cpu",
    }
    assert all_other(torch.empty(3, device="meta"), torch.empty(4, device="meta"), torch.zeros(3))


class Image(torch.Tensor):
    """As fastai's: a subclass with methods of its own."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError("a user's code ran")


def test_a_subclass_is_read_without_its_code() -> None:
    x = torch.randn(3)
    assert digest(x.as_subclass(Image)) == digest(x)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Pair:
    a: Any
    b: Any = None


class Point(tuple):
    pass


class Word(str):
    pass


class Unknown:
    def __init__(self, x: int) -> None:
        self.x = x


def test_structures_are_told_apart() -> None:
    x, y = torch.ones(2), torch.zeros(2)
    named = collections.namedtuple("named", "a b")(x, y)
    assert all_other(
        [x, y],
        (x, y),
        [y, x],
        [[x], y],
        [x, [y]],
        [[x, y]],
        [x, y, []],
        named,
        Point((x, y)),
        {"a": x, "b": y},
        {"b": y, "a": x},
        {"a": y, "b": x},
        collections.OrderedDict(a=x, b=y),
        Pair(x, y),
        Pair(y, x),
        Pair(x),
        torch.stack([x, y]),
        [],
        (),
        {},
        "",
        b"",
        "ab",
        ["a", "b"],
        ["ab"],
        ["a", "b", None],
        Word("ab"),
        1,
        1.0,
        True,
        1 + 0j,
        Colour.RED,
        Colour.BLUE,
        range(3),
        slice(3),
        10**40,
        -1,
        {1, 2},
        frozenset({1, 3}),
        x.tolist(),
        x.numpy().astype(object),
        np.array(["a", "bc"]),
        "\udc80",
        np.ma.masked_array([1, 2], [0, 1]),
        np.ma.masked_array([1, 2], [1, 1]),
        np.zeros(2, "f4,i4"),
        np.array(["a"], object),
        np.datetime64("2020-01-01"),
        pack_sequence([x, y[:1]]),
        pack_sequence([x, x[:1]]),
    )
    assert digest([x, {"a": (y, 1)}]) == digest([x.clone(), {"a": (y.numpy(), 1)}])
    assert digest({"b", "a"}) == digest({"a", "b"})


def test_a_models_output_is_a_table() -> None:
    modeling_outputs = pytest.importorskip("transformers.modeling_outputs")
    x, y, unread = torch.ones(2), torch.zeros(2), set()
    made = [modeling_outputs.CausalLMOutput(loss=a, logits=b) for a, b in ((x, y), (y, x))]
    assert len({digest(each, unread) for each in made}) == 2
    assert not unread


def test_unknown_objects_count_by_their_class_and_are_named() -> None:
    unread: set[str] = set()
    assert digest(Unknown(1), unread) == digest([Unknown(2)][0], unread) != digest(Pair)
    assert [name.rpartition(".")[2] for name in unread] == ["Unknown"]


def test_what_holds_itself_ends() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    unread: set[str] = set()
    assert digest(loop, unread) == digest(loop)
    assert unread == {"builtins.list"}
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert digest(deep)


def test_bytes_that_nobody_wrote_do_not_count() -> None:
    padded = np.zeros(3, np.dtype([("a", "u1"), ("b", "f8")], align=True))
    other = padded.copy()
    other.view("u1").reshape(3, 16)[:, 1:8] = 7
    assert digest(padded) == digest(other)
    long = np.ones(3, np.longdouble)
    more = long.copy()
    more.view("u1").reshape(3, 16)[:, 10:] = 7
    assert digest(long) == digest(more) != digest(long * 2)


@pytest.mark.slow
def test_a_digest_is_as_fast_as_reading_the_memory() -> None:
    memory = torch.randint(0, 255, (1 << 28,), dtype=torch.uint8)
    words = memory.view(torch.int64).numpy()
    spent: dict[Any, float] = {}
    for _ in range(7):
        for read in (words.max, lambda: digest(memory)):
            began = time.perf_counter()
            read()
            name = getattr(read, "__name__", "")
            spent[name] = min(spent.get(name, 99), time.perf_counter() - began)
    speed = {name: memory.nbytes / seconds / 1e9 for name, seconds in spent.items()}
    print(f"digest {speed['<lambda>']:.1f} GB/s, reading {speed['max']:.1f} GB/s")
    assert speed["<lambda>"] >= 0.5 * speed["max"]
