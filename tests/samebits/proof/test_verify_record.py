"""`samebits verify` of a record: the command is recorded again, and compared."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import SOMEBODY, Started, one_line
from tests.samebits.diff import made

from samebits.errors import UsageError
from samebits.proof.verify_record import as_manifest, environment, is_record

pytest.importorskip("torch")
Start = Callable[..., Started]

FOREIGN = """
import os

import torch

torch.manual_seed(0)
if os.path.exists("moving"):
    torch.seed()
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).square().mean().backward()
    optimizer.step()
"""


@pytest.fixture(scope="module")
def place(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "train.py").write_text(FOREIGN)
    (folder / ".gitignore").write_text("runs\nmoving\n")
    for words in (["init", "-q"], ["add", "."], [*SOMEBODY, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    done = start("samebits", "record", "-o", "runs/one", "--", "python", "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_record_is_repeated_and_compared(start: Start, place: Path) -> None:
    assert is_record(place / "runs/one")
    done = start("samebits", "verify", "runs/one", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("same bits: 3 steps, weights ")
    (place / "moving").touch()
    try:
        moved = start("samebits", "verify", "--json", "runs/one", cwd=place)
    finally:
        (place / "moving").unlink()
    assert moved.returncode == 1
    assert one_line(moved.stderr).startswith("samebits: not the same bits: the initial parameter `weight`")
    verdict = json.loads(moved.stdout)["verdict"]
    assert verdict["causes"][0]["text"] == "torch.seed()"
    assert verdict["more"][0].endswith("repetition.record")


def test_other_code_is_refused(start: Start, place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "copy")
    (tmp_path / "copy/train.py").write_text(FOREIGN + "\nprint()\n")
    done = start("samebits", "verify", "runs/one", cwd=tmp_path / "copy")
    assert done.returncode == 2
    assert "train.py" in one_line(done.stderr)


def test_a_secret_must_be_given_again(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "one"
    shutil.copytree(place / "runs/one", copy)
    for path in copy.glob("*.jsonl"):
        path.write_text(
            path.read_text().replace('["python","train.py"]', '["python","train.py","--token","***"]')
        )
    with pytest.raises(Exception, match="looks like a secret, and is not stored"):
        as_manifest(copy, None)
    assert as_manifest(copy, "python train.py --token x")["device"] == "cpu"


@pytest.mark.parametrize(
    "code", [{"commit": 5}, {"commit": "--output=any"}, {"files": [1]}, {"files": {"train.py": None}}]
)
def test_code_of_another_shape_is_refused(tmp_path: Path, code: dict[str, Any]) -> None:
    events = made.training(1)
    next(event for event in events if event["event"] == "settings")["code"] = code
    folder = made.write(tmp_path / "one", events)
    with pytest.raises(UsageError, match=r"one, code.*; it must be "):
        as_manifest(folder, None)


@pytest.mark.parametrize("folder", [7, ["runs"], "a\0b", "\ud800"])
def test_a_folder_that_is_no_text_is_one_line(tmp_path: Path, folder: Any) -> None:
    events = made.training(1)
    events[0]["folder"] = folder
    with pytest.raises(UsageError, match=r"folder is .*; it must be text or null"):
        as_manifest(made.write(tmp_path / "one", events), None)


def test_the_folder_of_a_cache_that_torch_has_set_by_itself_is_no_reason_to_refuse(tmp_path: Path) -> None:
    events = made.training(1)
    settings = next(event for event in events if event["event"] == "settings")
    settings["code"] = {}
    chosen = {"TORCHINDUCTOR_CACHE_DIR": "/tmp/torchinductor_root", "OMP_NUM_THREADS": "2"}
    settings["fingerprint"]["variables"] = chosen
    record = made.write(tmp_path / "one", events)
    outside = environment(as_manifest(record, None), record)
    assert "TORCHINDUCTOR_CACHE_DIR" not in outside
    assert outside["OMP_NUM_THREADS"] == "2"
