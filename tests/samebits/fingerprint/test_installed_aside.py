"""What pip did on the side: doctor finds it, the next run says it in one line, the manifest keeps it."""

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import CACHES, FRAMEWORKS, ROOT, one_line
from tests.packages import make_wheel

INTERPRETER: str = sys._base_executable  # type: ignore[attr-defined]
SCRIPT = f"""\
import dataclasses, samebits, samebits.{FRAMEWORKS[0]}
@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = 0
with samebits.{FRAMEWORKS[0]}.open_run(Settings(), device="cpu", folder="run") as run:
    run.finish(MODEL)
"""
MODEL = {
    "torch": "__import__('torch').nn.Linear(2, 1)",
    "keras": "__import__('keras').Sequential([__import__('keras').layers.Input((2,)), "
    "__import__('keras').layers.Dense(1)])",
}


@dataclass(frozen=True)
class Aside:
    """A project whose environment is that of its lock: samebits, tiny, and what this checkout lends it."""

    folder: Path

    def pip(self, *words: str) -> None:
        """Somebody's pip, past entrypoint."""
        python = self.folder / ".venv/bin/python"
        command = [INTERPRETER, "-m", "pip", "--python", python, *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def start(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder.parent), **CACHES}
        command = [self.folder / "entrypoint", *words]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def train(self) -> tuple[str, dict[str, str]]:
        """What a run says on stderr, and what its manifest has on packages."""
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        done = self.start("python", "train.py")
        assert done.returncode == 0, done.stderr
        manifest = json.loads((self.folder / "run/manifest.json").read_text())
        return done.stderr, manifest["fingerprint"]["unlocked"]

    def doctor(self) -> dict[str, tuple[str, str, str]]:
        rows = json.loads(self.start("samebits", "doctor", "--json").stdout)
        return {row["subject"]: (row["outcome"], row["found"], row["fix"]) for row in rows}


@pytest.fixture
def aside(tmp_path: Path, wheel: Path) -> Aside:
    folder = tmp_path / "project"
    tiny = make_wheel(tmp_path / "wheels", "tiny", "1.0")
    folder.mkdir()
    for name in ("entrypoint", "conda-lock.yml"):
        shutil.copy(ROOT / name, folder)
    lock = (ROOT / "requirements.lock").read_text()
    rows = (f"{row} --hash=sha256:{'0' * 64}\n" for row in ("tiny==1.0", f"./vendor/{wheel.name}"))
    (folder / "requirements.lock").write_text("".join([lock, *rows]))
    (folder / "pyproject.toml").write_text('[project]\nname = "My.Project"\nversion = "1"\n')
    (folder / "train.py").write_text(SCRIPT.replace("MODEL", MODEL[FRAMEWORKS[0]]))
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", INTERPRETER, folder / ".venv"], check=True)
    (site,) = (folder / ".venv/lib").glob("python3*/site-packages")
    (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    project = Aside(folder)
    own = make_wheel(tmp_path / "wheels", "my_project", "1")
    project.pip("install", "--no-index", "--no-deps", str(wheel), str(tiny), str(own))
    return project


def pip_installs(name: str, version: str) -> Callable[[Aside], None]:
    def installs(aside: Aside) -> None:
        wheel = make_wheel(aside.folder.parent / "more", name, version)
        aside.pip("install", "--no-index", "--no-deps", str(wheel))

    return installs


def pip_removes(aside: Aside) -> None:
    aside.pip("uninstall", "--yes", "tiny")


KEEP = "`make env` removes it, `make add PACKAGE=surplus` keeps it"


@pytest.mark.parametrize(
    ("done", "name", "how", "says", "fix"),
    [
        (
            pip_installs("surplus", "3.0"),
            "surplus",
            "3.0, in no lock",
            f"surplus is installed (3.0, in no lock): {KEEP}",
            KEEP,
        ),
        (
            pip_installs("tiny", "2.0"),
            "tiny",
            "2.0, requirements.lock has 1.0",
            "tiny is 2.0, requirements.lock has 1.0: `make env` installs it",
            "run `make env`",
        ),
        (
            pip_removes,
            "tiny",
            "not installed, requirements.lock has 1.0",
            "tiny is not installed, requirements.lock has 1.0: `make env` installs it",
            "run `make env`",
        ),
    ],
)
def test_what_pip_did_aside_is_found_said_and_kept(
    aside: Aside, done: Callable[[Aside], None], name: str, how: str, says: str, fix: str
) -> None:
    assert aside.train() == ("", {})
    assert name not in aside.doctor()
    done(aside)
    said, kept = aside.train()
    assert one_line(said) == f"samebits: {says}"
    assert kept == {name: how}
    outcome, _, advice = aside.doctor()[name]
    assert (outcome, advice) == ("warn" if name == "surplus" else "fail", fix)
