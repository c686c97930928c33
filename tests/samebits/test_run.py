"""The run folder: put in place whole, and no former run is lost."""

import hashlib
import json
import random

import numpy as np
import pytest
import torch

import samebits.torch
from samebits import WrongUse, derive_seed
from samebits.run import Run, _choose_folder, _feed, _put_in_place, read_manifest
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


def test_a_batchs_digest_takes_torch_tensors_of_every_type():
    values = torch.arange(6.0)
    kinds = [values, values.bfloat16(), values.half(), values.int(), values > 2, values.to(torch.complex64)]
    assert len({digest(value) for value in kinds}) == len(kinds)
    assert digest(values.reshape(2, 3).T) == digest(values.reshape(2, 3).T.contiguous())


def test_every_step_of_every_epoch_has_generators_of_its_own(tmp_path):
    samples = torch.utils.data.TensorDataset(torch.arange(8.0))
    loader = samebits.torch.loader(samples, seed=0, batch_size=2)
    run = Run(Settings(), "torch", "cpu", tmp_path / "run", samebits.torch)
    seeds, drawn = [], []
    for _ in range(3):
        for _batch in run.batches(loader):
            seeds.append(torch.initial_seed())
            drawn.append((random.random(), np.random.random(), torch.rand(()).item()))
            torch.rand(3)  # stray draws, which the next step must not notice
    assert len(set(seeds)) == len(set(drawn)) == 12
    assert seeds == [derive_seed(0, "step", epoch, step) for epoch in range(3) for step in range(4)]


def test_somebody_elses_input_error_keeps_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check", lambda strict: None)
    with (
        pytest.raises(ConnectionResetError),
        samebits.open_run(Settings(), framework="torch", folder=tmp_path / "run"),
    ):
        raise ConnectionResetError(104, "Connection reset by peer")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check", lambda strict: None)
    with (
        pytest.raises(WrongUse, match=r"without `run\.finish\(model\)`"),
        samebits.open_run(Settings(), framework="torch", folder=tmp_path / "run"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
