"""The run folder: put in place whole, and no former run is lost."""

import hashlib
import json

import numpy as np
import pytest
from tests.conftest import FRAMEWORKS

import samebits
from samebits import WrongUse
from samebits.run import _choose_folder, _feed, _put_in_place, git_state, read_manifest
from starter.settings import Settings


def finished(folder, weights):
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "weights_sha256": weights}))
    return folder


def test_equal_weights_replace_the_former_run(tmp_path):
    finished(tmp_path / "run", "a" * 64)
    said = _put_in_place(finished(tmp_path / ".work", "a" * 64), tmp_path / "run", "a" * 64)
    assert said == "the same bits as the run that was here before"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_other_weights_keep_the_former_run_under_its_hash(tmp_path):
    finished(tmp_path / "run", "a" * 64)
    said = _put_in_place(finished(tmp_path / ".work", "b" * 64), tmp_path / "run", "b" * 64)
    assert "run.aaaaaaaa" in said
    assert read_manifest(tmp_path / "run")["weights_sha256"] == "b" * 64
    assert read_manifest(tmp_path / "run.aaaaaaaa")["weights_sha256"] == "a" * 64


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(WrongUse, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_the_folder_is_named_after_what_is_not_at_its_default(monkeypatch):
    monkeypatch.delenv("SAMEBITS_RUN_FOLDER", raising=False)
    assert str(_choose_folder(Settings(), "torch", None)) == "runs/torch"
    assert str(_choose_folder(Settings(seed=7, epochs=5), "torch", None)) == "runs/torch-seed=7-epochs=5"
    monkeypatch.setenv("SAMEBITS_RUN_FOLDER", "/elsewhere/1")
    assert str(_choose_folder(Settings(seed=7), "torch", None)) == "/elsewhere/1"


def test_an_image_says_whether_its_commit_was_clean(monkeypatch):
    for given, dirty in (("c" * 40, False), ("c" * 40 + "-dirty", True)):
        monkeypatch.setenv("SAMEBITS_COMMIT", given)
        assert git_state() == {"commit": "c" * 40, "dirty": dirty}


def digest(batch):
    sha256 = hashlib.sha256()
    _feed(sha256, batch)
    return sha256.hexdigest()


def test_a_batchs_digest_sees_values_order_shape_and_type():
    x = np.arange(6, dtype=np.float32)
    y = np.arange(3)
    batches = [
        (x, y),
        (y, x),
        (x[::-1], y),
        (x.reshape(2, 3), y),
        (x.astype(np.float64), y),
        {"x": x, "y": y},
    ]
    assert len({digest(batch) for batch in batches}) == len(batches)
    assert digest((x, y)) == digest((x.copy(), y.copy()))


def test_somebody_elses_input_error_keeps_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check", lambda strict: None)
    with (
        pytest.raises(ConnectionResetError),
        samebits.open_run(Settings(), framework=FRAMEWORKS[0], folder=tmp_path / "run"),
    ):
        raise ConnectionResetError(104, "Connection reset by peer")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check", lambda strict: None)
    with (
        pytest.raises(WrongUse, match=r"without `run\.finish\(model\)`"),
        samebits.open_run(Settings(), framework=FRAMEWORKS[0], folder=tmp_path / "run"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
