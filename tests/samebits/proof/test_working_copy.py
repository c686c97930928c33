"""The copy of a working folder: what is copied, linked and left out."""

from pathlib import Path

import pytest
from tests.conftest import one_line

from samebits.errors import UsageError
from samebits.proof import working_copy


def test_what_is_large_is_linked_and_the_rest_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_copy, "LARGE", 100)
    monkeypatch.setattr(working_copy, "MANY", 3)
    here, data = tmp_path / "project", tmp_path / "data"
    for name in (".git/HEAD", "env/pyvenv.cfg", "src/a.py", "src/__pycache__/a.pyc", "runs/exp/b.txt"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    for name in (
        "runs/record-1/1.jsonl",
        "runs/.resume-x/whole.log",
        "images/1",
        "images/2",
        "images/3",
        "images/4",
    ):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    (here / "large.bin").write_bytes(b"x" * 101)
    data.mkdir()
    (here / "data").symlink_to(data)
    (here / "gone").symlink_to("nowhere")
    copy = here / "runs/.resume-x/1/project"
    working_copy.copy(here, copy)
    links = {path.name for path in copy.rglob("*") if path.is_symlink()}
    assert links == {".git", "env", "images", "large.bin", "data", "gone"}
    assert (copy / "data").resolve() == data
    assert [str(path.relative_to(copy)) for path in sorted(copy.rglob("*")) if not path.is_symlink()] == [
        "runs",
        "runs/exp",
        "runs/exp/b.txt",
        "src",
        "src/a.py",
    ]
    (copy / "src/a.py").write_text("changed")
    assert (here / "src/a.py").read_text() == "src/a.py"
    assert (copy / "src/a.py").stat().st_mtime_ns >= (here / "src/a.py").stat().st_mtime_ns


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as error:
        working_copy.copy(tmp_path, tmp_path / "file/copy")
    assert "cannot write" in one_line(f"samebits: {error.value}")
