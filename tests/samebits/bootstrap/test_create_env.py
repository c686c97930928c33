"""create-env makes an environment that counts as ready only when it is complete.

The project here has locks of two small wheels, so that each test takes seconds.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, copy_entrypoint
from tests.samebits.bootstrap.conftest import interrupted

from samebits.bootstrap import environment_yml, request
from samebits.installed.venv import find
from samebits.lock.request import read_request

BOOTSTRAP = ROOT / "src/samebits/bootstrap"
CREATE_ENV = BOOTSTRAP / "create-env"
INTERPRETER: str = sys._base_executable  # type: ignore[attr-defined]
BASE = f"/usr/bin:/bin:{Path(INTERPRETER).parent}"  # without our environment

# Debian's Python without python3-venv.
WITHOUT_VENV = 'case "$*" in *ensurepip*) exit 1 ;; *_base_exec*) echo "$0" ;; *) exec PYTHON "$@" ;; esac'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with setuptools in requirements.lock, one package for development, and uv already there."""
    (tmp_path / "src/small").mkdir(parents=True)
    copy_entrypoint(tmp_path)
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
    rows = re.findall(rf"^(?:{'|'.join(packages)})==.*\n", text, re.MULTILINE)
    file.write_text("".join([*rows, text.splitlines(keepends=True)[-1]]))


def create(project: Path, *arguments: str, ready: bool = True, **variables: str) -> str:
    """Run create-env as a newcomer's shell would; what it says on stderr."""
    environment = {**os.environ, "PATH": BASE, "PYTHON": "", **variables}
    result = subprocess.run(
        [CREATE_ENV, *arguments], cwd=project, env=environment, capture_output=True, text=True
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
    said = create(project).splitlines()
    assert len(said) == 2  # what it does, what it did; no line a package
    assert re.fullmatch(r"samebits: \.venv: \+ setuptools==\S+", said[1])
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
    ask = "from samebits.process.check import faults; print([fault.name for fault in faults()])"

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
    write_lock(project / "requirements.lock", (ROOT / "requirements.lock").read_text(), "setuptools", "click")
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
        "#!/bin/sh\ncase $1 in pip) touch .venv/half; kill -9 $(ps -o ppid= $PPID) $PPID $$ ;; "
        f'*) exec {real} "$@" ;; esac\n'
    )
    uv.chmod(0o755)
    create(project, ready=False)
    assert (project / ".venv/half").exists()
    uv.unlink()
    uv.symlink_to(real)
    create(project)
    assert not (project / ".venv/half").exists()
    assert has(project, "setuptools")


def test_what_cannot_be_fetched_leaves_what_was_ready(project: Path) -> None:
    """No index answers: .venv is what it was, and is not made anew."""
    create(project)
    lock = project / "requirements.lock"
    before, marker = lock.read_text(), project / ".venv/untouched"
    marker.touch()
    lock.write_text(f"no-such-package-of-samebits==1 --hash=sha256:{'0' * 64}\n{before}")
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    command = subprocess.run(
        CREATE_ENV,
        cwd=project,
        env={**os.environ, "PATH": BASE, "PYTHON": "", **nowhere},
        capture_output=True,
    )
    assert command.returncode == 1
    assert has(project, "setuptools")
    lock.write_text(before)
    assert create(project) == ""
    assert marker.exists()
    assert not (project / ".venv/.before").exists()


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


def test_what_somebody_changed_is_brought_back(project: Path) -> None:
    """A package gone, one more, one of another version: whatever pip, uv or a hand did."""
    create(project)
    (site,) = (project / ".venv/lib").glob("python3*/site-packages")
    (there,) = site.glob("setuptools-*.dist-info")
    version = there.name.removeprefix("setuptools-").removesuffix(".dist-info")
    there.rename(site / "setuptools-1.0.dist-info")
    metadata = site / "setuptools-1.0.dist-info/METADATA"
    text = re.sub(r"(?m)^Version: .*", "Version: 1.0", metadata.read_text())
    metadata.unlink()  # a hard link into uv's cache
    metadata.write_text(text)
    surplus = site / "surplus-2.0.dist-info"
    surplus.mkdir()
    (surplus / "METADATA").write_text("Metadata-Version: 2.1\nName: surplus\nVersion: 2.0\n")
    (surplus / "RECORD").write_text("surplus-2.0.dist-info/METADATA,,\nsurplus-2.0.dist-info/RECORD,,\n")
    said = create(project).splitlines()
    assert said[1] == (f"samebits: .venv: - setuptools==1.0, + setuptools=={version}, - surplus==2.0")
    assert there.exists()
    assert not surplus.exists()
    assert create(project) == ""


def test_another_interpreter_is_said_and_taken(project: Path) -> None:
    other = "/usr/bin/python3.11"
    if not Path(other).exists() or Path(other).resolve() == Path(INTERPRETER).resolve():
        pytest.skip("needs two interpreters of Python 3.11")
    create(project, INTERPRETER)
    assert f"was made with {INTERPRETER}, and is made anew with {other}" in create(project, other)
    assert str(Path(other).parent) in (project / ".venv/pyvenv.cfg").read_text()
    assert create(project) == ""  # and stays


def test_make_env_always_looks() -> None:
    """make compares times only; and another PYTHON than the environment's is never passed over."""
    planned = subprocess.check_output(["make", "-n", "env"], cwd=ROOT, text=True)
    assert "bootstrap/create-env" in planned
    planned = subprocess.check_output(["make", "-n", "train", "PYTHON=/usr/bin/x"], cwd=ROOT, text=True)
    assert "bootstrap/create-env /usr/bin/x" in planned


def test_two_at_once_make_one_environment(project: Path) -> None:
    environment = {**os.environ, "PATH": BASE, "PYTHON": ""}
    both = [
        subprocess.Popen(CREATE_ENV, cwd=project, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(text.count("setuptools==") for text in said) == [0, 1]
    assert sum("waiting for it" in text for text in said) == 1
    assert has(project, "setuptools")


def test_pip_says_how_a_package_is_added(project: Path) -> None:
    """Where the environment is activated, `pip` would be another Python's."""
    create(project)
    assert (project / ".venv/bin/pip").read_bytes() == find(project / ".venv", project).pip  # for attest
    for name in ("pip", "pip3"):
        done = subprocess.run(
            [name, "install", "tabulate"],
            env={"PATH": f"{project}/.venv/bin:{BASE}", "HOME": str(project), "OMP_NUM_THREADS": "64"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "`make add PACKAGE=NAME` adds one to environment.yml" in done.stderr


# The locks, before anything is touched


@pytest.mark.parametrize("cut", ["in a hash", "in a name", "between rows", "to nothing", "binary"])
def test_a_damaged_lock_is_found_before_anything_is_touched(project: Path, cut: str) -> None:
    lock = project / "requirements.lock"
    text = lock.read_text()
    lock.write_text(f"z==1 --hash=sha256:{'0' * 64}\n{text}")
    (project / ".venv").mkdir()
    (project / ".venv/mine").touch()
    whole = lock.read_text()
    lock.write_bytes(
        {
            "in a hash": whole[:80].encode(),
            "in a name": whole[: whole.index("\n") + 5].encode(),
            "between rows": whole[: whole.index("\n") + 1].encode(),
            "to nothing": b"",
            "binary": b"\xff\xfe",
        }[cut]
    )
    said = create(project, ready=False)
    assert said.startswith("samebits: requirements.lock ")
    assert said.count("\n") == 1
    assert "git checkout requirements.lock" in said
    assert (project / ".venv/mine").exists()


REQUEST = """\
channels:
  - conda-forge
platforms: # one
  - linux-64
dependencies:
  - python=3.11.15
  - pip:
      # why
      - setuptools==84.2.1  # builds
  - uv=0.12.5
"""


def test_what_was_asked_for_since_the_locks_is_said(project: Path) -> None:
    """By what environment.yml says: not by its time, its comments or its order."""
    file, lock = project / "environment.yml", project / "requirements.lock"
    file.write_text(REQUEST)
    wheels = request.digest(request.wheels(["setuptools==84.2.1"], "3.11"))
    conda = request.digest(request.conda(environment_yml.read(REQUEST)))
    lock.write_text(f"# request: sha256:{wheels}\n{lock.read_text()}")
    (project / "conda-lock.yml").write_text(f"# request: sha256:{conda}\n")
    assert "newer" not in create(project)
    file.write_text(REQUEST.replace("# why", "# because"))
    assert create(project) == ""
    for old, new, which in (
        ("      # why\n", "      - einops==0.8.1\n", "requirements.lock:"),
        ("- setuptools==84.2.1", "- setuptools==84.2.0", "requirements.lock:"),
        ("      # why\n", "      - einops\n", "requirements.lock:"),  # of no version: no lock answers that
        ("uv=0.12.5", "uv=0.12.4", "conda-lock.yml:"),
        ("python=3.11", "python=3.12", "conda-lock.yml and requirements.lock:"),
    ):
        file.write_text(REQUEST.replace(old, new))
        said = create(project)
        assert said.count("\n") == 1
        assert f"environment.yml is newer than {which} run `make lock`" in said
    file.write_text("channels: [conda-forge]\n")  # written otherwise: `make lock-check` knows
    assert create(project) == ""


def test_the_request_is_read_as_make_lock_reads_it() -> None:
    """In this very project, with the standard library alone."""
    done = subprocess.run(
        [INTERPRETER, "-PSB", "-m", "samebits.bootstrap.locks_whole"],
        cwd=ROOT,
        env={"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked = read_request((ROOT / "environment.yml").read_text())
    lists = environment_yml.read((ROOT / "environment.yml").read_text())
    assert sorted(map(str, map(request.normal, lists["pip"]))) == asked.pip


# Interrupted


@pytest.mark.parametrize("when", ["venv", "ensurepip", "uv"])
def test_an_interruption_is_one_line_and_leaves_nothing_half_made(project: Path, when: str) -> None:
    """Ctrl-C reaches create-env and whatever it started; that of Python ends in a traceback."""
    waiting = project / "waiting"
    stub = project / "stub"
    stub.mkdir()
    slow = f"touch {waiting}; exec {INTERPRETER} -c 'import time; time.sleep(60)'"
    if when == "uv":
        uv = project / ".venv-uv/bin/uv"
        real = uv.readlink()
        uv.unlink()
        uv.write_text(f'#!/bin/sh\ncase $1 in pip) {slow} ;; *) exec {real} "$@" ;; esac\n')
        uv.chmod(0o755)
    else:
        shutil.rmtree(project / ".venv-uv")
        first = "mkdir .venv-uv" if when == "ensurepip" else "true"
        (stub / "python3.11").write_text(
            f'#!/bin/sh\ncase "$*" in *_base_exec*) echo "$0" ;; "-m venv"*) {first}; {slow} ;;'
            f' *) exec {INTERPRETER} "$@" ;; esac\n'
        )
        (stub / "python3.11").chmod(0o755)
    environment = {**os.environ, "PATH": f"{stub}:{BASE}", "PYTHON": ""}
    status, said = interrupted([CREATE_ENV], waiting, cwd=project, env=environment)
    assert status == 130
    lines = [line for line in said.splitlines() if "gets the wheels" not in line]
    assert lines == ["samebits: interrupted; `make env` completes the environment"]
    assert not (project / ".venv").exists()
    assert (project / ".venv-uv").exists() is (when == "uv")


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
    """uv reads no pip.conf; pip-index does."""
    (tmp_path / "pip.conf").write_text(settings)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environment = {**ours, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "HOME": str(tmp_path), **variables}
    assert subprocess.check_output(BOOTSTRAP / "pip-index", env=environment, text=True).strip() == index
