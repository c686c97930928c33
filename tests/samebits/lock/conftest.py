"""A small project: what it asks for is on an index on this machine, made of tiny wheels."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started
from tests.packages import make_index, make_wheel, served

from samebits.lock.uv import BOOTSTRAP

# This repository's locks, in the order of docs/environment.md, and a row of those for PyPI.
CONDA, COMPILER, PIP, DEV, OWN = (
    "conda-lock.yml",
    "locks/compiler-lock.yml",
    "requirements.lock",
    "locks/requirements-dev.lock",
    "locks/requirements-conda-lock.lock",
)
ROW = re.compile(r"([a-z0-9-]+)==([^\s;]+) --hash=sha256:([0-9a-f]{64})")

INTERPRETER: str = sys._base_executable  # type: ignore[attr-defined]
# As this repository has them, so that its conda-lock.yml is the project's, too.
PYTHON, UV = re.findall(r"^  - ((?:python|uv)=.*)", (ROOT / "environment.yml").read_text(), re.MULTILINE)
ENVIRONMENT = f"""\
# What we ask for.
channels:
  - conda-forge
platforms:
  - linux-64
dependencies:
  - {PYTHON}
  - {UV}
  - pip:
      # ours
      - ./vendor/ours-1.0-py3-none-any.whl
      - tiny==1.0  # small
  # that is all
"""


@dataclass(frozen=True)
class Project:
    """The project's folder, and the addresses of two indexes: PyPI's part, and one of other builds."""

    folder: Path
    index: str
    other: str

    def run(self, *words: str, **variables: str) -> Started:
        """`samebits …` in the project's folder."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
        environment |= {"UV_DEFAULT_INDEX": self.index, "PYTHON": "", "UV_HTTP_RETRIES": "0", **variables}
        command = [sys.executable, "-m", "samebits", *words]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def make_environment(self) -> str:
        """What `make env` does; what it says."""
        environment = {**os.environ, "UV_DEFAULT_INDEX": self.index, "PYTHON": ""}
        command = ["sh", str(BOOTSTRAP / "create-env"), INTERPRETER]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def python(self, code: str) -> str:
        """What the project's own Python prints."""
        return subprocess.check_output([self.folder / ".venv/bin/python", "-c", code], text=True)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def rows(self) -> list[str]:
        """requirements.lock without its comments and hashes."""
        lines = self.text("requirements.lock").splitlines()
        return [line.partition(" --hash")[0] for line in lines if not line.startswith("#")]

    def edit(self, old: str, new: str) -> None:
        file = self.folder / "environment.yml"
        assert file.read_text().count(old) == 1
        file.write_text(file.read_text().replace(old, new))

    def files(self) -> dict[str, bytes]:
        """What is in the folder, but for environments."""
        names = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
        return {name: (self.folder / name).read_bytes() for name in names if not name.startswith(".venv")}


@pytest.fixture
def thin(tmp_path: Path) -> Iterator[Project]:
    """Three files and a wheel: environment.yml, and locks that answer it."""
    source = tmp_path / "served/pypi/sourceonly/sourceonly-1.0.tar.gz"
    source.parent.mkdir(parents=True)
    source.touch()
    pypi = make_index(
        tmp_path / "served/pypi",
        ("tiny", "1.0"),
        ("tiny", "2.0"),
        ("more", "1.0", ["tiny"]),
        ("more", "1.1", ["tiny<2"]),
        ("more", "2.0", ["tiny>=2"]),
        ("stranger", "1.0", ["tiny>=2"]),
        ("loner", "1.0"),
        ("loner", "1.5"),
    )
    other = make_index(tmp_path / "served/other", ("tiny", "1.0+cpu"), ("loner", "0.5"))
    folder = tmp_path / "project"
    make_wheel(folder / "vendor", "ours", "1.0", ["loner"])
    (folder / "environment.yml").write_text(ENVIRONMENT)
    (folder / "conda-lock.yml").write_text((ROOT / "conda-lock.yml").read_text())
    (folder / ".venv-uv/bin").mkdir(parents=True)  # the uv that create-env would fetch
    (folder / ".venv-uv/bin/uv").symlink_to(Path(sys.executable).with_name("uv"))
    with served(tmp_path / "served") as address:
        project = Project(folder, f"{address}/{pypi.name}", f"{address}/{other.name}")
        made = project.run("lock")
        assert made.returncode == 0, made.stderr
        yield project
