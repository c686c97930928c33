"""The data's hashes are anybody's `sha256sum`, and are remembered for the run."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from samebits import WrongUse, data_files, data_sha256


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "seen", {})


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    assert data_sha256(tmp_path / "a.csv") == hashlib.sha256(b"1,2\n").hexdigest()
    assert data_files.seen == {"a.csv": hashlib.sha256(b"1,2\n").hexdigest()}


def test_a_folder_is_what_sha256sum_gives(tmp_path: Path) -> None:
    for name in ("b/two", "one", "b/three"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    command = "cd $0 && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    told = subprocess.run(["sh", "-c", command, str(tmp_path)], capture_output=True, text=True).stdout
    assert data_sha256(tmp_path) == told.split()[0]
    (tmp_path / "one").write_text("other")
    assert data_sha256(tmp_path) != told.split()[0]


def test_two_files_of_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(folder)
        data_sha256(tmp_path / folder / "x")
    assert list(data_files.seen) == ["x", "b/x"]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"cannot read the data file .*gone: No such file"):
        data_sha256(tmp_path / "gone")
