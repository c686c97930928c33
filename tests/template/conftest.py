"""Projects made from this template as their owners make them: by cookiecutter's and cruft's commands."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started, copy_repository
from tests.image.conftest import base, docker

from release import put_wheel

__all__ = ["base", "docker"]  # fixtures, used here too
Generate = Callable[..., Started]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository with what is not committed yet, and its wheel in the template."""
    folder = copy_repository(tmp_path_factory.mktemp("template") / "samebits")
    commit(folder, "The template")
    renew_wheel(folder)
    commit(folder, "The wheel of it")
    return folder


def renew_wheel(folder: Path) -> None:
    """Give the template of a repository the wheel of its commit, as a release does."""
    tool = [sys.executable, folder / "tools/wheel.py", folder / "dist"]
    subprocess.run(tool, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    put_wheel(folder, wheel)
    shutil.rmtree(folder / "dist")


def git(folder: Path, *words: str) -> str:
    """Run git as somebody, wherever the machine knows nobody."""
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    return subprocess.run(
        ["git", *somebody, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def commit(folder: Path, message: str) -> None:
    """Commit all of a folder, which becomes a repository when it is none."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture(scope="session")
def generate(template: Path) -> Generate:
    """Run cookiecutter in a folder, with answers as `name="value"`; no user's own configuration has a say.

    `source` is what cookiecutter is given in place of the template's folder.
    """

    def generate(
        folder: Path,
        *options: str,
        source: object = template,
        variables: dict[str, str] | None = None,
        **answers: str,
    ) -> Started:
        words = [*options, *(f"{name}={value}" for name, value in answers.items())]
        return subprocess.run(
            [ROOT / ".venv/bin/cookiecutter", "--no-input", "--default-config", str(source), *words],
            cwd=folder,
            env={**os.environ, "HOME": str(folder), **(variables or {})},  # where it remembers answers
            capture_output=True,
            text=True,
        )

    return generate


@pytest.fixture(scope="session", params=["torch", "keras", "both"])
def project(
    request: pytest.FixtureRequest, generate: Generate, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project of each framework choice, its other answers far from the defaults."""
    folder = tmp_path_factory.mktemp(request.param)
    done = generate(
        folder,
        project_name=f"Längste Ähnlichkeit {request.param}",
        package_name="a_package_with_a_longish_name",
        author='Ada "Countess" O\'Lovelace',
        framework=request.param,
        licence={"torch": "BSD-3-Clause", "keras": "Apache-2.0", "both": "proprietary"}[request.param],
    )
    assert done.returncode == 0, done.stderr
    made = folder / f"langste-ahnlichkeit-{request.param}"
    assert made.is_dir(), list(folder.iterdir())
    return made
