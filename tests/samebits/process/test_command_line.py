"""Paths in a manifest: no folder of this machine in it, and back on another one."""

import sys
from pathlib import Path

import pytest

from samebits.process import command_line
from samebits.process.command_line import lengthened, read, recorded, shortened


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that is reached by a link, and a home beside it."""
    for name in ("project/data", "home/data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("project")
    monkeypatch.setattr(command_line, "find_root", lambda: tmp_path / "link")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("path", "short", "long"),
    [
        ("link/data", "${SAMEBITS_ROOT}/data", "link/data"),
        ("project/data", "${SAMEBITS_ROOT}/data", "link/data"),  # as `realpath` gives it
        ("link", "${SAMEBITS_ROOT}", "link"),
        ("home/data", "~/data", "home/data"),
        ("home", "~", "home"),
        ("elsewhere", None, "elsewhere"),
    ],
)
def test_a_path_comes_back(project: Path, path: str, short: str | None, long: str) -> None:
    assert shortened(str(project / path)) == (short or str(project / path))
    assert lengthened(shortened(str(project / path))) == str(project / long)


def test_words_of_a_command_come_back(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "home/data")
    words = [
        "train.py",
        f"--data={project}/link/data",
        str(project / "home"),
        f"{project}/home/data/x",
        "a=b",
        "~x",
    ]
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, *words])
    short = recorded()
    assert short[1:] == ["train.py", "--data=${SAMEBITS_ROOT}/data", "~", "x", "a=b", "~x"]
    assert read({"command": short}, Path("manifest.json"))[1:] == [*words[:3], "x", "a=b", "~x"]
