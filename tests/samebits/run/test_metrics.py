"""metrics.jsonl: what was written after a checkpoint is taken back."""

import hashlib
import json
import math

import numpy as np
import pytest

from samebits import UsageError
from samebits.run import plots
from samebits.run.metrics import Metrics


def test_lines_after_a_place_are_taken_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = Metrics(path, tmp_path)
    first.append({"epoch": 1, "loss": 0.1})
    place = first.saved()["metrics"]
    assert place == {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    first.append({"epoch": 2, "loss": 0.2})
    whole = path.read_text()

    second = Metrics(path, tmp_path)
    second.restore({"collected": {}, "metrics": place})
    assert second.lines == [{"epoch": 1, "loss": 0.1}]
    assert second.saved()["metrics"] == place
    second.append({"epoch": 2, "loss": 0.2})
    assert path.read_text() == whole
    assert second.saved()["metrics"] == first.saved()["metrics"]


def test_what_is_no_finite_number_is_null_in_the_file_and_shown_as_it_is(tmp_path):
    """Any reader of JSON takes the file: `jq`, JavaScript, `json.loads` that refuses constants."""
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path, tmp_path)
    metrics.append({"epoch": 1, "loss": 0.5})
    shown = metrics.append({"epoch": 2, "loss": np.float32("nan"), "rates": [1.0, {"a": (-math.inf,)}]})
    assert str(shown["loss"]) == "nan"

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    lines = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    assert lines == metrics.lines == [
        {"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None, "rates": [1.0, {"a": [None]}]}
    ]  # fmt: skip
    assert plots.draw(metrics.lines).startswith(b"\x89PNG"), "a gap in the curve"
    again = Metrics(path, tmp_path)
    again.restore({"collected": {}, "metrics": metrics.saved()["metrics"]})
    assert again.lines == lines


def test_what_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"cannot write .*run: No such file or directory"):
        Metrics(tmp_path / "nowhere" / "metrics.jsonl", tmp_path / "run").append({})
