"""Two run folders: the first line of metrics that differs, and causes from the manifests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.samebits.diff import made
from tests.samebits.fingerprint.test_golden import changed, manifest
from tests.samebits.hashing.test_compare import run

from samebits.diff.command import command, compare
from samebits.errors import UsageError

LINES: list[dict[str, Any]] = [{"epoch": n, "loss": 1 / n, "batches": str(n) * 64} for n in (1, 2, 3)]
WEIGHTS = np.arange(6, dtype="f4")


def finished(path: Path, about: Any, lines: Any = LINES, weights: np.ndarray = WEIGHTS) -> Path:
    run(path, lines, w=weights)
    (path / "manifest.json").write_text(json.dumps(about))
    return path


def test_equal_runs_are_the_same(tmp_path: Path) -> None:
    paths = [finished(tmp_path / name, manifest(steps=12)) for name in "ab"]
    done = CliRunner().invoke(command, [*map(str, paths)], standalone_mode=False)
    assert done.return_value == 0
    assert done.output.startswith("same: 12 steps\n  weights  the same\n")


def test_the_first_line_that_differs_and_the_cause_are_named(tmp_path: Path) -> None:
    first = finished(tmp_path / "a", manifest())
    lines = [LINES[0], {**LINES[1], "batches": "f" * 64}, {**LINES[2], "loss": 0.5}]
    about = changed(manifest("b" * 64), "fingerprint", "data", "digits.csv.gz", to="7" * 64)
    about["chance"] = [{"kind": "listing", "source": "os.listdir", "where": "train.py:3", "fix": "sorted(…)"}]
    second = finished(tmp_path / "b", about, lines, WEIGHTS + 1)
    result = compare(first, second)
    assert str(result.place) == "line 2 of metrics.jsonl, the batches"
    assert [cause.kind for cause in result.causes] == ["data", "chance listing"]
    assert result.causes[1].where == "train.py:3"
    done = CliRunner().invoke(command, [str(first), str(second), "--json"], standalone_mode=False)
    assert done.return_value == 1
    told = json.loads(done.output)
    assert (told["same"], told["first_difference"]["what"]) == (False, "batch")


def test_a_metric_and_weights_are_named(tmp_path: Path) -> None:
    first = finished(tmp_path / "a", manifest())
    other = finished(tmp_path / "b", manifest(), [LINES[0], {**LINES[1], "loss": 0.25}, LINES[2]])
    text = "line 2 of metrics.jsonl, loss: 0.5 in A, 0.25 in B: batches equal"
    assert str(compare(first, other).place) == text
    weights = WEIGHTS.copy()
    weights[3] = np.nextafter(weights[3], np.float32(9))
    last = finished(tmp_path / "c", manifest(), LINES, weights)
    text = "the final weights, w: 1 of 6 elements differ, by at most 1 ULP: metrics and batches equal"
    assert str(compare(first, last).place) == text


def test_threads_come_first_where_numbers_differ(tmp_path: Path) -> None:
    first = finished(
        tmp_path / "a", changed(manifest(), "fingerprint", "effective", "torch", "threads", to=1)
    )
    about = changed(manifest("b" * 64), "fingerprint", "effective", "torch", "threads", to=2)
    about = changed(about, "fingerprint", "libraries", "torch", to="2.11.0")
    second = finished(tmp_path / "b", about, LINES, WEIGHTS + 1)
    assert [cause.kind for cause in compare(first, second).causes][:2] == ["threads", "versions"]


def test_a_run_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    first, second = (finished(tmp_path / name, manifest()) for name in "ab")
    (second / "weights.safetensors").write_bytes(b"abc")
    with pytest.raises(UsageError, match="is not a safetensors file"):
        compare(first, second)


def first_steps(folder: Path, **epoch: Any) -> None:
    """What a run records by itself, with another epoch."""
    begun = [event for event in made.training(1) if event["event"] in ("record", "names", "initial", "step")]
    ended = {"event": "epoch", "epoch": 1, "step": 1, "names": {"parameters": 0}}
    events = [*begun, {**ended, "parameters": made.digests("weights", 1), **epoch}]
    lines = (json.dumps(event, separators=(",", ":")) for event in events)
    (folder / "record.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_a_damaged_epoch_is_left_out(tmp_path: Path) -> None:
    first, second = (finished(tmp_path / name, manifest(steps=12)) for name in "ab")
    first_steps(first)
    first_steps(second, parameters=made.digests("other"))
    assert str(compare(first, second).place).startswith("the weights after epoch 1 (step 1): parameter")
    first_steps(second, parameters="no digests")
    assert compare(first, second).place is None


@pytest.mark.parametrize("link", [{}, {"from_step": "3"}, {"from_step": None}])
def test_a_damaged_chain_is_one_line(tmp_path: Path, link: dict[str, Any]) -> None:
    first = finished(tmp_path / "a", manifest(chain=[{}, {"from_step": 3}]))
    second = finished(tmp_path / "b", manifest(chain=[{}, link]))
    with pytest.raises(UsageError, match="chain"):
        compare(first, second)
