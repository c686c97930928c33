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
from tests.template.conftest import Generate, commit

pytestmark = pytest.mark.timeout(3600)
GOLDEN = tomllib.loads((ROOT / "golden.toml").read_text())


@pytest.fixture(
    scope="module",
    params=["keras", *(pytest.param(name, marks=pytest.mark.slow) for name in ("torch", "both"))],
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
    yield folder / "own"
    shutil.rmtree(folder)


def make(project: Path, *words: str, **variables: str) -> Started:
    """Run make as in a new shell: nothing of these tests' own run shows through."""
    own = ("FRAMEWORK", "SAMEBITS_", "MAKE", "MFLAGS", "ARGS", "PYTEST_", "VIRTUAL_ENV", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment["PATH"] = environment["PATH"].replace(f"{ROOT}/.venv/bin:", "")
    return subprocess.run(
        ["make", *words], cwd=project, env=environment | variables, capture_output=True, text=True
    )


def frameworks(project: Path) -> list[str]:
    return sorted(path.stem.removeprefix("train_") for path in project.glob("src/alpha/train_*.py"))


def succeed(done: Started) -> str:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_trains_to_this_repositorys_golden_hash(used: Path) -> None:
    for framework in frameworks(used):
        named = {} if len(frameworks(used)) == 1 else {"FRAMEWORK": framework}
        said = succeed(make(used, "train", **named))
        (sha256,) = re.findall(r"^sha256 ([0-9a-f]{64})  runs/", said, re.MULTILINE)
        if ", as expected: that one was made on " not in said:  # another kind of CPU than the golden hashes'
            assert sha256 in {GOLDEN[name]["weights_sha256"] for name in GOLDEN if name.startswith(framework)}
            assert "matches the golden hash" in said


@pytest.mark.slow
def test_smoke_gives_the_same_bits_twice(used: Path) -> None:
    assert "same bits: 2 runs, sha256 " in succeed(make(used, "smoke", "ARGS=--epochs 1"))


def test_a_framework_that_was_not_asked_for_is_not_there(used: Path) -> None:
    for other in {"torch", "keras"} - set(frameworks(used)):
        done = make(used, "train", FRAMEWORK=other)
        assert done.returncode == 2
        assert f"FRAMEWORK is '{other}', must be a framework of this project" in done.stderr
        packages = {path.name.lower() for path in used.glob(".venv/lib/python3.11/site-packages/*")}
        assert {"torch": "torch", "keras": "tensorflow"}[other] not in packages


def test_it_is_clean_and_locked_and_its_own_tests_pass(used: Path) -> None:
    """`make test`, which begins with lint and lock-check, for a part of the tests of the owner's package."""
    said = succeed(make(used, "test", "ARGS=tests/alpha -k learns"))
    assert "style, types, imports and shell scripts: clean" in said
    assert "up to date" in said
    assert f"{len(frameworks(used))} passed" in said


@pytest.mark.slow
def test_its_locks_are_what_make_lock_gives(used: Path) -> None:
    said = succeed(make(used, "lock"))
    assert "requirements.lock: unchanged" in said
    assert "locks/requirements-dev.lock: unchanged" in said


@pytest.mark.slow
def test_all_its_tests_pass(used: Path) -> None:
    """`make test` as it stands: the toolkit's tests, the README's commands, the image and a container run."""
    succeed(make(used, "test"))
