"""The canonical stream equals what the safetensors library writes, and its hash is that of the file."""

import json
import subprocess
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from samebits.errors import UsageError
from samebits.hashing import weights
from samebits.hashing.weights import describe, describe_array, hash_tensors, save_tensors

ODD_NAMES = ["layer/kernel:0", "é", 'a"b\\c', "tab\tline\n\x01\x7f", "\u2028", "😀", "", "Z", "a.b", "a-b"]


def described(arrays: dict[str, Any]) -> dict[str, weights.Tensor]:
    return dict(describe_array(name, array) for name, array in arrays.items())


def of_the_library(tensors: dict[str, weights.Tensor]) -> bytes:
    """The library's own bytes, from raw memory, so that types that NumPy lacks are covered."""
    library_names = {stored: name for name, stored in weights.DTYPES.items()}
    buffers = {name: np.frombuffer(bytearray(tensor.read()), np.uint8) for name, tensor in tensors.items()}
    specs = {
        name: safetensors.TensorSpec(
            dtype=library_names[tensor.dtype],
            shape=list(tensor.shape),
            data_ptr=buffers[name].ctypes.data,
            data_len=tensor.size,
        )
        for name, tensor in tensors.items()
    }
    return bytes(safetensors.serialize(specs))


def stream(tensors: dict[str, weights.Tensor]) -> bytes:
    return b"".join(bytes(chunk) for chunk in weights.chunks(tensors))


def test_every_type_in_the_librarys_order_and_bytes() -> None:
    random = np.random.default_rng(0)
    tensors = {}
    for prefix in ("b.", "a."):  # not in order, and two of each type
        for name, dtype in weights.DTYPES.items():
            shape = (3, 5)
            content = random.bytes(15 * weights.ITEM_BYTES[dtype])
            stored, tensor = describe(prefix + name, name, shape, lambda content=content: content)
            tensors[stored] = tensor
    assert stream(tensors) == of_the_library(tensors)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"one": np.array(1, np.float32)},
        {"empty": np.zeros((0, 3)), "also": np.zeros((2, 0, 4), np.int8), "some": np.arange(5)},
        {name: np.full(3, number, np.float32) for number, name in enumerate(ODD_NAMES)},
        {"long": np.arange(1 << 20, dtype=np.float64), "odd": np.arange(7, dtype=np.int8)},
    ],
    ids=["nothing", "scalar", "empty", "names", "several-chunks"],
)
def test_bytes_are_the_librarys(arrays: dict[str, Any]) -> None:
    assert stream(described(arrays)) == safetensors.numpy.save(arrays)


def test_memory_order_and_byte_order_do_not_matter() -> None:
    plain = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    variants = [plain, np.asfortranarray(plain), plain.astype(">f4"), np.repeat(plain, 2, axis=2)[:, :, ::2]]
    assert len({hash_tensors(described({"w": variant})) for variant in variants}) == 1
    assert hash_tensors(described({"w": plain})) != hash_tensors(described({"w": plain.reshape(2, 4, 3)}))
    assert hash_tensors(described({"w": plain})) != hash_tensors(described({"w": plain.view(np.int32)}))


def test_hash_is_sha256sum_of_the_file(tmp_path: Path) -> None:
    arrays = {"w": np.arange(1_000_003, dtype=np.float32), "b": np.ones(3, ml_dtypes.bfloat16)}
    file = tmp_path / "weights.safetensors"
    saved = save_tensors(described(arrays), file)
    by_others = subprocess.run(
        ["sha256sum", file], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert saved == hash_tensors(described(arrays)) == by_others


def test_the_library_reads_the_file(tmp_path: Path) -> None:
    arrays = {
        "w": np.arange(6).reshape(2, 3).T,
        "scalar": np.array(True),
        "z": np.array([1 + 2j], np.complex64),
    }
    save_tensors(described(arrays), tmp_path / "w")
    loaded = safetensors.numpy.load_file(tmp_path / "w")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
    with safetensors.safe_open(tmp_path / "w", framework="numpy") as file:
        assert file.metadata() is None


def test_complex128_is_told_from_pairs_of_reals(tmp_path: Path) -> None:
    numbers = np.array([[1 + 2j], [3 - 4j]])
    save_tensors(described({"z": numbers}), tmp_path / "w")
    loaded = safetensors.numpy.load_file(tmp_path / "w")
    assert list(loaded) == ["z:complex128"]
    np.testing.assert_array_equal(loaded["z:complex128"].view(np.complex128)[..., 0], numbers, strict=True)
    pairs = numbers.view(np.float64).reshape(2, 1, 2)
    assert hash_tensors(described({"z": pairs})) != hash_tensors(described({"z": numbers}))
    with pytest.raises(UsageError, match="'z:complex128' has a name that samebits keeps"):
        described({"z:complex128": pairs})


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("text", np.array(["a"]), "tensor 'text' is str32, which safetensors cannot store"),
        ("four", np.zeros(2, ml_dtypes.int4), "tensor 'four' is int4"),
        ("__metadata__", np.zeros(1), "cannot be called '__metadata__'"),
        ("\ud800", np.zeros(1), "not valid Unicode"),
    ],
)
def test_what_cannot_be_stored_is_one_line(name: str, array: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        hash_tensors(described({name: array}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_description_is_no_file(tmp_path: Path) -> None:
    _, tensor = describe("w", "float32", (3,), lambda: b"four")
    with pytest.raises(ValueError, match="4 bytes where 12 were described"):
        save_tensors({"w": tensor}, tmp_path / "w")
    assert not list(tmp_path.iterdir())


def test_one_tensor_at_a_time_is_held() -> None:
    held: list[str] = []

    def reader(name: str) -> bytes:
        held.append(name)
        return bytes(4)

    tensors = dict(describe(name, "float32", (1,), lambda name=name: reader(name)) for name in "ab")
    stream_of_both = weights.chunks(tensors)
    header = next(stream_of_both)
    assert held == []
    assert json.loads(bytes(header[8:]))["b"]["data_offsets"] == [4, 8]
    next(stream_of_both)
    assert held == ["a"]
