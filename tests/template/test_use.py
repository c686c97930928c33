"""A generated project, used as its owner would: real commands, in an environment of its own."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started
from tests.image.conftest import OURS, skip_without_space
from tests.template.conftest import Generate, commit, git, renew_wheel

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
    answers = {"framework": request.param, "extras": "devcontainer"}
    done = generate(folder, project_name="Own", package_name="alpha", **answers)
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
        assert "nothing to compare with: golden.toml has no hash" in said
        if framework == "torch":
            assert done.stderr == ""


def test_a_framework_that_was_not_asked_for_is_not_there(used: Path) -> None:
    packages = {path.name.lower() for path in used.glob(".venv/lib/python3.11/site-packages/*")}
    for other in {"torch", "keras"} - set(frameworks(used)):
        assert {"torch": "torch", "keras": "tensorflow"}[other] not in packages
    assert "samebits" in packages


def test_the_readmes_commands_print_what_it_shows(used: Path) -> None:
    framework = frameworks(used)[-1]
    settings = used / "src/alpha/settings.py"  # a sample: the whole training has its golden hash above
    shorter = settings.read_text().replace("option(20,", "option(4,")
    assert shorter != settings.read_text()
    settings.write_text(shorter)
    commit(used, "Fewer epochs")
    said = succeed(make(used, "golden", f"FRAMEWORK={framework}"))
    assert ": new, " in said
    said += succeed(make(used, "smoke", "ARGS=--epochs 1"))
    said += succeed(make(used, "test"))
    shown = re.findall(r"```text\n(.*?)```", (used / "README.md").read_text(), re.DOTALL)
    for line in "".join(shown).splitlines():
        wanted = ".*".join(re.escape(part) for part in line.split("…"))
        assert re.search(wanted, said), line
    commit(used, "The golden hash")
    assert "matches the golden hash" in succeed(make(used, "train", f"FRAMEWORK={framework}"))
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


def test_another_version_of_samebits(used: Path, template: Path, tmp_path: Path) -> None:
    """What `cruft update` leaves: another wheel, its name in environment.yml, and the old lock."""
    later = Path(shutil.copytree(template, tmp_path / "later", symlinks=True))
    package = later / "src/samebits/__init__.py"
    package.write_text(package.read_text().replace('__version__ = "', '__version__ = "9.'))
    commit(later, "A later version")
    renew_wheel(later)
    shutil.rmtree(used / "vendor")
    shutil.copytree(later / "{{cookiecutter.__slug}}/vendor", used / "vendor")
    environment = (used / "environment.yml").read_text()
    (used / "environment.yml").write_text(environment.replace("/samebits-", "/samebits-9."))
    assert "requirements.lock: written" in succeed(make(used, "lock"))
    succeed(make(used, "env"))
    words = [used / "entrypoint", "samebits", "--version"]
    assert " 9." in subprocess.run(words, capture_output=True, text=True, check=True).stdout
    commit(used, "Another samebits")


# ---------------------------------------------------------------- make it yours


def name(stem: str, framework: str, project: Path) -> str:
    """A module's name: with both frameworks, each has modules of its own."""
    return f"{stem}_{framework}" if len(frameworks(project)) > 1 else stem


@pytest.fixture(scope="module")
def yours(used: Path) -> Path:
    """The project after the page's files, in the style of its owner."""
    data, *rest = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    blocks = {"torch": rest[0::2], "keras": rest[1::2]}
    assert len(rest) == 4
    package = used / "src/alpha"
    (package / "data.py").write_text(data)
    for framework in frameworks(used):
        model, train = blocks[framework]
        assert "from .model import" in train
        train = train.replace(".model import", f".{name('model', framework, used)} import")
        for stem, block in (("model", model), ("train", train)):
            assert framework in block
            (package / f"{name(stem, framework, used)}.py").write_text(block)
    (used / "README.md").write_text("# mine\n")
    (package / "own.py").write_text("def f(a,b): assert a is not None and b is not None; return  a\n")
    return used


def test_other_data_model_and_loss_in_three_files(yours: Path) -> None:
    """In the order of the page: nothing that comes with the project fails because its owner changed it."""
    commands = re.findall(r"^    (make|git) ([a-z]+)", PAGE, re.MULTILINE)
    assert [" ".join(words) for words in commands] == [
        *("make train", "make smoke", "make test", "git add", "make golden", "make image")
    ]
    made = frameworks(yours)
    for framework in made:
        said = succeed(make(yours, "train", f"FRAMEWORK={framework}"))
        assert "val_error" in said
        assert ("another hash" in said) is (framework == made[-1]), "whose golden hash the starter has left"
        smoke = make(yours, "smoke", "ARGS=--epochs 2", f"FRAMEWORK={framework}")
        assert "same bits: 2 runs, the second was stopped after step " in succeed(smoke)
    assert f"{3 * len(made)} passed" in succeed(make(yours, "test"))
    for framework in made:
        commit(yours, "Wine")
        succeed(make(yours, "golden", f"FRAMEWORK={framework}"))
        assert "matches the golden hash" in succeed(make(yours, "train", f"FRAMEWORK={framework}"))
    succeed(make(yours, "doctor"))


UPHILL = {  # what a wrong training does, by framework: in place of what stands in the page's
    "torch": {
        "loss.backward()": "(-loss).backward()",
        "run.finish(model)": "model.layers[0].bias.data += os.getpid() % 1000; run.finish(model)",
    },
    "keras": {
        "AdamW(settings.learning_rate)": "SGD(-0.01)",
        "run.finish(model)": "model.layers[-1].bias.assign([os.getpid() % 1000]); run.finish(model)",
    },
}


def test_its_own_tests_can_fail(yours: Path) -> None:
    """A training that goes uphill, weights that differ each time, and data that the code does not name."""
    former = {}
    for framework in frameworks(yours):
        path = yours / f"src/alpha/{name('train', framework, yours)}.py"
        former[path] = wrong = path.read_text()
        for old, new in {
            **UPHILL[framework],
            "\nimport samebits.": "\nimport os\n\nimport numpy as np\n\nimport samebits.",
            "load_wine(settings.data)": "[np.random.default_rng(0).random((64, 13)).astype('float32')] * 2",
        }.items():
            assert old in wrong
            wrong = wrong.replace(old, new)
        path.write_text(wrong)
    done = make(yours, "test")
    for path, text in former.items():
        path.write_text(text)
    assert done.returncode == 2
    failed = re.findall(r"^FAILED tests/test_train.py::(\w+)", done.stdout, re.MULTILINE)
    tests = re.findall(r"^def (test_\w+)", (yours / "tests/test_train.py").read_text(), re.MULTILINE)
    assert sorted(failed) == sorted(tests * len(former)), done.stdout[-3000:]


# ---------------------------------------------------------------- the image


@pytest.fixture(scope="module")
def image(yours: Path, docker: str, base: str) -> Iterator[str]:
    """The project's image, on a Debian base."""
    name = "samebits-project-test"
    skip_without_space(docker, yours / "requirements.lock", name)
    commit(yours, "What I have")
    system = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    secret = f"--secret id=ca,src={system}" if Path(system).exists() else ""
    words = (
        f"DOCKER={docker}",
        f"IMAGE={name}",
        f"BASE={base}",
        "INTERPRETER=base",
        f"ARGS={secret} --label={OURS}=",
    )
    succeed(make(yours, "image", *words))
    yield name
    subprocess.run([docker, "rmi", name], capture_output=True)


@pytest.mark.image
def test_its_image_trains_to_the_same_hash(yours: Path, docker: str, image: str) -> None:
    for framework in frameworks(yours):
        chosen = f"FRAMEWORK={framework}"
        outside = succeed(make(yours, "train", chosen))
        inside = succeed(make(yours, "docker-train", f"DOCKER={docker}", f"IMAGE={image}", chosen))
        (expected,) = re.findall(r"^sha256 ([0-9a-f]{64})", outside, re.MULTILINE)
        assert f"sha256 {expected}  runs/{framework}/weights.safetensors" in inside
        assert "the same bits as the run that was here before" in inside
    words = ["image", "inspect", "--format", "{{.Config.User}} {{json .Config.Labels}}", image]
    said = subprocess.run([docker, *words], capture_output=True, text=True, check=True).stdout
    assert said.startswith("1000:1000 ")
    assert f'"org.opencontainers.image.revision":"{git(yours, "rev-parse", "HEAD").strip()}"' in said


@pytest.mark.image
@pytest.mark.slow  # tests/image does so with the image of the repository
def test_its_image_runs_locked_down(yours: Path, docker: str, image: str) -> None:
    """Any user, no network, no capability, and nothing that can be written but /tmp."""
    options = [
        "--user=12345:12345",
        "--read-only",
        "--tmpfs=/tmp",
        "--network=none",
        "--cap-drop=ALL",
        "--init",
    ]
    words = [
        docker,
        "run",
        "--rm",
        *options,
        image,
        "python",
        "-m",
        f"alpha.{name('train', frameworks(yours)[-1], yours)}",
        "--epochs=1",
        "--run=/tmp/run",
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "sha256 " in succeed(done)


@pytest.mark.image
def test_its_dev_container_is_lent_the_packages_of_the_image(
    yours: Path, docker: str, image: str, tmp_path: Path
) -> None:
    """As an editor starts it, from what devcontainer.json says; as root, so that any folder will do."""
    inside, venv = "/workspaces/own", tmp_path / "venv"
    venv.mkdir()
    text = (yours / ".devcontainer/devcontainer.json").read_text()
    told = json.loads(re.sub(r"^\s*//.*", "", text, flags=re.MULTILINE))
    mounts = [f"--volume={yours}:{inside}", f"--volume={venv}:{inside}/.venv"]
    words = ["run", "--detach", "--init", "--user=0", f"--workdir={inside}", *mounts, "--entrypoint=sleep"]
    started = subprocess.run([docker, *words, image, "infinity"], capture_output=True, text=True, check=True)
    container = started.stdout.strip()

    def call(command: str) -> str:
        path = told["remoteEnv"]["PATH"].replace("${containerWorkspaceFolder}", inside)
        path = path.replace("${containerEnv:PATH}", "/opt/samebits/.venv/bin:/usr/bin:/bin")
        words = ["exec", "--env", "SAMEBITS_COMMIT=", "--env", f"PATH={path}", container, "sh", "-c", command]
        return succeed(subprocess.run([docker, *words], capture_output=True, text=True))

    try:
        call(told["postCreateCommand"])
        said = call(
            "./entrypoint python -c 'import alpha, samebits; print(alpha.__file__, samebits.__file__)'"
        )
        site = "/opt/samebits/.venv/lib/python3.11/site-packages"
        assert said.split() == [f"{inside}/src/alpha/__init__.py", f"{site}/samebits/__init__.py"]
        assert f"{3 * len(frameworks(yours))} passed" in call(
            "./entrypoint python -m pytest -p no:cacheprovider"
        )
        assert "SAMEBITS_ROOT=/workspaces/own" in (venv / "entrypoint.env").read_text()
    finally:
        subprocess.run([docker, "rm", "--force", container], capture_output=True)
