"""Build samebits' wheel from the commit that is checked out: the same bytes in every folder, at any time.

The files are those of the commit, and its time is theirs. Nothing is downloaded: the locked setuptools
builds. Prints what sha256sum prints.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import click

from samebits._files import sha256_file
from samebits.errors import UsageError
from samebits.process.program import run_command

ROOT = Path(__file__).parents[1]
SOURCES = (
    *("pyproject.toml", "setup.py", "README.md", "LICENSE"),
    *("determinism.env", "docs/rules", "locks", "src"),
)
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def build(folder: Path, commit: str = "HEAD") -> Path:
    """Build the wheel of a commit into a folder.

    Raises:
        UsageError: there is no such commit, or its files make no wheel.
    """
    time = _git("log", "-1", "--format=%ct", commit).decode().strip()
    archive = _git("archive", "--format=tar", commit, "--", *SOURCES)
    with tempfile.TemporaryDirectory(prefix="samebits-wheel-") as name:
        source, made = Path(name, "source"), Path(name, "made")
        made.mkdir()
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(source, filter="data")  # modes 644 and 755, whatever this user's umask is
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(made)],
            cwd=source,
            env={**os.environ, "SOURCE_DATE_EPOCH": time},
            umask=0o022,
            capture_output=True,
            text=True,
        )
        wheels = list(made.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise UsageError(
                f"no wheel was built: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(wheels[0], folder))


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True)
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"the wheel is built from a git commit: {(message or ['git failed'])[-1]}")
    return done.stdout


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "dist")
def command(folder: Path) -> None:
    """Build the wheel of the commit that is checked out into FOLDER, by default dist."""
    changed = _git("status", "--porcelain", "--", *SOURCES).decode().splitlines()
    wheel = build(folder)
    if changed:
        print(f"samebits: the wheel is of the commit, without {len(changed)} changed files", file=sys.stderr)
    print(f"{sha256_file(wheel)}  {os.path.relpath(wheel)}")


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/wheel.py"))
