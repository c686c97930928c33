"""tools/lint looks at the files that git has, and at no scratch file of its user's."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT, commit, git

SPOILT = {"scratch.py": "x=1 ;\n", "a scratch.sh": "#!/bin/sh\necho $1\n"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One script in it. What reads no list of files (types, imports, pages) has its tools replaced."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/lint", tmp_path / "tools")
    (tmp_path / "tools/good.py").write_text("x = 1\n")
    (tmp_path / "tools/gone.py").write_text("x=1 ;\n")
    commit(tmp_path)
    (tmp_path / "tools/gone.py").unlink()  # not from the index
    (tmp_path / ".git/bin").mkdir()
    for name in ("mypy", "lint-imports", "python"):
        (tmp_path / ".git/bin" / name).symlink_to("/bin/true")
    return tmp_path


def lint(repository: Path) -> subprocess.CompletedProcess[str]:
    path = f"{repository}/.git/bin:{ROOT}/.venv/bin:{os.environ['PATH']}"
    return subprocess.run(
        [repository / "tools/lint"], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def test_a_repository_that_has_no_file_yet_is_looked_at_whole(repository: Path) -> None:
    git(repository, "init", "--quiet")
    git(repository, "rm", "-r", "--cached", "--quiet", ".")
    done = lint(repository)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    (repository / "tools/good.py").write_text(SPOILT["scratch.py"])
    assert lint(repository).returncode != 0


@pytest.mark.parametrize("name", SPOILT)
def test_a_scratch_file_is_nobodys_business_until_git_has_it(repository: Path, name: str) -> None:
    (repository / name).write_text(SPOILT[name])
    done = lint(repository)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    git(repository, "add", name)
    assert lint(repository).returncode != 0
