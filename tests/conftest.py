"""What the tests share: the repository, its entrypoint, and processes started the way a user starts them."""

import ast
import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOMEBODY = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
FRAMEWORKS = [
    "torch",
    "keras",
]
# Where a shell sets this, as some images do, every process that a test starts would compile torch anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Hundreds of runs, whose curves nobody looks at; a test that does removes it.
os.environ["SAMEBITS_CURVES"] = "0"
# For a shell with another HOME: in a new cache, each first run hashes gigabytes of libraries again.
CACHES = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")}
Started = subprocess.CompletedProcess[str]
# What takes minutes is begun first, so that no worker is idle at the end. While one worker builds the image,
# the other has no test that would wait for it.
LONGEST_FIRST = (
    "tests/image/test_apptainer.py",
    "tests/starter/",
    "tests/image/",
    "tests/samebits/proof/",
    "tests/test_readme.py",
    "tests/test_wheel.py",
    "tests/template/",
    "tests/samebits/torch/test_epoch_ends.py",
    "tests/samebits/keras/",
    "tests/samebits/torch/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, which a worker takes whole, by how long they take; tests within one keep theirs."""

    def rank(item: pytest.Item) -> int:
        starts = (at for at, start in enumerate(LONGEST_FIRST) if item.nodeid.startswith(start))
        return next(starts, len(LONGEST_FIRST))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """What is imported by now stays: each run's look at all objects, and the collector, pass over it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_chance_of_other_tests() -> None:
    """What earlier tests drew without a seed in this process is not the next one's."""
    if "samebits.chance.begin" in sys.modules:
        from samebits.chance.made import made
        from samebits.chance.records import RECORDS

        made.clear()
        RECORDS.counts.clear()


@pytest.fixture(autouse=True)
def short_looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run looks for unsaved state for up to two seconds, and a test's process holds what all tests made."""
    if request.path.parent.name in ("torch", "keras"):
        monkeypatch.setattr("samebits.unsaved.watch.FOR_STEPS", 0.05)
        monkeypatch.setattr("samebits.unsaved.watch.SECONDS", 0.1)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def start() -> Callable[..., Started]:
    """Run a command through ./entrypoint in a process of its own, as `make` does.

    `variables` are added to this process's environment; None removes one.
    """

    def start(*command: object, cwd: Path = ROOT, timeout: float = 600, **variables: str | None) -> Started:
        environment = {
            **os.environ,
            **{name: value for name, value in variables.items() if value is not None},
        }
        for name, value in variables.items():
            if value is None:
                environment.pop(name, None)
        return subprocess.run(
            [str(ROOT / "entrypoint"), *map(str, command)],
            cwd=cwd,
            env=environment,
            timeout=timeout,
            capture_output=True,
            text=True,
        )

    return start


def interpreter(version: str) -> str | None:
    """A Python of this version, on PATH or pyenv's; a version manager's stub may start nothing."""
    name = f"python{version}"
    for path in (shutil.which(name), *Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}")):
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return str(path)
    return None


def printed(start: Callable[..., Started], code: str, **variables: str | None) -> list[Any]:
    """What a script prints, as Python values, one a line. Started as `make` does, so nothing warns."""
    done = start("python", "-c", code, **variables)
    assert done.returncode == 0, done.stderr
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


def tracked(new: bool = True) -> list[str]:
    """The files and links that git has, and, if `new`, those that it would have."""
    command = ["git", "ls-files", "-z", "--cached", *(["--others", "--exclude-standard"] if new else [])]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in filter(None, listed.split("\0")) if os.path.lexists(ROOT / name)]


def copy_repository(folder: Path) -> Path:
    """Copy the files that git has or would have, and nothing else: no environment, no caches."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def copy_entrypoint(folder: Path) -> None:
    """Give a folder what `./entrypoint` needs: the script, samebits' own, and determinism.env."""
    for name in ("entrypoint", "src/samebits/entrypoint", "determinism.env"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def one_line(stderr: str) -> str:
    """The single line that a failing command may print; fails the test when there are more.

    TensorFlow's own log, which it writes while it is imported, does not count.
    """
    log = re.compile(
        r"WARNING: All log messages before absl|[IWE]\d{4} |To enable the following instructions"
    )
    lines = [line for line in stderr.splitlines() if line.strip() and not log.match(line)]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("samebits: "), stderr
    return lines[0]


def git(folder: Path, *words: str) -> str:
    command = ["git", *SOMEBODY, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All of it")


def build(clone: Path, umask: int = 0o022) -> Path:
    """The wheel of a clone's commit, made where no network answers."""
    nowhere = "http://127.0.0.1:9"
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere)
    done = subprocess.run(
        [sys.executable, clone / "tools/wheel.py", clone / "made"],
        env={**os.environ, **closed, "PIP_NO_INDEX": "1", "TZ": "Asia/Tokyo" if umask else "UTC"},
        umask=umask,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (clone / "made").glob("*.whl")
    assert done.stdout.startswith(sha256(wheel))
    return wheel


def sha256(path: Path) -> str:
    return subprocess.check_output(["sha256sum", path], text=True).split()[0]


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository in which what is not committed yet is committed."""
    folder = copy_repository(tmp_path_factory.mktemp("clone") / "samebits")
    commit(folder)
    return folder


@pytest.fixture(scope="session")
def wheel(clone: Path) -> Path:
    return build(clone)
