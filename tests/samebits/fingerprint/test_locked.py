"""Whether an environment is the lock's, as open_run asks."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, ROOT, one_line

from samebits.fingerprint import locked

LOCK = ROOT / "requirements.lock"


def test_this_environment_is_the_locks() -> None:
    assert locked.unlike(LOCK) == []


@pytest.mark.parametrize(
    ("old", "new", "unlike"),
    [
        (r"^numpy==\S+", "numpy==1.0", ("numpy", "1.0")),
        (r"^click==\S+", "Click==8.0", ("click", "8.0")),
        (r"\Z", "no.such_package==3.1 --hash=sha256:0\n", ("no-such-package", "3.1")),
    ],
)
def test_another_version_and_a_missing_package_are_named(
    tmp_path: Path, old: str, new: str, unlike: tuple[str, str]
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(re.sub(old, new, LOCK.read_text(), count=1, flags=re.MULTILINE))
    ((name, here, version),) = locked.unlike(lock)
    assert (name, version) == unlike
    assert here == locked.installed().get(name, "")


def test_another_spelling_of_a_version_is_no_other_version(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"numpy=={locked.installed()['numpy']}.0\n")
    assert locked.unlike(lock) == []


def test_the_versions_are_those_that_are_imported() -> None:
    code = "import importlib.metadata; print(importlib.metadata.version({!r}))"
    for name in ("numpy", "typing-extensions", "setuptools"):
        said = subprocess.check_output([sys.executable, "-c", code.format(name)], text=True).strip()
        assert locked.installed()[name] == said


def test_it_takes_milliseconds() -> None:
    before = time.process_time()
    for _ in range(10):
        locked.unlike(LOCK)
    assert (time.process_time() - before) / 10 < 0.05


def test_a_run_in_another_environment_says_so_once(start, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "other/numpy-2.0.0.dist-info").mkdir(parents=True)
    script = tmp_path / "script.py"
    script.write_text(
        f"import dataclasses, samebits, samebits.{FRAMEWORKS[0]}\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Settings:\n    seed: int = 0\n"
        f"samebits.{FRAMEWORKS[0]}.make_deterministic()\n"
        "for _ in range(2):\n"
        "    try:\n"
        f"        with samebits.open_run(Settings(), framework='{FRAMEWORKS[0]}', folder='run'):\n"
        "            raise KeyError('enough')\n"
        "    except KeyError:\n"
        "        pass\n"
    )
    told = start(
        "python", script, cwd=tmp_path, SAMEBITS_ALLOW="PYTHONPATH", PYTHONPATH=str(tmp_path / "other")
    )
    assert told.returncode == 0, told.stderr
    version = locked.installed()["numpy"]
    assert f"numpy is 2.0.0, requirements.lock has {version}: `make env`" in one_line(told.stderr)
    silent = start("python", script, cwd=tmp_path)
    assert (silent.returncode, "numpy" in silent.stderr) == (0, False), silent.stderr


def test_a_project_without_a_lock_is_told_nothing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "determinism.env", tmp_path)
    environment = {"SAMEBITS_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", "from samebits.fingerprint import locked; locked.warn_once()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
