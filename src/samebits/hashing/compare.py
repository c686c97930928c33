"""Compare two finished runs, bit by bit: weights, metrics, batches.

Weights are read tensor by tensor from memory-mapped files, so that a model larger than memory can be
compared. Nothing here imports a framework: every number format is understood from its bits.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from samebits._json_files import parse
from samebits._printable import some
from samebits.errors import UsageError
from samebits.hashing.weights import ITEM_BYTES, Stored, read_header

Content = TypeVar("Content")
CHUNK = 1 << 22  # elements compared at a time: at most 32 MiB of each file, and as much for the sums

# The bits of infinity without their sign; what is above it is no number. Distances between floats are
# counted on these bits: neighbouring floats are neighbouring integers.
INFINITY = {
    "F64": 0x7FF0_0000_0000_0000,
    "F32": 0x7F80_0000,
    "F16": 0x7C00,
    "BF16": 0x7F80,
    "F8_E5M2": 0x7C,
    "F8_E4M3": 0x7E,  # this format has no infinity: 0x7E is its largest number
    "C64": 0x7F80_0000,  # a pair of F32
}
INTEGER = {"I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U64": "u8", "U32": "u4", "U16": "u2"}
UNSIGNED = "u1"  # booleans, bytes, and formats that are not in these tables


@dataclass(frozen=True)
class TensorDifference:
    """The first tensor that differs; tensors are gone through by name, numbers in names counting as numbers.

    Attributes:
        name: of the tensor.
        reason: "values"; or "missing", "dtype" or "shape", and then `detail` says what is where.
        elements: how many elements differ in their bits, of `of`. A complex number counts as two.
        distance: the largest difference: of floats in ULPs (0 when only signs of zero differ), of integers
            as it is.
        unit: "ULP", or "1" for integers.
        not_numbers: elements that differ and are NaN in one of the files or both; `distance` leaves them out.
        infinite: elements that differ and are infinite in one of the files or both.
    """

    name: str
    reason: str
    detail: str = ""
    elements: int = 0
    of: int = 0
    distance: int = 0
    unit: str = "ULP"
    not_numbers: int = 0
    infinite: int = 0

    def __str__(self) -> str:
        return f"{self.name}: {self.words}"

    @property
    def words(self) -> str:
        """How it differs, without its name."""
        if self.reason != "values":
            return self.detail
        if self.unit == "ULP" and self.distance == 0 and not self.not_numbers:
            size = "only in the sign of zero"
        elif self.elements == self.not_numbers:
            size = "NaN"
        else:
            unit = {"1": "", "ULP": " ULP" if self.distance == 1 else " ULPs"}[self.unit]
            size = f"by at most {self.distance:,}{unit}"
            if self.not_numbers:
                size += f", and {self.not_numbers:,} of them NaN"
            if self.infinite:
                size += f", and {self.infinite:,} of them infinite"
        return f"{self.elements:,} of {self.of:,} elements differ, {size}"


@dataclass(frozen=True)
class MetricDifference:
    """The first line of metrics.jsonl (counted from 1) that differs, and the first field in it."""

    line: int
    field: str
    first: Any
    second: Any

    def __str__(self) -> str:
        values = ("null" if value is None else value for value in (self.first, self.second))
        return f"line {self.line}, {self.field}: {' and '.join(map(str, values))}"


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs; `same` when nothing does.

    Attributes:
        tensor: the first tensor that differs.
        tensors: how many tensors differ, of `of_tensors` (of both files together).
        metric: the first metric that differs, batches left out.
        batches: the first line of metrics.jsonl (counted from 1; an epoch each, in the starters) that saw
            other batches.
        logged: whether any line of either has a metric; without one, nothing was compared.
        recorded: the same for the digests of batches.
        not_numbers: where the weights are the same: how many NaN each tensor holds; see `not_numbers`.
    """

    first: str
    second: str
    tensor: TensorDifference | None
    tensors: int
    of_tensors: int
    metric: MetricDifference | None
    batches: int | None
    logged: bool = True
    recorded: bool = True
    not_numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        return self.tensor is None and self.metric is None and self.batches is None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"same": self.same, **dataclasses.asdict(self)}

    def lines(self) -> list[str]:
        """What differs, for people: one line each for weights, metrics and batches."""
        weights = "the same"
        if self.tensor is not None:
            weights = f"{self.tensors} of {self.of_tensors} tensors differ; the first is {self.tensor}"
        elif self.not_numbers:
            weights = f"the same, and they {holding_nan(self.not_numbers)}"
        metrics = "the same" if self.logged else "none were logged"
        if self.metric is not None:
            metrics = f"first difference in {self.metric}"
        batches = "the same" if self.recorded else "none were recorded"
        if self.batches is not None:
            batches = f"other data from epoch {self.batches} on"
        return [f"weights  {weights}", f"metrics  {metrics}", f"batches  {batches}"]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare two run folders.

    Raises:
        UsageError: a file is missing or is not what its name says.
    """
    weights, metrics = "weights.safetensors", "metrics.jsonl"
    tensor, tensors, of_tensors = compare_weights(first / weights, second / weights)
    metric, batches = compare_metrics(first / metrics, second / metrics)
    there = {name for path in (first, second) for line in _read(path / metrics, _lines) for name in line}
    return Comparison(
        str(first),
        str(second),
        tensor,
        tensors,
        of_tensors,
        metric,
        batches,
        logged=bool(there - {"epoch", "batches"}),
        recorded="batches" in there,
        not_numbers={} if tensor else not_numbers(first / weights),
    )


def not_numbers(path: Path) -> dict[str, int]:
    """How many NaN the tensors of a safetensors file hold; those without one are left out.

    A complex number counts as two.

    Raises:
        UsageError: the file is missing or is not what its name says.
    """
    here = _read(path, read_header)
    counts = {name: _count_nan(here[name]) for name in sorted(here, key=_by_number)}
    return {name: count for name, count in counts.items() if count}


def _count_nan(stored: Stored) -> int:
    if stored.dtype not in INFINITY:
        return 0
    return sum(int(np.count_nonzero(is_nan(bits, stored.dtype))) for bits in _chunks(stored))


def holding_nan(counts: Mapping[str, int]) -> str:
    """Which tensors hold NaN, in words.

    >>> holding_nan({"0.bias": 32, "0.weight": 1})
    'hold NaN in 0.bias (32 values), 0.weight (1 value)'
    """
    named = [f"{name} ({count:,} value{'s' if count > 1 else ''})" for name, count in counts.items()]
    return f"hold NaN in {some(named)}"


def check_run(folder: Path) -> None:
    """Read of a run folder's files what `compare_runs` would, so that damage is named before work begins.

    Raises:
        UsageError: as `compare_runs`.
    """
    _read(folder / "weights.safetensors", read_header)
    _read(folder / "metrics.jsonl", _lines)


def compare_weights(first: Path, second: Path) -> tuple[TensorDifference | None, int, int]:
    """Compare two safetensors files.

    Returns:
        The first difference by name, how many tensors differ, and how many there are in both together.
    """
    here, there = (_read(path, read_header) for path in (first, second))
    first_difference: TensorDifference | None = None
    count = 0
    names = sorted({*here, *there}, key=_by_number)
    for name in names:
        difference = compare_tensor(
            name, here.get(name), there.get(name), count_elements=first_difference is None
        )
        if difference is not None:
            count += 1
            first_difference = first_difference or difference
    return first_difference, count, len(names)


def _by_number(name: str) -> list[tuple[int, int | str]]:
    """A sort key that puts layer 2 before layer 10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name)]


def compare_metrics(first: Path, second: Path) -> tuple[MetricDifference | None, int | None]:
    """The first metric that differs, and the first line whose batches differ, as text."""
    here, there = (_read(path, _lines) for path in (first, second))
    metric: MetricDifference | None = None
    batches: int | None = None
    for line in range(max(len(here), len(there))):
        a = here[line] if line < len(here) else {}
        b = there[line] if line < len(there) else {}
        for name in dict.fromkeys([*a, *b]):
            left, other = a.get(name, "absent"), b.get(name, "absent")
            if left == other:
                continue
            if name == "batches":
                batches = batches or line + 1
            elif metric is None:
                metric = MetricDifference(line + 1, name, left, other)
    return metric, batches


def _chunks(stored: Stored) -> Iterator[np.ndarray]:
    """A tensor's bits as unsigned integers, CHUNK at a time; complex numbers as pairs."""
    width = ITEM_BYTES.get(stored.dtype, 1) // (2 if stored.dtype == "C64" else 1)
    bits = np.memmap(stored.path, dtype=np.uint8, mode="r", offset=stored.start, shape=(stored.size,))
    for at in range(0, stored.size, CHUNK * width):
        yield np.frombuffer(bits[at : at + CHUNK * width], dtype=f"<u{width}")


def compare_tensor(
    name: str, here: Stored | None, there: Stored | None, count_elements: bool = True
) -> TensorDifference | None:
    """Compare two tensors in files, bit by bit.

    Args:
        name: of both.
        here, there: where they lie; None: one of the files lacks it.
        count_elements: False: only whether they differ is asked.

    Returns:
        The difference; None: they are the same.
    """
    if here is None or there is None:
        where = "first" if there is None else "second"
        return TensorDifference(name, "missing", f"only the {where} run has it")
    if here.dtype != there.dtype:
        return TensorDifference(name, "dtype", f"dtype {here.dtype} and {there.dtype}")
    if here.shape != there.shape:
        return TensorDifference(name, "shape", f"shape {here.shape} and {there.shape}")
    if here.size != there.size:  # of a type whose width is not known
        return TensorDifference(name, "shape", f"{here.size} bytes and {there.size}")
    return compare_bits(name, here.dtype, zip(_chunks(here), _chunks(there), strict=True), count_elements)


def compare_bits(
    name: str, dtype: str, pairs: Iterable[tuple[np.ndarray, np.ndarray]], count_elements: bool = True
) -> TensorDifference | None:
    """Compare two tensors of one type and shape, bit by bit.

    Args:
        name: of both.
        dtype: the format's name of their type, such as "F32".
        pairs: their elements' bits, part by part: unsigned integers of the elements' width. Complex numbers
            are pairs of numbers.
        count_elements: False: only whether they differ is asked.

    Returns:
        The difference; None: they are the same.
    """
    elements = of = distance = not_numbers = infinite = 0
    for a, b in pairs:
        of += a.size
        unequal = a != b
        if not unequal.any():
            continue
        elements += int(np.count_nonzero(unequal))
        if not count_elements:
            break  # only whether it differs is asked
        largest, nans = _distance(a[unequal], b[unequal], dtype)
        distance, not_numbers = max(distance, largest), not_numbers + nans
        infinite += _count_infinite(a[unequal], b[unequal], dtype)
    if not elements:
        return None
    unit = "ULP" if dtype in INFINITY else "1"
    return TensorDifference(name, "values", "", elements, of, distance, unit, not_numbers, infinite)


def _distance(a: np.ndarray, b: np.ndarray, dtype: str) -> tuple[int, int]:
    """The largest distance between elements given as bits, and how many are NaN on either side."""
    if dtype not in INFINITY:
        a, b = a.view(INTEGER.get(dtype, UNSIGNED)), b.view(INTEGER.get(dtype, UNSIGNED))
        high, low = np.maximum(a, b), np.minimum(a, b)
        unsigned = f"u{high.itemsize}"
        return int((high.view(unsigned) - low.view(unsigned)).max()), 0  # wraps to the right unsigned number
    sign = _sign(a)
    numbers = ~(is_nan(a, dtype) | is_nan(b, dtype))
    a, b = _ordered(a[numbers], sign), _ordered(b[numbers], sign)
    largest = int((np.maximum(a, b) - np.minimum(a, b)).max()) if a.size else 0
    return largest, int(numbers.size - np.count_nonzero(numbers))


def _count_infinite(a: np.ndarray, b: np.ndarray, dtype: str) -> int:
    """How many elements are infinite on either side."""
    if dtype not in INFINITY or dtype == "F8_E4M3":  # which has no infinity
        return 0
    infinity = np.array(INFINITY[dtype], dtype=a.dtype)
    return int(np.count_nonzero(((a & ~_sign(a)) == infinity) | ((b & ~_sign(b)) == infinity)))


def is_nan(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Which of the floats that `bits` stand for are no numbers."""
    return (bits & ~_sign(bits)) > INFINITY[dtype]


def _sign(bits: np.ndarray) -> np.ndarray:
    """The bit of the sign."""
    return np.array(1 << (bits.itemsize * 8 - 1), dtype=bits.dtype)


def _ordered(bits: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the floats that `bits` stand for; both zeros are one."""
    magnitude = bits & ~sign
    return np.where(bits & sign, sign - magnitude, sign + magnitude)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run folder's metrics.jsonl; fractions as their text.

    Raises:
        UsageError: the file is missing, or is not what its name says.
    """
    return _read(folder / "metrics.jsonl", _lines)


def read_weights(folder: Path) -> dict[str, Stored]:
    """Where each of a run folder's weights lies.

    Raises:
        UsageError: the file is missing, or is not what its name says.
    """
    return _read(folder / "weights.safetensors", read_header)


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        # Numbers stay text: what is shown is what the file says. NaN, as older runs have it, is null.
        lines = path.read_text(encoding="utf-8").splitlines()
        parsed = [parse(line, parse_float=str, parse_constant=lambda _: None) for line in lines]
    except ValueError:
        raise UsageError(f"{path} is not a file of JSON lines") from None
    if not all(isinstance(line, dict) for line in parsed):
        raise UsageError(f"{path} is not a file of JSON lines, each a table")
    return parsed


def _read(path: Path, read: Callable[[Path], Content]) -> Content:
    try:
        return read(path)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}; only finished runs can be compared"
        ) from None
