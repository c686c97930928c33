"""The data's hashes are anybody's `sha256sum`, and are remembered for the run."""

import hashlib
import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from samebits import UsageError, data_sha256
from samebits.fingerprint import data


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "seen", {})


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    assert data_sha256(tmp_path / "a.csv") == hashlib.sha256(b"1,2\n").hexdigest()
    assert data.seen == {"a.csv": hashlib.sha256(b"1,2\n").hexdigest()}


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
    assert list(data.seen) == ["x", "b/x"]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the data file .*gone: No such file"):
        data_sha256(tmp_path / "gone")


def test_links_count_as_for_a_reader(tmp_path: Path) -> None:
    (tmp_path / "data" / "folder").mkdir(parents=True)
    (tmp_path / "data" / "folder" / "file").write_text("content")
    plain = data_sha256(tmp_path / "data")
    (tmp_path / "data" / "to-folder").symlink_to("folder")
    (tmp_path / "data" / "to-nothing").symlink_to("gone")
    assert data_sha256(tmp_path / "data") == plain
    (tmp_path / "data" / "to-file").symlink_to("folder/file")
    assert data_sha256(tmp_path / "data") != plain


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device"])
def test_what_is_no_file_is_one_line(tmp_path: Path, kind: str, within: bool) -> None:
    """A pipe would be waited for, /dev/zero has no end."""
    (tmp_path / "0").write_text("a file before it")
    special = tmp_path / "special"
    if kind == "a pipe":
        os.mkfifo(special)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.relpath(special))  # a socket's path must be short
    else:
        special.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=f"special is {kind}; expected data in files"):
        data_sha256(tmp_path if within else special)
    assert data.seen == {}


def test_a_locked_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files would be left out of the hash in silence. Root may read all, so this test refuses."""
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path: os.PathLike[str] | str | int) -> object:
        if not isinstance(path, int) and Path(path).name == "locked":  # a number: pytest removes it
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match=r"cannot read the data file .*locked: Permission denied"):
        data_sha256(tmp_path)


def test_a_file_that_may_not_be_read_is_found_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "b")
    monkeypatch.setattr(data, "CHUNK", None)  # what reads fails
    with pytest.raises(UsageError, match=r"cannot read the data file .*b: Permission denied"):
        data_sha256(tmp_path)


def test_long_work_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    (tmp_path / "a.csv").write_text("1,2\n")
    for much, shown in ((5, False), (4, True)):
        monkeypatch.setattr(data, "MUCH", much)
        monkeypatch.setattr(sys, "stderr", screen := Terminal())
        assert data_sha256(tmp_path / "a.csv") == hashlib.sha256(b"1,2\n").hexdigest()
        assert ("hashing" in screen.getvalue()) == shown
