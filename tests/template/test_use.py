"""A generated project, used as its owner would: real commands, in an environment of its own."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started
from tests.template.conftest import Generate, commit, git

pytestmark = pytest.mark.timeout(3600)
GOLDEN = tomllib.loads((ROOT / "golden.toml").read_text())
PAGE = (ROOT / "docs/template.md").read_text().partition("## Make it yours\n")[2].partition("\n## ")[0]


@pytest.fixture(
    scope="module",
    params=["torch", *(pytest.param(name, marks=pytest.mark.slow) for name in ("keras", "both"))],
)
def used(
    request: pytest.FixtureRequest, generate: Generate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A project in which somebody works; its environment of gigabytes goes when the tests have ended."""
    folder = tmp_path_factory.mktemp(f"used-{request.param}")
    folder.chmod(0o755)
    done = generate(folder, project_name="Own", package_name="alpha", framework=request.param)
    assert done.returncode == 0, done.stderr
    commit(folder / "own", "A new project")
    succeed(make(folder / "own", "env"))
    yield folder / "own"
    shutil.rmtree(folder)


def make(project: Path, *words: str, **variables: str) -> Started:
    """Run make as in a new shell: nothing of these tests' own run shows through."""
    own = (
        "FRAMEWORK",
        "SAMEBITS_",
        "MAKE",
        "MFLAGS",
        "ARGS",
        "PYTEST_",
        "VIRTUAL_ENV",
        "PYTHON",
        "IMAGE",
        "BASE",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment["PATH"] = environment["PATH"].replace(f"{ROOT}/.venv/bin:", "")
    return subprocess.run(
        ["make", *words], cwd=project, env=environment | variables, capture_output=True, text=True
    )


def frameworks(project: Path) -> list[str]:
    both = sorted(path.stem.removeprefix("train_") for path in project.glob("src/alpha/train_*.py"))
    return both or re.findall(r"^FRAMEWORK = (.*)$", (project / "Makefile").read_text(), re.MULTILINE)


def succeed(done: Started) -> str:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_making_the_environment_again_changes_nothing(used: Path) -> None:
    done = make(used, "env")
    assert (done.returncode, done.stderr) == (0, "")
    assert git(used, "status", "--porcelain") == ""


def test_it_trains_to_this_repositorys_golden_hash(used: Path) -> None:
    """The starter's bits depend on nothing that is otherwise in a project; nothing warns."""
    for framework in frameworks(used):
        done = make(used, "train", f"FRAMEWORK={framework}", PROFILE="portable")
        said = succeed(done)
        (sha256,) = re.findall(r"^sha256 ([0-9a-f]{64})  runs/", said, re.MULTILINE)
        assert sha256 == GOLDEN[f"{framework}-cpu-portable"]["weights_sha256"]
        assert "no golden hash for these settings" in said
        if framework == "torch":
            assert done.stderr == ""


def test_a_framework_that_was_not_asked_for_is_not_there(used: Path) -> None:
    packages = {path.name.lower() for path in used.glob(".venv/lib/python3.11/site-packages/*")}
    for other in {"torch", "keras"} - set(frameworks(used)):
        assert {"torch": "torch", "keras": "tensorflow"}[other] not in packages
    assert "samebits" in packages


def test_smoke_golden_and_its_own_tests(used: Path) -> None:
    framework = frameworks(used)[0]
    assert "same bits: 2 runs, sha256 " in succeed(make(used, "smoke", "ARGS=--epochs 1"))
    assert ": new, " in succeed(make(used, "golden"))
    commit(used, "The golden hash")
    assert "matches the golden hash" in succeed(make(used, "train", f"FRAMEWORK={framework}"))
    assert f"{3 * len(frameworks(used))} passed" in succeed(make(used, "test"))
    succeed(make(used, "lint"))


def test_doctor_finds_nothing_wrong(used: Path) -> None:
    succeed(make(used, "doctor"))


def test_its_locks_are_what_make_lock_gives(used: Path) -> None:
    assert "up to date" in succeed(make(used, "lock", "ARGS=--check"))
    said = succeed(make(used, "lock"))
    assert "requirements.lock: unchanged" in said
    assert git(used, "status", "--porcelain") == ""


def test_a_package_is_added_by_one_command(used: Path) -> None:
    lock = (used / "requirements.lock").read_text()
    succeed(make(used, "add", "PACKAGE=einops"))
    assert "      - einops==" in (used / "environment.yml").read_text()
    assert (used / ".venv/lib/python3.11/site-packages/einops").is_dir()
    rows = {row for row in (used / "requirements.lock").read_text().splitlines() if not row.startswith("#")}
    assert {row.partition("==")[0] for row in rows - set(lock.splitlines())} == {"einops"}
    commit(used, "einops")


# ---------------------------------------------------------------- make it yours


@pytest.fixture(scope="module")
def yours(used: Path) -> Path:
    """The project after the page's three files, in the style of its owner."""
    if frameworks(used) != ["torch"]:
        pytest.skip("the page's example is PyTorch's")
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    for name, block in zip(("data", "model", "train"), blocks, strict=True):
        (used / f"src/alpha/{name}.py").write_text(block)
    (used / "README.md").write_text("# mine\n")
    (used / "src/alpha/own.py").write_text("def f(a,b): assert a is not None and b is not None; return  a\n")
    return used


def test_other_data_model_and_loss_in_three_files(yours: Path) -> None:
    """In the order of the page: nothing that comes with the project fails because its owner changed it."""
    commands = re.findall(r"^    (make|git) ([a-z]+)", PAGE, re.MULTILINE)
    assert [" ".join(words) for words in commands] == [
        *("make train", "make smoke", "make test", "git add", "make golden", "make image")
    ]
    said = succeed(make(yours, "train"))
    assert "val_error" in said
    assert "another hash" in said
    assert "same bits: 2 runs, sha256 " in succeed(make(yours, "smoke", "ARGS=--epochs 2"))
    assert "3 passed" in succeed(make(yours, "test"))
    commit(yours, "Wine")
    succeed(make(yours, "golden"))
    assert "matches the golden hash" in succeed(make(yours, "train"))
    succeed(make(yours, "doctor"))


def test_its_own_tests_can_fail(yours: Path) -> None:
    """A training that goes uphill, weights that differ each time, and data that the code does not name."""
    train = yours / "src/alpha/train.py"
    text = train.read_text()
    wrong = text
    for old, new in {
        "loss.backward()": "(-loss).backward()",
        "run.finish(model)": "model.layers[0].bias.data += os.getpid() % 1000; run.finish(model)",
        "import numpy as np\n": "import os\n\nimport numpy as np\n",
        "load_wine(settings.data)": "[np.ones((64, 13), 'float32')] * 2",
    }.items():
        assert old in wrong
        wrong = wrong.replace(old, new)
    train.write_text(wrong)
    done = make(yours, "test")
    train.write_text(text)
    assert done.returncode == 2
    failed = set(re.findall(r"^FAILED tests/test_train.py::(\w+)", done.stdout, re.MULTILINE))
    assert failed == set(
        re.findall(r"^def (test_\w+)", (yours / "tests/test_train.py").read_text(), re.MULTILINE)
    )


# ---------------------------------------------------------------- the image


@pytest.mark.image
def test_its_image_trains_to_the_same_hash(yours: Path, docker: str, base: str) -> None:
    """On a Debian base, as another user, without a network: the hash of `make train`."""
    image = {"DOCKER": docker, "IMAGE": "samebits-project-test"}
    commit(yours, "What I have")
    system = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    secret = f"ARGS=--secret id=ca,src={system}" if Path(system).exists() else "ARGS="
    succeed(make(yours, "image", f"BASE={base}", "INTERPRETER=base", secret, **image))
    outside = succeed(make(yours, "train"))
    inside = succeed(make(yours, "docker-train", **image))
    (expected,) = re.findall(r"^sha256 ([0-9a-f]{64})", outside, re.MULTILINE)
    assert f"sha256 {expected}  runs/torch/weights.safetensors" in inside
    assert "the same bits as the run that was here before" in inside
    words = ["image", "inspect", "--format", "{{.Config.User}} {{json .Config.Labels}}", image["IMAGE"]]
    said = subprocess.run([docker, *words], capture_output=True, text=True, check=True).stdout
    head = git(yours, "rev-parse", "HEAD").strip()
    assert said.startswith("1000:1000 ")
    assert f'"org.opencontainers.image.revision":"{head}"' in said
    subprocess.run([docker, "rmi", image["IMAGE"]], capture_output=True)
