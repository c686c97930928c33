"""The digest that devices compute: by every bit, place, shape and type, as Python's integers give it."""

import math
import random

import pytest
import torch

from samebits.torch import device_digest
from samebits.torch.device_digest import LANES, PHI, device_digests, device_rows, words

MASK = (1 << 64) - 1


def digest(tensor):
    return device_digests([tensor])[0]


def mix(number, constants):
    first, factor, second, again, last = constants
    number ^= number >> first
    number = number * factor & MASK
    number ^= number >> second
    number = number * again & MASK
    return number ^ number >> last


def lanes(content):
    """The same by Python's integers, from bytes."""
    content += bytes(-len(content) % 8)
    numbers = [int.from_bytes(content[at : at + 8], "little") for at in range(0, len(content), 8)]
    for constants, start in LANES:
        keys = [mix((at * PHI + start) & MASK, constants) for at in range(len(numbers))]
        total = sum(mix(number ^ key, constants) for number, key in zip(numbers, keys, strict=True)) & MASK
        yield total - (1 << 64) if total >> 63 else total


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 64, 1000])
def test_lanes_are_those_of_pythons_integers(size, monkeypatch):
    content = random.Random(size).randbytes(size)
    tensor = torch.tensor(list(content), dtype=torch.uint8)
    assert device_digest._lanes(words(tensor)).tolist() == [list(lanes(content))]
    monkeypatch.setattr(device_digest, "PART", 5)  # added in parts
    assert device_digest._lanes(words(tensor)).tolist() == [list(lanes(content))]
    for short in (2, 1 << 12):  # alone, or together with others
        monkeypatch.setattr(device_digest, "SHORT", short)
        seen = device_digest._together([words(part) for part in (tensor[:9], tensor, tensor[1:])])
        parts = (content[:9], content, content[1:])
        assert [each.tolist() for each in seen] == [[list(lanes(part))] for part in parts]


def variants():
    """Tensors that differ in one thing; no two of them may have the same digest."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    nan = torch.full((3,), math.nan)
    other = nan.clone()
    other.view(torch.int32)[1] += 1
    flipped = base.clone()
    flipped.view(torch.int32)[2, 3] ^= 1
    swapped = base.clone()
    swapped[0, 0], swapped[0, 1] = base[0, 1], base[0, 0]
    return {
        "base": base,
        "transposed": base.t(),
        "reshaped": base.reshape(6, 4),
        "flat": base.reshape(-1),
        "one more dimension": base[None],
        "rows permuted": base[[1, 0, 2, 3]],
        "columns permuted": base[:, [1, 0, 2, 3, 4, 5]],
        "swapped": swapped,
        "reversed": base.flip(0),
        "one bit": flipped,
        "integers": base.to(torch.int32),
        "the same bits as integers": base.view(torch.int32),
        "double": base.double(),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "complex": torch.complex(base, base),
        "conjugate": torch.complex(base, base).conj(),
        "zero": torch.zeros(3),
        "minus zero": -torch.zeros(3),
        "more zeros": torch.zeros(4),
        "zeros of bytes": torch.zeros(12, dtype=torch.uint8),
        "nan": nan,
        "another nan": other,
        "infinity": torch.full((3,), math.inf),
        "no element": torch.zeros(0),
        "no element of two dimensions": torch.zeros(0, 3),
        "no element, the other way": torch.zeros(3, 0),
        "a number": torch.tensor(0.0),
        "true": torch.tensor([True, False]),
        "false": torch.tensor([False, True]),
        "bytes": torch.tensor([1, 0], dtype=torch.uint8),
        "long": torch.arange(24),
    }


def test_whatever_differs_has_another_digest():
    made = variants()
    seen = dict(zip(made, device_digests(list(made.values())), strict=True))
    assert len(set(seen.values())) == len(made), [
        (a, b) for a in seen for b in seen if a < b and seen[a] == seen[b]
    ]
    assert all(digest(tensor) == seen[name] for name, tensor in made.items())  # alone or together


def test_how_a_tensor_lies_in_memory_does_not_count():
    base = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    wide = torch.zeros(6, 10)
    wide[:, 1:6] = base
    shifted = torch.cat([torch.zeros(1), base.reshape(-1)])[1:].reshape(6, 5)  # begins within a word
    for same in (wide[:, 1:6], base.t().contiguous().t(), shifted, torch.nn.Parameter(base)):
        assert digest(same) == digest(base)
    turned = torch.complex(base, base)
    assert digest(turned.conj()) == digest(turned.conj().resolve_conj())


def test_rows_have_digests_of_their_own():
    for dtype in (torch.float32, torch.float64, torch.uint8, torch.bfloat16):
        base = torch.arange(15).reshape(5, 3).to(dtype)
        text = device_rows(base)
        parts = [text[at : at + 16] for at in range(0, len(text), 16)]
        assert len(parts) == len(set(parts)) == 5
        assert device_rows(base[[3, 0]]) == parts[3] + parts[0]
    assert device_rows(torch.tensor(1.0)) is None
    assert device_rows(torch.zeros(0, 3)) is None


def test_no_two_of_many_tensors_agree_in_half_of_their_bits():
    """Of n digests of b bits, n²/2ᵇ⁺¹ pairs agree by chance: none in 64 bits, some in 24."""
    many = []
    for at in range(64 * 128):  # each differs from zero in one bit
        tensor = torch.zeros(128, dtype=torch.int64)
        tensor[at // 64] = -(1 << 63) if at % 64 == 63 else 1 << at % 64
        many.append(tensor)
    counted = torch.zeros(2048, 16, dtype=torch.int64)
    counted[:, 3] = torch.arange(2048)
    many += [*counted, *torch.cat([counted[:, 8:], counted[:, :8]], 1)[1:]]
    digests = device_digests(many)
    for part in (slice(0, 16), slice(16, 32)):
        assert len({text[part] for text in digests}) == len(digests)
    expected = len(digests) ** 2 / 2 / 2**24
    agreeing = len(digests) - len({text[:6] for text in digests})
    assert abs(agreeing - expected) < 6 * math.sqrt(expected) + 1
    bits = sum(int(text, 16).bit_count() for text in digests)
    assert abs(bits / (128 * len(digests)) - 0.5) < 0.001


def test_each_bit_changes_half_of_each_lane():
    """A word's bit reaches every bit of both sums."""
    tensor = torch.arange(4)
    changes = [[0] * 64, [0] * 64]
    start = device_digest._lanes(words(tensor))[0]
    tries = 0
    for at in range(4):
        for bit in range(63):
            other = tensor.clone()
            other[at] ^= 1 << bit
            tries += 1
            for lane, (a, b) in enumerate(zip(start, device_digest._lanes(words(other))[0], strict=True)):
                for place in range(64):
                    changes[lane][place] += (int(a) ^ int(b)) >> place & 1
    for lane in changes:
        assert min(lane) > 0.3 * tries
        assert max(lane) < 0.7 * tries


def test_tensors_of_other_kinds_are_left_to_the_cpu(monkeypatch):
    monkeypatch.setattr(device_digest, "_on_cpu", lambda: True)
    assert device_digest.is_for(torch.ones(2))
    sparse = torch.eye(3).to_sparse()
    quantised = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    for other in (sparse, quantised, torch.empty(2, device="meta"), torch.nn.UninitializedParameter(), 1.0):
        assert not device_digest.is_for(other)
    monkeypatch.setattr(device_digest, "_on_cpu", lambda: False)
    assert not device_digest.is_for(torch.ones(2))
