"""Checkpoints on disk: whole or not there, and only the newest are kept."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import ROOT

from samebits import UsageError
from samebits.checkpoint.files import Damaged, find, prune, read, write
from samebits.hashing.weights import describe_array, stored_array


def tensors(value: float) -> dict:
    return dict([describe_array("a.b", np.full((2, 3), value)), describe_array("c", np.array([1 + 2j]))])


def test_it_comes_back(tmp_path: Path) -> None:
    write(tmp_path, 7, {"run": "x", "state": [0.1, None]}, tensors(0.5))
    checkpoint = read(find(tmp_path)[0])
    assert (checkpoint.content["step"], checkpoint.content["state"]) == (7, [0.1, None])
    assert stored_array("a.b", checkpoint.tensors["a.b"]).tolist() == [[0.5] * 3] * 2
    name = next(name for name in checkpoint.tensors if name.startswith("c"))
    assert stored_array(name, checkpoint.tensors[name]).tolist() == [1 + 2j]


def test_every_bit_counts(tmp_path: Path) -> None:
    folder = write(tmp_path, 7, {"value": 1.5}, tensors(0.5))
    for path in folder.iterdir():
        whole = path.read_bytes()
        step = max(1, len(whole) // 40)
        for at in range(0, len(whole), step):
            damaged = bytearray(whole)
            damaged[at] ^= 4
            path.write_bytes(damaged)
            with pytest.raises(Damaged, match=path.name):
                read(folder)
        path.write_bytes(whole)
    read(folder)


def test_one_that_was_moved_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, 7, {}, {})
    os.rename(folder, tmp_path / "step-00000009")
    with pytest.raises(Damaged, match="is the state of step 7: somebody moved it"):
        read(tmp_path / "step-00000009")


def test_the_newest_are_kept_and_those_asked_for(tmp_path: Path) -> None:
    for step in (1, 2, 10, 100_000_000, 9):
        write(tmp_path, step, {}, {})
    (tmp_path / "step-00000003.damaged").mkdir()
    prune(tmp_path, 2, {1})
    assert [path.name for path in find(tmp_path)] == ["step-100000000", "step-00000010", "step-00000001"]
    assert (tmp_path / "step-00000003.damaged").exists()


SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from samebits.checkpoint.files import write
from samebits.hashing.weights import describe_array

def slowly():
    print("writing", flush=True)
    time.sleep(60)

name, tensor = describe_array("a", np.zeros(3))
write(Path(sys.argv[1]), 8, {}, {name: type(tensor)(tensor.dtype, tensor.shape, slowly)})
"""


def test_one_that_was_being_written_is_none(tmp_path: Path) -> None:
    write(tmp_path, 7, {}, tensors(0.5))
    command = [sys.executable, "-c", SLOW, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert len(list(tmp_path.iterdir())) == 2
    assert [path.name for path in find(tmp_path)] == ["step-00000007"]
    write(tmp_path, 8, {}, tensors(0.5))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000007", "step-00000008"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*step-00000001"):
        write(tmp_path / "file", 1, {}, {})
    with pytest.raises(TypeError):
        write(tmp_path, 1, {"value": object()}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
