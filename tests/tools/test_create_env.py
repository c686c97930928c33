"""tools/create-env makes an environment that counts as ready only when it is complete.

The project here has locks of two small wheels, so that each test takes seconds.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INTERPRETER: str = sys._base_executable  # type: ignore[attr-defined]
BASE = f"/usr/bin:/bin:{Path(INTERPRETER).parent}"  # no environment of ours

# Debian's Python without python3-venv.
WITHOUT_VENV = 'case "$*" in *ensurepip*) exit 1 ;; *_base_exec*) echo "$0" ;; *) exec PYTHON "$@" ;; esac'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with setuptools in requirements.lock, one package for development, and uv already there."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "src/small").mkdir(parents=True)
    for name in ("create-env", "pip-index"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    for name in ("entrypoint", "determinism.env"):
        shutil.copy(ROOT / name, tmp_path)
    base, tools = ((ROOT / name).read_text() for name in ("requirements.lock", "locks/requirements-dev.lock"))
    write_lock(tmp_path / "requirements.lock", base, "setuptools")
    (tmp_path / "locks").mkdir()
    write_lock(tmp_path / "locks/requirements-dev.lock", tools, "uv", "iniconfig")
    (tmp_path / "src/small/__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "small"\nversion = "1"\n'
    )
    (tmp_path / ".venv-uv/bin").mkdir(parents=True)
    (tmp_path / ".venv-uv/bin/uv").symlink_to(Path(sys.executable).with_name("uv"))
    return tmp_path


def write_lock(file: Path, text: str, *packages: str) -> None:
    file.write_text("".join(re.findall(rf"^(?:{'|'.join(packages)})==.*\n", text, re.MULTILINE)))


def create(project: Path, *arguments: str, ready: bool = True, **variables: str) -> str:
    """Run tools/create-env as a newcomer's shell would; what it says on stderr."""
    environment = {**os.environ, "PATH": BASE, "PYTHON": "", **variables}
    result = subprocess.run(
        [str(project / "tools/create-env"), *arguments], env=environment, capture_output=True, text=True
    )
    if (
        ready
        and result.returncode
        and re.search("Failed to fetch|error sending request|dns error", result.stderr)
    ):
        pytest.skip(f"needs a package index: {result.stderr.strip()}")
    assert (result.returncode == 0) is ready, result.stderr
    assert (project / ".venv/.ready").exists() is ready
    return result.stderr


def has(project: Path, module: str) -> bool:
    return not subprocess.run(
        [project / ".venv/bin/python", "-c", f"import {module}"], capture_output=True
    ).returncode


def test_makes_the_locked_environment_and_leaves_it_alone(project: Path) -> None:
    assert "Installed" in create(project)
    assert has(project, "small")
    assert has(project, "setuptools")
    assert not has(project, "iniconfig")
    marker = project / ".venv/untouched"
    marker.touch()
    assert create(project) == ""
    assert marker.exists()


def test_editors_are_told_what_entrypoint_exports(project: Path) -> None:
    """Whatever the caller's shell holds, and again when a value has changed."""
    file = project / ".venv/entrypoint.env"
    create(project, OMP_NUM_THREADS="64", NVIDIA_TF32_OVERRIDE="1", MINE="secret")
    told = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert (told["OMP_NUM_THREADS"], told["NVIDIA_TF32_OVERRIDE"]) == ("1", "0")
    assert told["SAMEBITS_ROOT"] == str(project)
    assert not {"MINE", "PATH", "HOME"} & set(told)
    table = project / "determinism.env"
    table.write_text(table.read_text().replace("TZ=UTC", "TZ=Europe/Berlin"))
    create(project)
    assert "TZ=Europe/Berlin\n" in file.read_text()


def test_an_editors_python_is_as_behind_entrypoint() -> None:
    """Started as an editor does, in the real environment: with the file's variables, past entrypoint."""
    rows = (ROOT / ".venv/entrypoint.env").read_text().splitlines()
    told = {"PATH": BASE, **dict(row.split("=", 1) for row in rows)}
    ask = "from samebits.process import faults; print([fault.name for fault in faults()])"

    def faults() -> str:
        return subprocess.check_output([ROOT / ".venv/bin/python", "-c", ask], env=told, text=True)

    assert faults() == "[]\n"
    told.pop("PYTHONHASHSEED")
    assert faults() == "['PYTHONHASHSEED']\n"


def test_tools_are_added_and_stay(project: Path) -> None:
    create(project)
    create(project, "--dev")
    assert has(project, "iniconfig")
    assert create(project) == ""
    assert has(project, "iniconfig")
    assert (project / ".venv/.ready-dev").exists()


def test_a_changed_lock_is_installed(project: Path) -> None:
    create(project)
    row = next(
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("click==")
    )
    with (project / "requirements.lock").open("a") as file:
        file.write(f"{row}\n")
    create(project)
    assert has(project, "click")
    assert has(project, "small")


def test_a_wheel_with_another_hash_is_refused(project: Path) -> None:
    create(project)
    lock = project / "requirements.lock"
    lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text()))
    shutil.rmtree(project / ".venv")
    assert "samebits: requirements.lock could not be installed" in create(project, ready=False)


def test_an_interrupted_environment_is_made_anew(project: Path) -> None:
    """uv is killed after it made the environment; what it left must not count, nor survive."""
    uv = project / ".venv-uv/bin/uv"
    real = uv.readlink()
    uv.unlink()
    uv.write_text(
        f'#!/bin/sh\ncase $1 in pip) touch .venv/half; kill -9 $PPID $$ ;; *) exec {real} "$@" ;; esac\n'
    )
    uv.chmod(0o755)
    create(project, ready=False)
    assert (project / ".venv/half").exists()
    uv.unlink()
    uv.symlink_to(real)
    create(project)
    assert not (project / ".venv/half").exists()
    assert has(project, "setuptools")


def test_a_moved_project_gets_its_environment_anew(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    create(project)
    moved = tmp_path_factory.mktemp("moved") / "project"
    shutil.copytree(project, moved, symlinks=True)
    create(moved)
    where = subprocess.check_output(
        [moved / ".venv/bin/python", "-c", "import small; print(small.__file__)"], text=True
    )
    assert where.strip() == str(moved / "src/small/__init__.py")


def test_another_python_on_path_changes_nothing(project: Path) -> None:
    """PATH differs between a login shell, an activated environment and a cron job."""
    create(project)
    stub = project / "stub"
    stub.mkdir()
    (stub / "python3.11").write_text(
        f'#!/bin/sh\ncase "$*" in *_base_exec*) echo "$0" ;; *) exec {INTERPRETER} "$@" ;; esac\n'
    )
    (stub / "python3.11").chmod(0o755)
    assert create(project, PATH=f"{stub}:{BASE}") == ""


@pytest.mark.parametrize(
    ("arguments", "script", "says"),
    [
        (["--nonsense"], "", "no option --nonsense"),
        (["/no/such/python"], "", "/no/such/python is not a working Python 3.11"),
        ([], "echo 3.12", "no Python 3.11 here"),
        ([], "exit 127", "no Python 3.11 here"),  # a version manager's stub
        ([], WITHOUT_VENV, "apt-get install python3-venv"),
    ],
)
def test_what_is_missing_is_one_clear_line(
    project: Path, arguments: list[str], script: str, says: str
) -> None:
    shutil.rmtree(project / ".venv-uv")
    stub = project / "stub"
    stub.mkdir()
    variables = {}
    if script:
        for name in ("python3.11", "python3"):
            (stub / name).write_text(f"#!/bin/sh\n{script.replace('PYTHON', INTERPRETER)}\n")
            (stub / name).chmod(0o755)
        variables["PATH"] = f"{stub}:{BASE}"
    said = create(project, *arguments, ready=False, **variables)
    assert said.startswith("samebits: ")
    assert said.count("\n") == 1
    assert says in said


@pytest.mark.parametrize(
    ("settings", "variables", "index"),
    [
        ("", {}, ""),
        ("[global]\nindex-url = https://mirror.example/simple\n", {}, "https://mirror.example/simple"),
        (
            "[global]\nindex-url = https://a.example\n[install]\nindex-url = https://b.example\n",
            {},
            "https://b.example",
        ),
        (
            "[global]\nindex-url = https://a.example\n",
            {"PIP_INDEX_URL": "https://c.example"},
            "https://c.example",
        ),
        (
            "[global]\nindex-url = https://a.example\n",
            {"UV_DEFAULT_INDEX": "https://d.example"},
            "https://d.example",
        ),
    ],
)
def test_the_index_of_pip_is_used(
    tmp_path: Path, settings: str, variables: dict[str, str], index: str
) -> None:
    """uv reads no pip.conf; tools/pip-index does."""
    (tmp_path / "pip.conf").write_text(settings)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environment = {**ours, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "HOME": str(tmp_path), **variables}
    assert subprocess.check_output([ROOT / "tools/pip-index"], env=environment, text=True).strip() == index
