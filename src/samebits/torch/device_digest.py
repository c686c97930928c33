"""Digests of dense tensors where they lie, such as on a GPU: a sum of mixed words, in integers only.

A tensor is its bytes row by row, little-endian, filled up with zeros to words of 64 bits. Word number i is
mixed with its place and with itself, and the words are added modulo 2⁶⁴:

    lane = Σ mix(word[i] XOR mix(i · φ + start))

Addition of integers is associative and commutative. So no order in which a device adds can matter, and a long
tensor may be added in parts. Two lanes, each with a mixing function and a start of its own, make 128 bits;
the digest is XXH3-128 of them, with the tensor's type and shape as its seed. Both mixing functions are
bijections of 64 bits in which each bit of the word changes each bit of the result with a probability near
one half:

- the finaliser of SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, 2014,
  https://doi.org/10.1145/2714064.2660195), with D. Stafford's constants "Mix13";
- the finaliser of MurmurHash3 (A. Appleby, https://github.com/aappleby/smhasher, `fmix64`).

φ is 2⁶⁴ divided by the golden ratio, SplitMix64's step. As `samebits.hashing.digest` it finds accidents, and
is no protection from somebody who wants two tensors to have the same digest.
"""

import functools
import os
import struct
from collections.abc import Sequence
from typing import Any

import torch
import xxhash

from samebits.hashing.digest import seed

KIND = "device 1"  # stands in each record that has such digests; it changes when the digest of anything does
ON_CPU = "SAMEBITS_RECORD_DEVICE_DIGEST"  # a variable: set, tensors on the CPU have these digests, too
PART = 1 << 22  # words that are mixed at once, so that 32 MB are needed beside the tensor a few times
SHORT = 1 << 12  # words of a tensor; those are mixed together
PHI = 0x9E3779B97F4A7C15
# Shift, factor, shift, factor, shift; then the lane's start.
LANES = (
    ((30, 0xBF58476D1CE4E5B9, 27, 0x94D049BB133111EB, 31), 0x243F6A8885A308D3),
    ((33, 0xFF51AFD7ED558CCD, 33, 0xC4CEB9FE1A85EC53, 33), 0x13198A2E03707344),
)
PLAIN = (torch.Tensor, torch.nn.Parameter)


def is_for(value: Any) -> bool:
    """Whether a value gets its digest here: a dense tensor with values that is not in the CPU's memory."""
    if type(value) not in PLAIN or value.is_meta or (value.is_cpu and not _on_cpu()):
        return False
    special = value.layout is not torch.strided or value.is_nested or value.is_quantized
    within = torch._C._functorch.is_functorch_wrapped_tensor(value)  # of vmap: without values of its own
    return not (special or within or torch.nn.parameter.is_lazy(value))


@functools.cache
def _on_cpu() -> bool:
    return bool(os.environ.get(ON_CPU))


def device_digests(tensors: Sequence[torch.Tensor]) -> list[str]:
    """The digests of tensors, with one copy from each device for all of them.

    Args:
        tensors: dense ones, of any shapes and types.

    Returns:
        32 hexadecimal digits each.
    """
    lanes = _to_host(_together([words(tensor) for tensor in tensors]))
    return [
        xxhash.xxh3_128_hexdigest(struct.pack("<2q", *lane), seed(tensor.dtype, tensor.shape))
        for tensor, (lane,) in zip(tensors, lanes, strict=True)
    ]


def device_rows(tensor: torch.Tensor) -> str | None:
    """The digests of a tensor's parts along its first dimension, as `samebits.hashing.digest.rows`.

    Returns:
        16 hexadecimal digits a row, in a string; None for what has no dimension or no element.
    """
    if not tensor.dim() or not tensor.numel():
        return None
    (lanes,) = _to_host([_lanes(words(tensor, len(tensor)))])
    return "".join([xxhash.xxh3_64_hexdigest(struct.pack("<2q", *lane)) for lane in lanes])


def words(tensor: torch.Tensor, rows: int = 1) -> torch.Tensor:
    """A tensor's bytes as words of 64 bits, filled up with zeros at the end of each row.

    Args:
        tensor: a dense one.
        rows: into how many parts it is cut.

    Returns:
        Of shape (rows, words of a row) and type int64.
    """
    whole = tensor.detach().resolve_conj().resolve_neg().contiguous()
    flat = whole.reshape(-1)
    content = flat.view(torch.uint8) if flat.numel() else flat.new_empty(0, dtype=torch.uint8)
    table = content.reshape(rows, -1)
    size = table.shape[1]
    if size % 8 or content.data_ptr() % 8 or content.storage_offset() % 8:
        filled = content.new_zeros((rows, size + -size % 8))
        filled[:, :size] = table
        table = filled
    return table.view(torch.int64) if table.numel() else table.new_empty((rows, 0), dtype=torch.int64)


def _to_host(lanes: list[torch.Tensor]) -> list[list[list[int]]]:
    """Lanes of several tensors, each of shape (rows, 2), as lists; one copy from each device."""
    numbers: list[list[list[int]]] = [[] for _ in lanes]
    for device in dict.fromkeys(each.device for each in lanes):
        places = [at for at, each in enumerate(lanes) if each.device == device]
        copied = torch.cat([lanes[at] for at in places]).tolist()
        for at in places:
            numbers[at], copied = copied[: len(lanes[at])], copied[len(lanes[at]) :]
    return numbers


def _together(tables: list[torch.Tensor]) -> list[torch.Tensor]:
    """The lanes of words of shape (1, words): many short ones at once, so that few kernels start."""
    lanes: list[torch.Tensor | None] = [None] * len(tables)
    short: dict[torch.device, list[int]] = {}
    for at, table in enumerate(tables):
        if table.numel() > SHORT:
            lanes[at] = _lanes(table)
            continue
        batch = short.setdefault(table.device, [])
        batch.append(at)
        if len(batch) * SHORT >= PART:
            _put(lanes, batch, tables)
            batch.clear()
    for batch in short.values():
        _put(lanes, batch, tables)
    return [each for each in lanes if each is not None]


def _put(lanes: list[torch.Tensor | None], batch: list[int], tables: list[torch.Tensor]) -> None:
    """The lanes of several tables, as differences of running sums: exact, since these are integers, too."""
    if not batch:
        return
    whole = torch.cat([tables[at][0] for at in batch])
    sizes = torch.tensor([tables[at].numel() for at in batch])
    ends = sizes.cumsum(0)
    begins, known = (ends - sizes).to(whole.device), sizes.to(whole.device)
    firsts = torch.repeat_interleave(begins, known, output_size=len(whole))
    places = torch.arange(len(whole), device=whole.device).sub_(firsts)
    sums = []
    for constants, start in LANES:
        running = whole.new_zeros(len(whole) + 1)
        torch.cumsum(_mixed(whole, places, constants, start), 0, out=running[1:])
        sums.append(running[ends.to(whole.device)] - running[begins])
    for at, lane in zip(batch, torch.stack(sums, 1).split(1), strict=True):
        lanes[at] = lane


def _mixed(part: torch.Tensor, places: torch.Tensor, constants: tuple[int, ...], start: int) -> torch.Tensor:
    keys = _mix((places * _signed(PHI)).add_(_signed(start)), constants)
    return _mix(part ^ keys, constants)


def _lanes(table: torch.Tensor) -> torch.Tensor:
    """The lanes of each row of words: of shape (rows, 2) and type int64."""
    sums = []
    for constants, start in LANES:
        total = table.new_zeros(len(table))
        step = max(1, PART // max(1, len(table)))
        for at in range(0, table.shape[1], step):
            part = table[:, at : at + step]
            places = torch.arange(at, at + part.shape[1], device=table.device)
            total += _mixed(part, places, constants, start).sum(1)
        sums.append(total)
    return torch.stack(sums, 1)


def _mix(numbers: torch.Tensor, constants: tuple[int, ...]) -> torch.Tensor:
    """Mix int64 numbers in place, as if they had no sign."""
    first, factor, second, again, last = constants
    _shifted(numbers, first).mul_(_signed(factor))
    _shifted(numbers, second).mul_(_signed(again))
    return _shifted(numbers, last)


def _shifted(numbers: torch.Tensor, by: int) -> torch.Tensor:
    """`numbers ^= numbers >> by`, in place; torch's own shift of a negative number brings ones in."""
    return numbers.bitwise_xor_((numbers >> by).bitwise_and_((1 << (64 - by)) - 1))


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
