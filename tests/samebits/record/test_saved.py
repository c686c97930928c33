"""Which of the files that a program wrote is the last complete checkpoint."""

import os
import pickle

import numpy as np
import pytest

from samebits.hashing.weights import describe_array, save_tensors
from samebits.record.saved import saved, stamps

SAVES = pickle.dumps({"weights": [1.0, 2.0]})


@pytest.fixture
def write(tmp_path):
    """Write files, each a second after the one before."""
    times = iter(range(1_700_000_000, 1_700_000_100))

    def write(*names: str, content: bytes = SAVES) -> None:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (at := next(times), at))

    return write


def test_what_was_written_last_comes_last(tmp_path, write):
    write("old.pkl", "out/step-2.pkl", "out/step-10.pkl", "data/train.bin")
    before = stamps(str(tmp_path))
    assert saved(str(tmp_path), before) == []
    write("out/step-2.pkl", "out/log.pkl")  # again
    write("out/metrics.jsonl", "out/note.txt", content=b"no state of a training")
    assert saved(str(tmp_path), before) == ["out/step-2.pkl", "out/log.pkl"]
    assert saved(str(tmp_path), before, ["out/log.pkl"]) == ["out/step-2.pkl"]
    assert saved(str(tmp_path), before, pattern="out/step-*") == ["out/step-2.pkl"]
    assert saved(str(tmp_path), before, pattern="**/*.txt") == ["out/note.txt"]
    assert saved(str(tmp_path), before, pattern="out") == ["out"]


def test_the_best_one_is_not_the_last_one(tmp_path, write):
    write("out/last.pkl", "out/best.pkl")
    assert saved(str(tmp_path), {}) == ["out/best.pkl", "out/last.pkl"]


def test_files_that_belong_together_are_a_folder(tmp_path, write):
    write("out/checkpoint-2/model.pkl", "out/checkpoint-2/trainer_state.json", "out/checkpoint-4/model.pkl")
    write("out/last/model.pkl", "out/last/optimizer.pkl", "logs/version_0/checkpoints/epoch=1-step=2.pkl")
    write("other/pytorch_model.pkl", "other/sub/random_states_0.pkl")
    assert saved(str(tmp_path), {}) == [
        "out/checkpoint-2",
        "out/checkpoint-4",
        "out/last",
        "logs/version_0/checkpoints/epoch=1-step=2.pkl",
        "other/pytorch_model.pkl",
        "other/sub",
    ]
    assert "out/checkpoint-4" not in saved(str(tmp_path), {}, ["out/checkpoint-4/model.pkl"])
    before = stamps(str(tmp_path))
    write("out/checkpoint-4/model.pkl")  # in a folder that was there: the file alone is new
    assert saved(str(tmp_path), before) == ["out/checkpoint-4/model.pkl"]


def test_what_is_not_named_yet_is_left_out(tmp_path, write):
    write(
        "tmp-checkpoint-2/model.pkl",
        "out/step-2.pkl.tmp",
        "out/.step-4.pkl",
        "out/step-6.pkl.part",
        "__pycache__/a.pkl",
    )
    assert saved(str(tmp_path), {}) == []


def test_a_file_that_is_cut_off_is_no_checkpoint(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["weights"] = np.arange(1000.0)
    with h5py.File(tmp_path / "new.h5", "w", libver="latest") as file:
        file["weights"] = np.arange(1000.0)
    np.savez(tmp_path / "b.npz", weights=np.arange(1000.0))
    (tmp_path / "c.pkl").write_bytes(SAVES)
    save_tensors(dict([describe_array("weights", np.arange(1000.0))]), tmp_path / "d.safetensors")
    (tmp_path / "ckpt-1.index").write_bytes(b"a table" + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb")
    names = [
        "a.h5",
        "b.npz",
        "c.pkl",
        "ckpt-1",
        "d.safetensors",
        "new.h5",
    ]  # of TensorFlow's: as it is loaded
    assert sorted(saved(str(tmp_path), {})) == names
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert saved(str(tmp_path), {}) == []
