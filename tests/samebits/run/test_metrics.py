"""metrics.jsonl: what was written after a checkpoint is taken back."""

import hashlib

import pytest

from samebits import UsageError
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


def test_what_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"cannot write .*run: No such file or directory"):
        Metrics(tmp_path / "nowhere" / "metrics.jsonl", tmp_path / "run").append({})
