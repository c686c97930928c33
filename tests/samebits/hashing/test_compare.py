"""What differs between two runs is found, counted and said."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from samebits.errors import UsageError
from samebits.hashing import compare, weights


def save(path: Path, **tensors: np.ndarray) -> Path:
    weights.save_tensors(dict(weights.describe_array(name, array) for name, array in tensors.items()), path)
    return path


def difference(tmp_path: Path, a: np.ndarray, b: np.ndarray) -> compare.TensorDifference | None:
    return compare.compare_weights(save(tmp_path / "a", w=a), save(tmp_path / "b", w=b))[0]


def run(folder: Path, metrics: list[dict[str, object]], **tensors: np.ndarray) -> Path:
    folder.mkdir()
    save(folder / "weights.safetensors", **tensors)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
    return folder


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "float8_e5m2", "float8_e4m3fn", "complex64"]
)
def test_ulps_count_the_floats_between(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    real = np.dtype("float32") if dtype == "complex64" else kind
    a = np.ones((3, 4), dtype=real)
    b = a.copy()
    bits = b.view(f"u{real.itemsize}")
    bits[1, 1] += 3  # three floats further
    bits[2, 0] -= 1
    if dtype == "complex64":
        a, b = a.view(dtype), b.view(dtype)
    result = difference(tmp_path, a, b)
    assert result is not None
    assert (result.name, result.reason, result.elements, result.of) == ("w", "values", 2, 12)
    assert (result.distance, result.unit, result.not_numbers) == (3, "ULP", 0)
    assert str(result) == "w: 2 of 12 elements differ, by at most 3 ULPs"


def test_ulps_go_through_zero_and_to_the_ends(tmp_path: Path) -> None:
    smallest = np.float32(1e-45)
    result = difference(tmp_path, np.array([smallest]), np.array([-2 * smallest]))
    assert result is not None
    assert result.distance == 3
    largest = np.finfo(np.float64).max
    result = difference(tmp_path, np.array([largest]), np.array([-largest]))
    assert result is not None
    assert result.distance == 2 * (0x7FF0_0000_0000_0000 - 1)  # does not fit into 64 bits with a sign
    result = difference(tmp_path, np.array([np.inf]), np.array([np.finfo(np.float64).max]))
    assert result is not None
    assert result.distance == 1


def test_zeros_of_other_sign_differ_by_nothing(tmp_path: Path) -> None:
    result = difference(tmp_path, np.array([0.0, 1.0]), np.array([-0.0, 1.0]))
    assert result is not None
    assert (result.elements, result.distance) == (1, 0)
    assert "only in the sign of zero" in str(result)


def test_nan_is_no_distance(tmp_path: Path) -> None:
    nan = np.array([np.nan, 1, 2], dtype=np.float32)
    assert difference(tmp_path, nan, nan.copy()) is None, "the same NaN is the same bits"
    result = difference(tmp_path, nan, np.array([0, 1, 2], dtype=np.float32))
    assert result is not None
    assert (result.elements, result.not_numbers, result.distance) == (1, 1, 0)
    assert str(result).endswith("differ, NaN")
    one_up = np.nextafter(np.float32(2), np.float32(3))
    result = difference(tmp_path, nan, np.array([0, 1, one_up], dtype=np.float32))
    assert str(result).endswith("2 of 3 elements differ, by at most 1 ULP, and 1 of them NaN")


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("int64", -(2**63), 2**63 - 1), ("uint8", 0, 255), ("int16", -5, 7), ("bool", 0, 1)],
)
def test_integers_differ_by_their_difference(tmp_path: Path, dtype: str, low: int, high: int) -> None:
    result = difference(tmp_path, np.array([low, 1], dtype=dtype), np.array([high, 1], dtype=dtype))
    assert result is not None
    assert (result.elements, result.distance, result.unit) == (1, high - low, "1")
    assert "ULP" not in str(result)


def test_other_names_types_and_shapes_are_named(tmp_path: Path) -> None:
    four = np.zeros(4, np.float32)
    result = difference(tmp_path, four, four.astype(np.float16))
    assert str(result) == "w: dtype F32 and F16"
    result = difference(tmp_path, four, four.reshape(2, 2))
    assert str(result) == "w: shape (4,) and (2, 2)"
    a, b = save(tmp_path / "a", b=four, c=four), save(tmp_path / "b", b=four, a=four)
    result, count, of = compare.compare_weights(a, b)
    assert str(result) == "a: only the second run has it"
    assert (count, of) == (2, 3)


def test_layer_2_comes_before_layer_10(tmp_path: Path) -> None:
    tensors = {f"layers.{at}.weight": np.full(2, at, np.float32) for at in (10, 2, 1)}
    other = {**tensors, "layers.10.weight": np.zeros(2), "layers.2.weight": np.ones(2, np.float32)}
    result, count, of = compare.compare_weights(
        save(tmp_path / "a", **tensors), save(tmp_path / "b", **other)
    )
    assert result is not None
    assert (result.name, count, of) == ("layers.2.weight", 2, 3)


def test_differences_in_every_chunk_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "CHUNK", 7)
    a = np.arange(1, 21, dtype=np.float32)
    b = a.copy()
    b[[0, 8, 19]] = np.nextafter(b[[0, 8, 19]], np.float32(np.inf))
    b[0] = np.nextafter(b[0], np.float32(np.inf))  # the largest difference is not in the last chunk
    result = difference(tmp_path, a, b)
    assert result is not None
    assert (result.elements, result.of, result.distance) == (3, 20, 2)


def test_empty_and_scalar_tensors(tmp_path: Path) -> None:
    assert difference(tmp_path, np.zeros((0, 3)), np.zeros((0, 3))) is None
    result = difference(tmp_path, np.array(1.0), np.array(2.0))
    assert result is not None
    assert (result.elements, result.of) == (1, 1)


def test_runs_of_the_same_bits(tmp_path: Path) -> None:
    metrics = [{"epoch": 1, "loss": float("nan"), "batches": "ab"}]
    weight = np.ones(3)
    result = compare.compare_runs(
        run(tmp_path / "a", metrics, w=weight), run(tmp_path / "b", metrics, w=weight)
    )
    assert result.same
    assert json.loads(json.dumps(result.as_json()))["same"] is True


def test_a_metric_that_is_no_number_any_more_differs(tmp_path: Path) -> None:
    """It is null in the file; runs of before had NaN there."""
    runs = {
        name: run(tmp_path / name, [{"epoch": 1, "loss": loss}], w=np.ones(3))
        for name, loss in (("null", None), ("nan", float("nan")), ("half", 0.5))
    }
    assert compare.compare_runs(runs["null"], runs["nan"]).same
    differs = compare.compare_runs(runs["null"], runs["half"])
    assert str(differs.metric) == "line 1, loss: null and 0.5"


def test_metrics_and_batches_are_told_apart(tmp_path: Path) -> None:
    lines = [{"epoch": 1, "loss": 0.5, "batches": "a"}, {"epoch": 2, "loss": 0.25, "batches": "b"}]
    other = [
        {"epoch": 1, "loss": 0.5, "batches": "a"},
        {"epoch": 2, "loss": 0.2500000000000001, "batches": "c"},
    ]
    weight = np.ones(3)
    result = compare.compare_runs(run(tmp_path / "a", lines, w=weight), run(tmp_path / "b", other, w=weight))
    assert not result.same
    assert result.tensor is None
    assert result.batches == 2
    assert result.lines() == [
        "weights  the same",
        "metrics  first difference in line 2, loss: 0.25 and 0.2500000000000001",
        "batches  other data from epoch 2 on",
    ]


@pytest.mark.parametrize(
    ("line", "metrics", "batches"),
    [
        ({"epoch": 1}, "none were logged", "none were recorded"),
        ({"epoch": 1, "batches": "a"}, "none were logged", "the same"),
        ({"epoch": 1, "loss": 0.5}, "the same", "none were recorded"),
        (None, "none were logged", "none were recorded"),
    ],
)
def test_what_nobody_recorded_is_not_called_the_same(
    tmp_path: Path, line: dict[str, object] | None, metrics: str, batches: str
) -> None:
    folders = [run(tmp_path / name, [line] if line else [], w=np.ones(1)) for name in "ab"]
    result = compare.compare_runs(*folders)
    assert result.same
    assert result.lines() == ["weights  the same", f"metrics  {metrics}", f"batches  {batches}"]


def test_what_only_one_run_recorded_differs(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [{"epoch": 1, "batches": "a"}], w=np.ones(1))
    b = run(tmp_path / "b", [{"epoch": 1}], w=np.ones(1))
    assert compare.compare_runs(a, b).lines()[2] == "batches  other data from epoch 1 on"


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "float8_e5m2", "float8_e4m3fn", "complex64"]
)
def test_numbers_that_are_none_are_counted_by_tensor(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    holed, whole = np.ones((2, 3), dtype=kind), np.ones(2, dtype=kind)
    holed[0, 1] = holed[1, 2] = np.nan
    if dtype != "float8_e4m3fn":  # which has no infinity
        whole[0], holed[0, 0] = np.inf, -np.inf
    counts = np.arange(3)  # whole numbers are numbers
    tensors = {"a": whole, "b10": holed, "b9": holed, "c": counts}
    folders = [run(tmp_path / name, [{"loss": 1}], **tensors) for name in ("one", "other")]
    assert list(compare.not_numbers(folders[0] / "weights.safetensors").items()) == [("b9", 2), ("b10", 2)]
    result = compare.compare_runs(*folders)
    assert result.same
    assert result.lines()[0] == "weights  the same, and they hold NaN in b9 (2 values), b10 (2 values)"


def test_a_missing_line_is_a_difference(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [{"loss": 1}, {"loss": 2}], w=np.ones(1))
    b = run(tmp_path / "b", [{"loss": 1}], w=np.ones(1))
    assert str(compare.compare_runs(a, b).metric) == "line 2, loss: 2 and absent"


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", (10**12).to_bytes(8, "little") + b"{}"])
def test_what_is_no_safetensors_file_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match="a is not a safetensors file"):
        compare.compare_weights(tmp_path / "a", tmp_path / "a")


def test_a_missing_run_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only finished runs can be compared"):
        compare.compare_runs(tmp_path / "a", tmp_path / "b")
