"""Every way to a project gives the same project: addresses, archives, systems without links, old tools."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.template.conftest import Generate, git

# What git learned after 2.20, as words of a command line.
NEWER = [
    "switch",
    "restore",
    "--initial-branch*",
    "-b",
    "--show-current",
    "--config-env*",
    "--pathspec-from-file*",
]
NEWER += ["sparse-checkout", "maintenance", "--sparse", "--filter*", "--path-format*", "--show-object-format"]


def state(project: Path) -> dict[str, tuple[bytes, int]]:
    """Each file's content, and whether it may be executed."""
    return {
        str(path.relative_to(project)): (path.read_bytes(), path.stat().st_mode & 0o111)
        for path in sorted(project.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def expected(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, int]]:
    folder = tmp_path_factory.mktemp("expected")
    assert generate(folder, extras="slurm").returncode == 0
    made = state(folder / "my-experiment")
    assert {name for name, (_, mode) in made.items() if mode} == {"entrypoint", "slurm.sh"}
    return made


def archive(template: Path, folder: Path) -> Path:
    """What a release page offers: a zip of the commit, all in one folder."""
    path = folder / "samebits-main.zip"
    git(template, "archive", "--format=zip", "--prefix=samebits-main/", f"--output={path}", "HEAD")
    return path


def address(template: Path, folder: Path) -> object:
    return f"git+file://{template}"


def unpacked_by_python(template: Path, folder: Path) -> object:
    with zipfile.ZipFile(archive(template, folder)) as packed:
        packed.extractall(folder)
    assert not (folder / "samebits-main/entrypoint").stat().st_mode & 0o111
    return folder / "samebits-main"


def unpacked_by_unzip(template: Path, folder: Path) -> object:
    if shutil.which("unzip") is None:
        pytest.skip("there is no unzip here")
    subprocess.run(["unzip", "-q", archive(template, folder)], cwd=folder, check=True)
    return folder / "samebits-main"


def clone(template: Path, folder: Path) -> object:
    git(folder, "clone", "--quiet", str(template), "clone")
    return folder / "clone"


def clone_as_on_windows(template: Path, folder: Path) -> object:
    """Without links, and with the lines' ends that such a git writes."""
    own = ("-c", "core.symlinks=false", "-c", "core.autocrlf=true", "-c", "core.filemode=false")
    git(folder, "clone", "--quiet", *own, str(template), "clone")
    for path in (folder / "clone").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return folder / "clone"


def folder_with_spaces(template: Path, folder: Path) -> object:
    return shutil.copytree(template, folder / "a folder with spaces", symlinks=True)


WAYS = [
    address,
    archive,
    unpacked_by_python,
    unpacked_by_unzip,
    clone,
    clone_as_on_windows,
    folder_with_spaces,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_gives_the_same_project(
    generate: Generate,
    template: Path,
    tmp_path: Path,
    expected: dict[str, tuple[bytes, int]],
    way: Callable[[Path, Path], object],
) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "made here").mkdir()
    done = generate(tmp_path / "made here", source=way(template, tmp_path / "from"), extras="slurm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert state(tmp_path / "made here/my-experiment") == expected


@pytest.fixture
def old_git(tmp_path: Path) -> dict[str, str]:
    """A git 2.20: it refuses what came later."""
    git_now = shutil.which("git")
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin/git"
    cases = "|".join(NEWER)
    wrapper.write_text(
        f'#!/bin/sh\nfor word; do case $word in {cases}) echo "unknown: $word" >&2; exit 129 ;; esac; done\n'
        f'exec {git_now} "$@"\n'
    )
    wrapper.chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}


def test_the_old_git_is_old(old_git: dict[str, str], tmp_path: Path) -> None:
    environment = {**os.environ, **old_git}
    command = ["git", "init", "--quiet", "--initial-branch=main", "x"]
    assert subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode == 129
    assert subprocess.run([*command[:3], "x"], cwd=tmp_path, env=environment).returncode == 0


NOBODY = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "EMAIL": "",
    "LC_ALL": "C",
    "LANG": "C",
}


@pytest.mark.parametrize("name", ["Über", "Опыт", "実験", "प्रयोग", "بحث"])
@pytest.mark.parametrize("way", [address, archive], ids=lambda way: way.__name__)
def test_an_old_machine_and_names_in_any_script(
    generate: Generate,
    template: Path,
    tmp_path: Path,
    old_git: dict[str, str],
    name: str,
    way: Callable[[Path, Path], object],
) -> None:
    """An old git that knows nobody, LC_ALL=C, a name in any script, and a folder with it."""
    (tmp_path / name).mkdir()
    source = way(template, tmp_path / name)
    done = generate(
        tmp_path / name, source=source, variables={**old_git, **NOBODY}, project_name=name, author=name
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (path.parent for path in (tmp_path / name).glob("*/golden.toml"))
    assert made.name.isascii()
    assert (made / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")
    assert f"Copyright (c) {name}\n" in (made / "LICENSE").read_text(encoding="utf-8")
    environment = {**os.environ, **old_git, **NOBODY}
    for command in (["git", "init", "--quiet"], ["make", "help"], ["./entrypoint", "python"]):
        done = subprocess.run(command, cwd=made, env=environment, capture_output=True, text=True)
        assert done.returncode == (2 if "python" in command else 0), done.stderr
    assert done.stderr == (f"samebits: there is no environment in {made}/.venv: run `make env` there first\n")
