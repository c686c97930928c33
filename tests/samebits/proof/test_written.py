"""What a command writes: found, moved aside, and compared tensor by tensor."""

import io
import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from samebits.errors import UsageError
from samebits.proof.written import Files


@pytest.fixture
def twice(tmp_path, monkeypatch):
    """Write files twice, as two trainings do, and tell the first difference in words."""
    monkeypatch.chdir(tmp_path)

    def twice(write, *patterns):
        files = Files(patterns or ("out/*",), tmp_path / "kept")
        written = []
        for number in (1, 2):
            os.makedirs("out", exist_ok=True)
            write(number)
            written.append(files.take())
        difference = written[0].difference(written[1])
        files.give_back(written[0])
        return None if difference is None else str(difference)

    return twice


class Own:
    """An object that only a pickle holds."""


def state(number):
    return {"model": {"weight": torch.full((2, 2), float(number)), "bias": torch.zeros(2)}, "epoch": 3}


def config(*shared):
    """Of objects that are shared, by where they lie, which is never the same."""
    addresses = [int.from_bytes(os.urandom(5)) for _ in range(2)]
    return json.dumps([{"class_name": "DTypePolicy", "shared_object_id": addresses[at]} for at in shared])


def keras(number):
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file["layers/dense/vars/0"] = np.full(3, number)
    with zipfile.ZipFile("out/model.keras", "w") as archive:
        archive.writestr("metadata.json", os.urandom(8).hex())  # the date
        archive.writestr("config.json", config(0, 0, 1))
        archive.writestr("model.weights.h5", held.getvalue())


def hdf5(number):
    with h5py.File("out/model.h5", "w") as file:
        file["dense/kernel"] = np.full(3, number)
        file["dense/bias"] = np.zeros(3)


WRITERS = {
    "torch": (
        lambda n: torch.save(state(n), "out/m.pt"),
        "out/m.pt: 1 of 3 parts differ; the first is model.weight",
    ),
    "numpy": (
        lambda n: np.savez("out/a.npz", a=np.ones(2), b=np.full(2, n)),
        "out/a.npz: 1 of 2 parts differ; the first is b",
    ),
    "safetensors": (
        lambda n: save_file({"w": np.full(2, n)}, "out/w.safetensors"),
        "out/w.safetensors: 1 of 1 parts differ; the first is w",
    ),
    "keras": (keras, "out/model.keras: 1 of 2 parts differ; the first is layers/dense/vars/0"),
    "hdf5": (hdf5, "out/model.h5: 1 of 2 parts differ; the first is dense/kernel"),
    "text": (lambda n: Path("out/log.txt").write_text(str(n)), "out/log.txt: other bytes"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_the_first_part_that_differs_is_named(twice, kind):
    write, said = WRITERS[kind]
    assert twice(write) == said
    assert twice(lambda number: write(7)) is None


def test_which_objects_a_model_of_keras_shares_is_compared(twice):
    def write(number):
        with zipfile.ZipFile("out/model.keras", "w") as archive:
            archive.writestr("config.json", config(0, 0, 1) if number == 1 else config(0, 1, 1))

    assert twice(write) == "out/model.keras: 1 of 1 parts differ; the first is config.json"


def test_a_pickle_is_refused_without_running_it(twice):
    with pytest.raises(UsageError, match=r"m.pt holds objects that only running code in it could read"):
        twice(lambda number: torch.save({"own": Own(), "number": number}, "out/m.pt"))


def test_a_damaged_file_is_one_line(twice):
    def write(number):
        with open("out/a.npz", "wb") as file:
            file.write(b"PK" + bytes([number]))

    with pytest.raises(UsageError, match=r"^out/a.npz cannot be read: "):
        twice(write)


def test_only_what_a_training_wrote_is_compared_and_stays(twice, tmp_path):
    os.makedirs("out/deep")
    (tmp_path / "out/old.txt").write_text("from before")

    def write(number):
        (tmp_path / "out/deep/new.txt").write_text("new")
        if number == 1:
            (tmp_path / "out/once.txt").write_text("cached")

    assert twice(write, "out/**") == "out/once.txt: only the first of two runs wrote it"
    names = sorted(path.name for path in (tmp_path / "out").rglob("*.txt"))
    assert names == ["new.txt", "old.txt", "once.txt"]
