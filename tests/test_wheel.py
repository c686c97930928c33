"""The library as anybody has it: built from a commit, installed elsewhere, at work in another repository."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import pytest
from tests.conftest import CACHES, ROOT, Started, build, commit, git, interpreter, one_line, sha256

SHELL = {"PATH": "/usr/bin:/bin", **CACHES}  # no environment is activated in it
BEGIN = "samebits_begin.pth"
UV = Path(sys.executable).with_name("uv")
BASE: str = sys._base_executable  # type: ignore[attr-defined]
TOOLS = ROOT / "locks/requirements-dev.lock"
PAGE = (ROOT / "docs/library.md").read_text()
# The page's own script.
(TRAIN,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
POINTS = """\
import torch


def points():
    inputs = torch.linspace(-1, 1, 256).reshape(128, 2)
    return torch.utils.data.TensorDataset(inputs, (inputs.sum(1) > 0).long())
"""


def test_it_is_the_same_file_from_another_folder(clone: Path, wheel: Path, tmp_path: Path) -> None:
    other = tmp_path / "another place/deeper"
    git(tmp_path, "clone", "--quiet", str(clone), str(other))
    (other / "src/samebits/of_no_commit.py").write_text("1\n")
    time.sleep(2)  # a zip file's times have two seconds
    assert sha256(build(other, umask=0o077)) == sha256(wheel)
    told = int(git(clone, "log", "-1", "--format=%ct"))
    with zipfile.ZipFile(wheel) as archive:
        times = {member.date_time for member in archive.infolist()}
        assert {member.create_system for member in archive.infolist()} == {3}
    first = time.gmtime(told)
    assert times == {(*first[:5], first.tm_sec // 2 * 2)}


def test_what_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        modes = {member.filename: member.external_attr >> 16 & 0o777 for member in archive.infolist()}
        metadata = archive.read("samebits-0.1.0.dist-info/METADATA").decode()
        table = archive.read("samebits/determinism.env")
        uv = archive.read("samebits/bootstrap/uv.lock").decode()
    names = set(modes)
    packages = ("samebits", "samebits_lint")
    assert {name.split("/")[0] for name in names} == {*packages, BEGIN, "samebits-0.1.0.dist-info"}
    files = (path for package in packages for path in (ROOT / "src" / package).rglob("*.py"))
    modules = {path.relative_to(ROOT / "src").as_posix() for path in files}
    assert {name for name in names if name.endswith(".py")} == modules
    pages = {f"samebits/docs/rules/{path.name}" for path in (ROOT / "docs/rules").glob("*.md")}
    data = {"samebits/determinism.env", "samebits/entrypoint", "samebits/py.typed"}
    data |= {"samebits/locks/requirements-conda-lock.lock"}
    data |= {f"samebits/bootstrap/{name}" for name in ("create-env", "pip-index", "uv.lock")}
    data |= {"samebits/diff/picture.html", "samebits/proof/portable/recorded.json", *pages}
    data |= {f"samebits/project/files/{name}" for name in ("Dockerfile", "dockerignore", "entrypoint")}
    assert {name for name in names - modules if name.startswith("samebits/")} == data
    assert "samebits-0.1.0.dist-info/licenses/LICENSE" in names
    commands = {name for name in names if name.endswith(("/entrypoint", "/create-env", "/pip-index"))}
    assert {modes[name] for name in commands} == {0o755}
    assert {modes[name] for name in names - commands} <= {0o644, 0o664}
    assert table == (ROOT / "determinism.env").read_bytes()
    assert [row for row in TOOLS.read_text().splitlines(keepends=True) if row.startswith("uv==")] == [uv]
    assert "Version: 0.1.0\n" in metadata
    assert set(re.findall(r"^Provides-Extra: (.*)$", metadata, re.MULTILINE)) == {
        "torch", "keras", "plots", "lightning", "huggingface",
    }  # fmt: skip


def test_an_editable_install_has_the_way_in_too(clone: Path, tmp_path: Path) -> None:
    code = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=clone, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        assert archive.read(BEGIN) == (ROOT / "src" / BEGIN).read_bytes()
        assert f"{BEGIN},sha256=" in archive.read("samebits-0.1.0.dist-info/RECORD").decode()


def make_environment(folder: Path, wheel: Path, *options: str, python: str = BASE) -> Path:
    """A virtual environment with the wheel, and its folder of commands."""
    subprocess.run([UV, "venv", "--quiet", "--python", python, folder], check=True)
    command = [UV, "pip", "install", "--quiet", "--python", folder / "bin/python", *options, wheel]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode and re.search("network was disabled|Failed to fetch|dns error", done.stderr):
        pytest.skip(f"needs the wheels of its dependencies: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="session")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and nothing else."""
    return make_environment(tmp_path_factory.mktemp("alone") / "env", wheel, "--no-deps")


@pytest.fixture(scope="session")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel with the dependencies that it declares, in the locked versions; no extra."""
    folder = tmp_path_factory.mktemp("core") / "env"
    return make_environment(folder, wheel, "--offline", "--constraint", str(ROOT / "requirements.lock"))


@pytest.fixture(scope="session")
def complete(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, with this checkout's packages lent to it: torch and what else the extras bring."""
    bin = make_environment(tmp_path_factory.mktemp("complete") / "env", wheel, "--no-deps")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lent = bin.parent / "lib" / version / "site-packages" / "lent.pth"
    lent.write_text(
        sysconfig.get_path("purelib") + "\n"
    )  # its own .pth files, such as samebits', do not count
    return bin


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's repository: a script, and a package below src."""
    folder = tmp_path_factory.mktemp("somebody") / "a project"
    (folder / "src").mkdir(parents=True)
    (folder / "train.py").write_text(TRAIN)
    (folder / "src/points.py").write_text(POINTS)
    (folder / ".gitignore").write_text("runs/\n__pycache__/\n")
    commit(folder)
    return folder


def call(bin: Path, *words: str, cwd: Path, program: Path | str = "samebits", **variables: str) -> Started:
    """A command of an environment, from a plain shell in which it is not activated."""
    environment = {**SHELL, "HOME": str(cwd.parent), **variables}
    return subprocess.run([bin / program, *words], cwd=cwd, env=environment, capture_output=True, text=True)


# ---------------------------------------------------------------- without this, without that


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_lint_needs_nothing(wheel: Path, project: Path, tmp_path: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    bin = make_environment(tmp_path / "env", wheel, "--no-deps", python=python)
    (tmp_path / "bad.py").write_text("import numpy as np\n\nrng = np.random.default_rng()\n")
    done = call(bin, "lint", "bad.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("bad.py:3:7: SB303 ")
    page = call(bin, "lint", "--explain", "SB303", cwd=tmp_path).stdout
    assert page == (ROOT / "docs/rules/SB303.md").read_text()
    assert "unrecognized arguments: --bad" in one_line(call(bin, "lint", "--bad", cwd=tmp_path).stderr)
    compiled = call(bin, "-W", "error", "-m", "compileall", "-q", str(bin.parent / "lib"), cwd=tmp_path,
                    program="python")  # fmt: skip
    assert (compiled.returncode, compiled.stdout, compiled.stderr) == (0, "", "")


def test_without_its_dependencies_it_is_one_line(alone: Path, project: Path) -> None:
    done = call(alone, "doctor", cwd=project)
    assert done.returncode == 2
    assert one_line(done.stderr) == "samebits: click is not installed: `pip install 'samebits'` brings it"


IMPORT_ALL = """
import importlib, pkgutil, samebits
ours = [row.name for row in pkgutil.walk_packages(samebits.__path__, "samebits.", onerror=lambda name: None)]
missing = set()
for name in ours:
    if name != "samebits.__main__":
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing.add(error.name or str(error).split()[0])
print(sorted(missing - {"torch", "tensorflow", "keras"}))
samebits.seed_everything(0)
"""


def test_its_dependencies_are_declared(core: Path, project: Path) -> None:
    done = call(core, "exec", "--", "python", "-c", IMPORT_ALL, cwd=project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


PYTHON = ["exec", "--", "python", "-c"]


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        (["matrix", "true"], "matplotlib", "plots"),
        ([*PYTHON, "import samebits.torch"], "torch", "torch"),
        ([*PYTHON, "import samebits.torch.lightning"], "torch", "torch"),
        ([*PYTHON, "import samebits.keras.callback"], "tensorflow", "keras"),
    ],
)
def test_a_missing_extra_is_one_line(
    core: Path, project: Path, words: list[str], module: str, extra: str
) -> None:
    done = call(core, *words, cwd=project)
    said = f"samebits: {module} is not installed: `pip install 'samebits[{extra}]'` brings it"
    assert one_line(done.stderr) == said
    assert done.returncode == (1 if words[0] == "exec" else 2)


def test_without_a_framework_there_is_no_fingerprint(core: Path, project: Path) -> None:
    done = call(core, "fingerprint", cwd=project)
    assert done.returncode == 2
    assert "no framework is installed: `pip install 'samebits[torch]'`" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("lightning", "lightning", "lightning"), ("huggingface", "transformers", "huggingface")],
)
def test_an_extra_on_top_of_torch_is_named(
    complete: Path, project: Path, module: str, name: str, extra: str
) -> None:
    hidden = f"""if True:
        import importlib.util as util
        find = util.find_spec
        util.find_spec = lambda name, *more: None if name == {name!r} else find(name, *more)
        import samebits.torch.{module}
    """
    done = call(complete, *PYTHON, hidden, cwd=project)
    said = f"samebits: {name} is not installed: `pip install 'samebits[{extra}]'` brings it"
    assert one_line(done.stderr) == said


def test_doctor_and_attest_say_what_they_cannot_tell(core: Path, project: Path) -> None:
    done = call(core, "exec", "--", "samebits", "doctor", "--json", cwd=project)
    assert done.returncode == 0, done.stdout
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert findings["requirements.lock"]["outcome"] == "warn"
    assert f"none in {project}: " in findings["requirements.lock"]["found"]
    assert findings["requirements"]["outcome"] == "ok"
    done = call(core, "attest", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    checks = {check["check"]: check for check in json.loads(done.stdout)}
    assert (checks["packages"]["outcome"], checks["recorded files"]["outcome"]) == ("warn", "ok")


def test_attest_still_finds_a_changed_file_without_a_lock(wheel: Path, project: Path, tmp_path: Path) -> None:
    locked = ("--offline", "--constraint", str(ROOT / "requirements.lock"), "--link-mode", "copy")
    bin = make_environment(tmp_path / "env", wheel, *locked)
    (table,) = (tmp_path / "env/lib").rglob("samebits/determinism.env")
    table.write_text(table.read_text().replace("TZ=UTC", "TZ=Asia/Tokyo"))
    done = call(bin, "attest", cwd=project)
    assert done.returncode == 1
    assert "samebits/determinism.env has" in done.stderr


# ---------------------------------------------------------------- in somebody else's repository


def test_it_trains_the_same_bits_as_this_checkout(complete: Path, project: Path) -> None:
    """And smoke, verify, lint and doctor work there; what the project has below src is found and recorded."""
    done = call(complete, "exec", "--", "python", "train.py", cwd=project, PYTHONPATH="src")
    assert done.returncode == 0, done.stderr
    weights = sha256(project / "runs/torch/weights.safetensors")
    manifest = json.loads((project / "runs/torch/manifest.json").read_text())
    assert manifest["command"] == ["python", "train.py"]
    assert manifest["working_folder"] == "."
    assert manifest["fingerprint"]["variables"]["PYTHONPATH"] == "src"
    assert manifest["replaced"] == []
    assert manifest["fingerprint"]["locks"] == {}
    code = manifest["code"]
    assert (code["commit"], code["dirty"]) == (git(project, "rev-parse", "HEAD"), False)
    assert set(code["files"]) == {"train.py", "src/points.py"}

    environment = {**SHELL, "HOME": str(project.parent), "PYTHONPATH": "src"}
    environment |= {"SAMEBITS_ALLOW": "PYTHONPATH", "SAMEBITS_RUN_FOLDER": "runs/checkout"}
    command = [ROOT / "entrypoint", "python", "train.py"]
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    assert sha256(project / "runs/checkout/weights.safetensors") == weights

    for words in (["smoke", "python", "train.py"], ["verify", "runs/torch"]):
        done = call(complete, *words, cwd=project, PYTHONPATH="src")
        assert done.returncode == 0, done.stderr
        assert f"sha256 {weights}" in done.stdout
    assert call(complete, "lint", ".", cwd=project).stdout == "All checks passed!\n"
    done = call(complete, "exec", "--", "samebits", "doctor", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")


def test_processes_are_reached_by_the_installed_file(complete: Path, project: Path) -> None:
    script = "import random, subprocess, sys\nrandom.Random().random()\n"
    done = call(complete, "watch", "--json", "--", "python", "-I", "-c", script, cwd=project)
    assert done.returncode == 0, done.stderr
    assert [row["source"] for row in json.loads(done.stdout)] == ["random.Random() without a seed"]
    (installed,) = (complete.parent / "lib").rglob(BEGIN)
    installed.rename(installed.with_suffix(".aside"))
    done = call(complete, "watch", "--", "python", "-c", script, cwd=project)
    installed.with_suffix(".aside").rename(installed)
    assert done.returncode == 2
    assert f"no process was watched: {BEGIN} is not beside the packages" in one_line(done.stderr)


def test_contradictions_are_refused_as_by_entrypoint(complete: Path, project: Path) -> None:
    done = call(complete, "exec", "--", "python", "train.py", cwd=project, NVIDIA_TF32_OVERRIDE="1")
    assert done.returncode == 2
    assert "NVIDIA_TF32_OVERRIDE is '1', must be '0'" in one_line(done.stderr)
    done = call(complete, "smoke", "python", "train.py", cwd=project, TF_USE_LEGACY_KERAS="1")
    assert done.returncode == 2
    assert "TF_USE_LEGACY_KERAS is '1', must not be set" in one_line(done.stderr)


def test_the_projects_own_entrypoint_finds_the_installed_one(complete: Path, project: Path) -> None:
    shutil.copy(ROOT / "entrypoint", project)
    (project / ".venv").symlink_to(complete.parent)
    done = call(
        project, "sh", "-c", "echo $SAMEBITS_ROOT; command -v python", cwd=project, program="entrypoint"
    )
    assert done.stdout == f"{project}\n{project}/.venv/bin/python\n"
    (project / ".venv").unlink()
    (project / "entrypoint").unlink()


# ---------------------------------------------------------------- the page's few lines


def edited(script: str, edit: str) -> str:
    """A script with one of the page's edits made: its lines, with what `-` and `+` begin."""
    lines, at = script.splitlines(), 0
    for row in edit.splitlines():
        sign, text = row[:1].strip(), row[1:]
        if sign == "+":
            lines.insert(at, text)
        else:
            at = lines.index(text, at)
            if sign == "-":
                del lines[at]
                continue
        at += 1
    return "\n".join(lines) + "\n"


def test_a_few_lines_give_a_script_smoke_verify_and_resume(complete: Path, tmp_path: Path) -> None:
    """After `samebits init`, in somebody's repository, with the lines that docs/library.md shows."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    smoke_and_verify, resume = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
    script = "".join(f"{row[1:]}\n" for row in smoke_and_verify.splitlines() if not row.startswith("+"))
    (folder / "train.py").write_text(script)
    (folder / "points.py").write_text(POINTS)
    done = call(complete, "init", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "samebits==0.1.0  # here from a file: " in (folder / "environment.yml").read_text()
    (folder / ".venv").symlink_to(complete.parent)
    with (folder / ".gitignore").open("a") as file:
        file.write(".venv\n")
    commit(folder)
    environment = {**SHELL, "HOME": str(tmp_path)}

    def told(*words: str, status: int = 0, **variables: str) -> str:
        done = subprocess.run(words, cwd=folder, env=environment | variables, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    assert "epoch 2: loss 0." in told("make", "-s", "train")
    told("make", "-s", "doctor")
    toolkit = "from samebits.fingerprint.code_state import own; print(own().get('commit'))"
    assert told("./entrypoint", "python", "-c", toolkit, SAMEBITS_COMMIT="theirs") == "None\n"
    whole = ""
    for edit, number in ((smoke_and_verify, 7), (resume, 3)):
        assert sum(row.startswith("+") for row in edit.splitlines()) == number
        assert re.search(rf"^(These lines, )?{number} (new ones|more), ", PAGE, re.MULTILINE)
        script = edited(script, edit)
        (folder / "train.py").write_text(script)
        commit(folder)
        assert told("make", "-s", "lint") == "All checks passed!\n"
        told("make", "-s", "train")
        whole = sha256(folder / "runs/torch-seed=1/weights.safetensors")
        interrupted = "the second was stopped after step " if edit == resume else "not interrupted "
        said = told("make", "-s", "smoke")
        assert re.search(rf"same bits: 2 runs, {interrupted}.*, sha256 {whole}\n", said)
        if edit == smoke_and_verify:  # one that resumes is verified above
            assert f"sha256 {whole}" in told("./entrypoint", "samebits", "verify", "runs/torch-seed=1")
    shutil.rmtree(folder / "runs")
    train = ["./entrypoint", "python", "train.py"]
    told(*train, status=75, SAMEBITS_STOP_AT="11")  # in the second epoch
    assert "resumes after step 11, " in told(*train)
    assert sha256(folder / "runs/torch-seed=1/weights.safetensors") == whole
