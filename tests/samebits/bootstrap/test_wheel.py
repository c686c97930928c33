"""A project with samebits' wheel in vendor/, and nothing of it installed, makes its environment with it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started, one_line, sha256
from tests.samebits.bootstrap.conftest import interrupted

INTERPRETER: str = sys._base_executable  # type: ignore[attr-defined]
BASE = f"/usr/bin:/bin:{Path(INTERPRETER).parent}"  # without our environment
DECLARED = ("click", "numpy", "rich", "threadpoolctl", "xxhash")  # that environment.yml pins
CORE = (*DECLARED, "markdown-it-py", "mdurl", "packaging", "pygments")


@pytest.fixture
def project(tmp_path: Path, wheel: Path) -> Path:
    """Four files: the wheel, its lock, an entrypoint, a package; in a folder whose name has a space."""
    folder = tmp_path / "a project"
    (folder / "vendor").mkdir(parents=True)
    (folder / "src/mine").mkdir(parents=True)
    (folder / "src/mine/__init__.py").touch()
    shutil.copy(wheel, folder / "vendor")
    shutil.copy(ROOT / "entrypoint", folder)
    text = (ROOT / "requirements.lock").read_text()
    rows = re.findall(rf"^(?:{'|'.join([*CORE, 'setuptools'])})==\S+ \S+", text, re.MULTILINE)
    own = f"./vendor/{wheel.name} --hash=sha256:{sha256(wheel)}"
    (folder / "requirements.lock").write_text("\n".join([own, *rows, text.splitlines()[-1], ""]))
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "mine"\nversion = "1"\n'
    )
    return folder


def bootstrap(project: Path, *arguments: str, python: str = INTERPRETER, **variables: str) -> Started:
    """What the project's Makefile starts, in a newcomer's shell."""
    (wheel,) = (project / "vendor").glob("*.whl")
    done = subprocess.run(
        [python, f"vendor/{wheel.name}/samebits/bootstrap", *arguments],
        cwd=project,
        env={**os.environ, "PATH": BASE, "PYTHON": "", **variables},
        capture_output=True,
        text=True,
    )
    if re.search("Failed to fetch|error sending request|dns error|No matching distribution", done.stderr):
        pytest.skip(f"needs a package index: {done.stderr.strip()}")
    return done


def start(project: Path, *words: str, **variables: str) -> Started:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(project.parent), **variables}
    return subprocess.run(
        ["./entrypoint", *words], cwd=project, env=environment, capture_output=True, text=True
    )


def test_the_wheel_makes_its_own_environment(project: Path) -> None:
    temporary = project.parent / "temporary"
    temporary.mkdir()
    done = bootstrap(project, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert not list(temporary.glob("samebits-*"))
    where = "import mine, samebits; print(mine.__file__); print(samebits.__file__)"
    done = start(project, "python", "-c", where)
    mine, samebits = done.stdout.splitlines()
    assert Path(mine) == project / "src/mine/__init__.py"
    assert Path(samebits).is_relative_to(project / ".venv")
    done = start(project, "samebits", "doctor")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "fail" not in done.stdout
    assert start(project, "samebits", "attest").returncode == 0
    # Editors are told what entrypoint exports, though the table lies in the installed package.
    assert "TZ=UTC\n" in (project / ".venv/entrypoint.env").read_text()
    done = bootstrap(project)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_wheel_makes_its_locks_and_adds_a_package(project: Path, wheel: Path) -> None:
    """With what it declares and nothing else: no development tool, no reader of YAML, no folder locks/."""
    text = (ROOT / "environment.yml").read_text()
    python, uv = re.findall(r"^  - (?:python|uv)=.*", text, re.MULTILINE)
    head = f"channels:\n  - conda-forge\nplatforms:\n  - linux-64\ndependencies:\n{python}\n{uv}\n  - pip:\n"
    declared = "|".join((*DECLARED, "setuptools"))
    pins = re.findall(rf"^      - (?:{declared})==\S+", text, re.MULTILINE)
    asked = "\n".join([f"      - ./vendor/{wheel.name}", *pins, ""])
    (project / "environment.yml").write_text(head + asked)
    shutil.copy(ROOT / "conda-lock.yml", project)
    done = bootstrap(project)
    assert done.returncode == 0, done.stderr
    assert "environment.yml is newer than requirements.lock: run `make lock`" in done.stderr
    before = (project / "requirements.lock").read_text().splitlines()
    network = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_"))}
    done = start(project, "samebits", "lock", **network)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    after = (project / "requirements.lock").read_text().splitlines()
    assert [row for row in after if not row.startswith("#")] == before[:-1]
    done = start(project, "samebits", "add", "iniconfig", **network)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^      - iniconfig==[\d.]+\n\Z", (project / "environment.yml").read_text(), re.MULTILINE
    )
    assert start(project, "python", "-c", "import iniconfig").returncode == 0
    done = start(project, "samebits", "lock", "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert (bootstrap(project).returncode, start(project, "samebits", "attest").returncode) == (0, 0)


def test_a_folder_of_scripts_needs_no_package_of_its_own(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.ruff]\n")
    done = bootstrap(project)
    assert done.returncode == 0, done.stderr
    assert start(project, "python", "-c", "import samebits").returncode == 0
    assert start(project, "python", "-c", "import mine").returncode == 1


@pytest.mark.parametrize("fault", ["another wheel", "cut", "no lock", "no tools", "hash"])
def test_what_is_wrong_is_one_line_and_nothing_is_made(project: Path, fault: str) -> None:
    lock = project / "requirements.lock"
    (wheel,) = (project / "vendor").glob("*.whl")
    arguments: list[str] = []
    says, status = "", 1
    if fault == "another wheel":  # a zip file may have something before it
        wheel.write_bytes(b"#!" + wheel.read_bytes())
        says = f"vendor/{wheel.name} has sha256 "
    elif fault == "cut":  # within a file: Python itself needs the directory at the end
        whole = wheel.read_bytes()
        at = whole.index(b"samebits/cli.py") + 40
        wheel.write_bytes(whole[:at] + bytes(200) + whole[at + 200 :])
        says = f"vendor/{wheel.name} is damaged"
    elif fault == "no lock":
        lock.unlink()
        says, status = f"there is no requirements.lock in {project}", 2
    elif fault == "no tools":
        arguments, says, status = ["--dev"], "there is no locks/requirements-dev.lock", 2
    else:
        lock.write_text(lock.read_text().replace(sha256(wheel), "0" * 64))
        says = "requirements.lock has 000000000000…"
    done = bootstrap(project, *arguments)
    assert done.returncode == status
    assert says in one_line(done.stderr)
    assert not (project / ".venv").exists()
    assert not (project / ".venv-uv").exists()


def test_any_python_starts_it(project: Path) -> None:
    """`python3` may be older or newer than the environment's Python, which create-env finds itself."""
    (project / "requirements.lock").unlink()
    pythons = [Path("/usr/bin/python3"), *Path.home().glob(".pyenv/versions/3.*/bin/python3")]
    for python in filter(Path.exists, pythons):
        done = bootstrap(project, python=str(python))
        assert (done.returncode, "there is no requirements.lock" in one_line(done.stderr)) == (2, True), (
            python
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing(project: Path, number: signal.Signals) -> None:
    """Ctrl-C reaches both processes, `kill` the first; the temporary folder goes, too."""
    temporary, stub, waiting = (project.parent / name for name in ("temporary", "stub", "waiting"))
    seconds = 60 if number == signal.SIGINT else 5  # a shell waits for its command before it heeds `kill`
    temporary.mkdir()
    stub.mkdir()
    (stub / "python3.11").write_text(
        f'#!/bin/sh\ncase "$*" in *_base_exec*) echo "$0" ;;'
        f' "-m venv"*) touch {waiting}; exec {INTERPRETER} -c "import time; time.sleep({seconds})" ;;'
        f' *) exec {INTERPRETER} "$@" ;; esac\n'
    )
    (stub / "python3.11").chmod(0o755)
    (wheel,) = (project / "vendor").glob("*.whl")
    command = [INTERPRETER, f"vendor/{wheel.name}/samebits/bootstrap"]
    environment = {**os.environ, "PATH": f"{stub}:{BASE}", "PYTHON": "", "TMPDIR": str(temporary)}
    status, said = interrupted(command, waiting, number=number, cwd=project, env=environment)
    assert status == 130
    assert one_line(said) == "samebits: interrupted; `make env` completes the environment"
    assert not list(temporary.glob("samebits-*"))
    assert not (project / ".venv").exists()
