"""A release: the template's wheel is what its commit builds, and a release that fails changes nothing."""

import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started, copy_repository, one_line
from tests.template.conftest import commit, git

from samebits._files import sha256_file
import wheel as wheels
from release import locks, named_commit, put_wheel
from template_files import TEMPLATE


@pytest.fixture
def named() -> str:
    """The commit of the template's wheel. A shallow clone or an unpacked archive may not have it."""
    commit = named_commit()
    command = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    if subprocess.run(command, cwd=ROOT, capture_output=True).returncode:
        pytest.skip(f"this copy's history has no commit {commit[:7]}, of which the template's wheel is")
    return commit


def test_the_templates_wheel_is_what_the_commit_that_it_names_builds(named: str, tmp_path: Path) -> None:
    """If not, the wheel changed, or the setuptools that builds it: `make release` makes it again."""
    built = wheels.build(tmp_path, named)
    (there,) = (ROOT / TEMPLATE / "vendor").iterdir()
    assert there.name == built.name
    assert there.read_bytes() == built.read_bytes()
    for lock in locks(ROOT):
        assert f"\n./vendor/{built.name} --hash=sha256:{sha256_file(built)}\n" in lock.read_text()


def test_the_named_commit_is_one_of_this_history(named: str) -> None:
    if git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("a shallow clone has no history")
    command = ["git", "merge-base", "--is-ancestor", named, "HEAD"]
    assert subprocess.run(command, cwd=ROOT).returncode == 0


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = copy_repository(tmp_path / "samebits")
    commit(folder, "All of it")
    return folder


def release(clone: Path, *options: str) -> Started:
    names = (f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL"))
    somebody = dict.fromkeys(names, "x@y")
    return subprocess.run(
        [sys.executable, clone / "tools/release.py", *options],
        cwd=clone,
        env={**os.environ, **somebody},
        capture_output=True,
        text=True,
    )


def test_another_wheel_takes_the_place_of_the_one_that_is_there(clone: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "samebits-9.9.9-py3-none-any.whl"
    wheel.write_bytes(b"of another version")
    for _ in range(2):
        put_wheel(clone, wheel)
    assert [path.name for path in (clone / TEMPLATE / "vendor").iterdir()] == [wheel.name]
    for lock in locks(clone):
        rows = [row for row in lock.read_text().splitlines() if not row.startswith("#")]
        assert rows[0] == f"./vendor/{wheel.name} --hash=sha256:{sha256_file(wheel)}"
        assert len([row for row in rows if "samebits-" in row]) == 1
    asked = re.findall(r"- (\./vendor/\S+)", (clone / TEMPLATE / "environment.yml").read_text())
    assert asked == [f"./vendor/{wheel.name}"]


def test_a_release_of_changed_files_is_refused(clone: Path) -> None:
    (clone / "README.md").write_text("changed\n")
    done = release(clone)
    assert done.returncode == 2
    assert "1 files are changed" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("version", "says"),
    [("1", "expected a version such as 0.2.0"), ("77.0.0", "write what version 77.0.0 changes under")],
)
def test_a_version_that_nobody_described_is_refused(clone: Path, version: str, says: str) -> None:
    done = release(clone, "--version", version)
    assert done.returncode == 2
    assert says in one_line(done.stderr)
    assert git(clone, "status", "--porcelain") == ""


def test_a_release_that_fails_changes_nothing(clone: Path) -> None:
    """Here the training fails, when the version is written already."""
    changelog = clone / "CHANGELOG.md"
    text = changelog.read_text()
    changelog.write_text(text.replace("## [", "## [9.9.9] - unreleased\n\n## [", 1))
    with (clone / "src/starter/data.py").open("a") as file:
        file.write("raise RuntimeError('of the test')\n")
    commit(clone, "What 9.9.9 changes")
    head = git(clone, "rev-parse", "HEAD")
    done = release(clone, "--version", "9.9.9")
    assert done.returncode == 1
    assert "a release has the golden hashes" in one_line(done.stderr)
    assert "RuntimeError: of the test" in done.stdout
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "rev-parse", "HEAD") == head


@pytest.mark.slow
def test_a_release(clone: Path) -> None:
    """With this checkout's environment: a new version, then the same again, which has nothing to do."""
    (clone / ".git/info/exclude").write_text("/.venv\n")
    (clone / ".venv").symlink_to(ROOT / ".venv")
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## [", "## [9.9.9] - unreleased\n\n## [", 1))
    commit(clone, "What 9.9.9 changes")
    done = release(clone, "--version", "9.9.9")
    assert done.returncode == 0, done.stdout + done.stderr
    today = datetime.datetime.now(datetime.UTC).date()
    assert f"## [9.9.9] - {today}" in changelog.read_text()
    assert "\nversion: 9.9.9\n" in (clone / "CITATION.cff").read_text()
    assert git(clone, "status", "--porcelain") == ""
    assert named_commit(clone) == git(clone, "rev-parse", "HEAD~").strip()
    (wheel,) = (clone / TEMPLATE / "vendor").iterdir()
    assert wheel.name == "samebits-9.9.9-py3-none-any.whl"
    head = git(clone, "rev-parse", "HEAD")
    assert release(clone).returncode == 0
    assert git(clone, "rev-parse", "HEAD") == head
