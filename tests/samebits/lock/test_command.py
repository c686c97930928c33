"""`samebits lock`: the locks answer what is asked for, and come out the same again."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.samebits.lock.conftest import COMPILER, CONDA, DEV, OWN, PIP, ROW

from samebits.bootstrap.rows import pins
from samebits.errors import CheckFailed
from samebits.lock.conda import lock_conda
from samebits.lock.differences import changes
from samebits.lock.files import versions
from samebits.lock.show import show

PIP_TEXT = (ROOT / PIP).read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with copies of the requests and the locks."""
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    for name in ("environment.yml", "pyproject.toml", CONDA, PIP):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def lock(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    words, environment = [sys.executable, "-m", "samebits", "lock", *arguments], {**os.environ, **variables}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file.name}"
    file.write_text(text.replace(old, new))


def test_locks_are_up_to_date() -> None:
    """What `make lock-check` runs."""
    result = lock(ROOT, "--check")
    assert result.returncode == 0, result.stderr


def test_comments_and_layout_make_no_lock_stale(project: Path) -> None:
    text = (project / "environment.yml").read_text()
    wheels = re.findall(r"^      - .*\n", text, re.MULTILINE)
    others = re.sub(r"^      (- |#).*\n", "", text, flags=re.MULTILINE)
    moved = "".join(row.replace("==", "  ==  ") for row in reversed(wheels))
    (project / "environment.yml").write_text(f"# another comment\n{others}{moved}")
    replace(project / "pyproject.toml", "[dependency-groups]", "[dependency-groups] # another comment")
    result = lock(project, "--check")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("environment.yml", "- scikit-learn==1.9.1", "- scikit-learn==1.9.0", [PIP]),
        ("environment.yml", "      - rich==15.0.0\n", "", [PIP]),
        ("environment.yml", "- python=3.11.15", "- python=3.11.14", [CONDA]),
        ("environment.yml", "- conda-forge", "- other\n  - conda-forge", [CONDA]),
        ("environment.yml", "- python=3.11.15", "- python=3.12.1", [CONDA, PIP, DEV, OWN]),
        ("environment.yml", "- uv=0.12.5", "- uv=0.12.3", [CONDA, DEV]),
        ("locks/compiler.yml", "- gxx=13.3.0", "- gxx=14.3.0", [COMPILER]),
        ("pyproject.toml", '"pytest-xdist==3.8.0"', '"pytest-xdist==3.7.0"', [DEV]),
        ("pyproject.toml", '"conda-lock==4.0.3"', '"conda-lock==4.0.2"', [OWN]),
        (PIP, "\ntzdata==2026.6 ", "\ntzdata==2026.5 ", [DEV]),  # installed over the other
        (CONDA, "# request:", "# requested:", [CONDA]),
    ],
)
def test_a_changed_request_makes_its_lock_stale(
    project: Path, file: str, old: str, new: str, stale: list[str]
) -> None:
    replace(project / file, old, new)
    result = lock(project, "--check")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"samebits: {', '.join(stale)} do")
    assert result.stderr.endswith("run `make lock`\n")


def test_a_missing_lock_is_stale(project: Path) -> None:
    (project / PIP).unlink()
    result = lock(project, "--check")
    assert result.returncode == 1
    assert PIP in result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("environment.yml", "- scikit-learn==1.9.1", "- scikit-learn", "scikit-learn==VERSION"),
        ("environment.yml", "- scikit-learn==1.9.1", "- scikit-learn==1.9.*", "scikit-learn==VERSION"),
        ("environment.yml", "- python=3.11.15", "- python=3.11", "`python` needs an exact version"),
        ("environment.yml", "- linux-64", "- osx-arm64", "osx-arm64"),
        ("environment.yml", "- pip:", "- other:", "`pip:` list"),
        ("environment.yml", "channels:", "channels: [", "cannot be read"),
        ("pyproject.toml", "[dependency-groups]", "[other]", "dependency-groups"),
    ],
)
def test_a_wrong_request_is_one_clear_line(project: Path, file: str, old: str, new: str, says: str) -> None:
    replace(project / file, old, new)
    result = lock(project, "--check")
    assert result.returncode == 2
    assert result.stderr.startswith("samebits: ")
    assert result.stderr.count("\n") == 1
    assert says in result.stderr


def test_wrong_use_is_one_clear_line(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for result in (
        lock(project, "--nonsense"),
        lock(project, "--conda", "/no/such"),
        lock(elsewhere, "--check"),
    ):
        assert result.returncode == 2
        assert result.stderr.startswith("samebits: ")
        assert result.stderr.count("\n") == 1


def made(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tool for real; skip the test where no package index answers."""
    result = lock(folder, **variables)
    if result.returncode and re.search("Failed to fetch|error sending request|dns error", result.stderr):
        pytest.skip(f"needs a package index: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    return result


def test_the_same_request_gives_the_same_bytes(project: Path) -> None:
    """Also where the machine's settings would have uv choose otherwise; and without any conda."""
    before = {name: (project / name).read_bytes() for name in (CONDA, COMPILER, PIP, DEV, OWN)}
    made(
        project, UV_RESOLUTION="lowest", UV_EXCLUDE_NEWER="2020-01-01", UV_PRERELEASE="allow", TZ="Asia/Tokyo"
    )
    assert {name: (project / name).read_bytes() for name in before} == before


def test_a_change_under_pip_moves_only_what_it_must(project: Path) -> None:
    """And what it leaves, it leaves at an older version too; a wrong hash is fixed."""
    older = re.sub(r"(?m)^pillow==\S+ \S+", "pillow==12.1.0 --hash=sha256:0", PIP_TEXT)
    (project / PIP).write_text(older)
    replace(project / "environment.yml", "- threadpoolctl==3.8.0\n", "- threadpoolctl==3.6.0\n")
    before = (project / CONDA).read_bytes()
    shown = lock(project, "--dry-run", "--json")
    if shown.returncode == 0:  # else there is no package index, which `made` tells
        changed = [{"name": "threadpoolctl", "old": "3.8.0", "new": "3.6.0"}]
        assert json.loads(shown.stdout)["locks"][PIP] == changed
        assert "pillow==12.1.0 --hash=sha256:0\n" in (project / PIP).read_text(), "--dry-run wrote"
    assert f"{PIP}: 1 package to change\n  threadpoolctl  3.8.0 -> 3.6.0\n" in made(project).stdout
    assert lock(project, "--check").returncode == 0
    assert (project / CONDA).read_bytes() == before
    assert not (project / ".venv-conda-lock").exists(), "conda-lock was set up, though nothing asked for it"
    after = {line for line in (project / PIP).read_text().splitlines() if not line.startswith("#")}
    moved = sorted(after - set(PIP_TEXT.splitlines()))
    assert [line.split(" ")[0] for line in moved] == ["pillow==12.1.0", "threadpoolctl==3.6.0"]
    assert all(ROW.fullmatch(line) for line in moved)
    assert len(after) == len(pins(PIP_TEXT))


# Where an index or a channel does not answer

CONDA_LOCK = """#!/bin/sh
echo 'Traceback (most recent call last):' >&2
echo "requests.exceptions.ConnectionError: Pool(host='fetch.example', port=443): Max retries" >&2
exit 1
"""


@pytest.mark.parametrize("conda", [None, "/opt/conda"])
def test_without_a_channel_it_is_said_what_was_asked_and_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    conda: str | None,
) -> None:
    bin = tmp_path / ".venv-conda-lock/bin"
    bin.mkdir(parents=True)
    (bin / "python").touch()
    (bin / "conda-lock").write_text(CONDA_LOCK)
    (bin / "conda-lock").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    asked = {"channels": ["my-forge"], "platforms": ["linux-64"], "dependencies": ["python=3.11.14"]}
    with pytest.raises(CheckFailed) as failed:
        lock_conda(lambda *words, failing: "", asked, Path("environment.yml"), "", conda)
    line = str(failed.value)
    assert "fetch.example does not answer" in line
    assert "under `channels:` in environment.yml" in line
    assert ("--conda PATH" in line) == (conda is None)
    assert "`pip:`" in line
    said = capsys.readouterr().err
    assert said.startswith("samebits: conda-lock asks my-forge for what environment.yml wants")
    assert said.count("\n") == 1


def test_other_failures_of_conda_lock_keep_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin = tmp_path / ".venv-conda-lock/bin"
    bin.mkdir(parents=True)
    (bin / "python").touch()
    (bin / "conda-lock").write_text("#!/bin/sh\necho 'Could not solve: python 9 is nowhere' >&2; exit 1\n")
    (bin / "conda-lock").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    asked = {"channels": ["my-forge"], "platforms": ["linux-64"], "dependencies": ["python=9.0.0"]}
    with pytest.raises(CheckFailed, match="was not made: Could not solve: python 9 is nowhere"):
        lock_conda(lambda *words, failing: "", asked, Path("environment.yml"), "", None)


def test_an_index_that_does_not_answer_is_named_without_its_password(project: Path) -> None:
    replace(project / "environment.yml", "- threadpoolctl==3.8.0\n", "- threadpoolctl==3.6.0\n")
    address = "http://me:secret@127.0.0.1:9/simple"
    result = lock(project, UV_DEFAULT_INDEX=address, UV_CACHE_DIR=str(project / "cache"), UV_HTTP_RETRIES="0")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "asked was http://127.0.0.1:9/simple: `pip config set global.index-url" in result.stderr
    assert "secret" not in result.stderr


# What is shown before anything is written


def test_what_can_move_bits_is_called_out(capsys: pytest.CaptureFixture[str]) -> None:
    old = {"torch": "2.10.0", "torchinfo": "1.8", "nvidia-cudnn-cu12": "9.10.2.21", "rich": "15.0.0"}
    new = {"torch": "2.11.0", "torchinfo": "1.9", "nvidia-cudnn-cu12": "9.12.0.1", "click": "8.5.1"}
    show({PIP: changes(old, new), CONDA: []}, json_=False)
    table, _, *called_out = capsys.readouterr().out.partition(f"{CONDA}: no packages to change\n")
    assert table.splitlines() == [
        f"{PIP}: 5 packages to change",
        "  click              added, 8.5.1",
        "  nvidia-cudnn-cu12  9.10.2.21 -> 9.12.0.1",
        "  rich               removed, was 15.0.0",
        "  torch              2.10.0 -> 2.11.0",
        "  torchinfo          1.8 -> 1.9",
    ]
    assert "nvidia-cudnn-cu12  9.10.2.21 -> 9.12.0.1; torch  2.10.0 -> 2.11.0; the hashes" in called_out[0]
    assert "`make golden`" in called_out[0]
    show({PIP: changes({"rich": "1"}, {"rich": "2"})}, json_=False)
    assert "golden" not in capsys.readouterr().out


def test_both_kinds_of_lock_tell_their_versions() -> None:
    assert versions(ROOT / CONDA)["python"] == "3.11.15"
    assert versions(ROOT / PIP)["numpy"] == "2.4.6"
    assert versions(Path("none.yml")) == versions(Path("none.lock")) == {}
