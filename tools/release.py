"""Release: one version, its changelog, the hashes that it must give, and its wheel in the template.

    make release                   the version that is there; the template gets the wheel of today's commit
    make release VERSION=0.2.0     a new version

The template holds the wheel of a commit, and the commit that puts it there comes after: the wheel has nothing
in it that changes with the template, and locks/template.txt says of which commit it is. This makes one commit
or two and no tag, and sends nothing anywhere. A release that stopped is started again.
"""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from samebits._files import sha256_file, write_whole
from samebits.errors import CheckFailed, UsageError
from samebits.process.program import run_command
import template_files
import wheel as wheels
from template_files import FRAMEWORKS, KINDS, TEMPLATE

ROOT = Path(__file__).parents[1]
NAMED = Path("locks/template.txt")  # names the commit of the template's wheel
ABOUT = (
    "# The wheel in the template is what tools/wheel.py builds of this commit. Written by `make release`.\n"
)
ROW = re.compile(r"^\./vendor/samebits-.*\n", re.MULTILINE)
VERSION = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
PLACES = {  # where else the version stands
    "CITATION.cff": (re.compile(r"^version: .*$", re.MULTILINE), "version: {}"),
    "src/samebits/__init__.py": (VERSION, '__version__ = "{}"'),
}
HEADING = re.compile(r"^## \[(?P<version>[\w.]+)\] - (?P<date>.*)$", re.MULTILINE)
EXPECTED = re.compile(r"matches the golden hash|.*, as expected: ")  # another kind of CPU is no fault


# ---------------------------------------------------------------- the wheel in the template


def locks(root: Path) -> list[Path]:
    """The template's locks, one for each kind of project."""
    return [root / TEMPLATE / "choices" / kind / "requirements.lock" for kind in KINDS]


def put_wheel(root: Path, wheel: Path) -> None:
    """Put a wheel into the template in place of the one that is there, and its name and hash into the locks.

    Args:
        root: a repository with a template in it.
        wheel: samebits', under its own name.
    """
    vendor = root / TEMPLATE / "vendor"
    vendor.mkdir(exist_ok=True)
    for former in vendor.glob("*.whl"):
        former.unlink()
    shutil.copy(wheel, vendor)
    row = f"./vendor/{wheel.name} --hash=sha256:{sha256_file(wheel)}\n"
    for lock in locks(root):
        text = ROW.sub("", lock.read_text(encoding="utf-8"))
        first = re.search(r"^[^#\n]", text, re.MULTILINE)
        place = first.start() if first else len(text)
        write_whole(lock, f"{text[:place]}{row}{text[place:]}")


def named_commit(root: Path = ROOT) -> str:
    """The commit whose wheel the template has."""
    return (root / NAMED).read_text(encoding="utf-8").splitlines()[-1]


# ---------------------------------------------------------------- a release


def set_version(version: str) -> None:
    """Write a version, and today's date behind it in the changelog.

    Raises:
        UsageError: the changelog does not begin with this version.
    """
    changelog = ROOT / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    first = HEADING.search(text)
    if first is None or first["version"] != version:
        heads = f"is of {first['version']}" if first else "is not there"
        raise UsageError(
            f"the first section of CHANGELOG.md {heads}: write what version {version} changes under "
            f"`## [{version}] - unreleased`, then run this again"
        )
    if first["date"] == "unreleased":
        today = datetime.datetime.now(datetime.UTC).date()
        write_whole(changelog, f"{text[: first.start('date')]}{today}{text[first.end('date') :]}")
    for name, (pattern, line) in PLACES.items():
        content = (ROOT / name).read_text(encoding="utf-8")
        write_whole(ROOT / name, pattern.sub(line.format(version), content))


def check_golden() -> None:
    """Train the starters in each profile: this machine's, and the one that gives one hash on every CPU.

    Raises:
        CheckFailed: a hash is another one than golden.toml has, and the CPU is not the reason.
    """
    with tempfile.TemporaryDirectory(prefix="samebits-release-") as folder:
        for framework in FRAMEWORKS:
            for profile in ("portable", "run"):
                run = Path(folder, f"{framework}-{profile}")
                words = [ROOT / "entrypoint", "train", "--run", run]
                variables = {"FRAMEWORK": framework, "PROFILE": profile}
                done = subprocess.run(
                    words, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
                )
                manifest = json.loads((run / "manifest.json").read_text()) if done.returncode == 0 else {}
                said = str(manifest.get("golden", "the training failed")).splitlines()[0]
                click.echo(f"{framework}, PROFILE={profile}: {said}")
                if not EXPECTED.match(said):
                    raise CheckFailed(
                        "a release has the golden hashes: fix what moved them, or `make golden`"
                    )


def make_locks() -> None:
    """Make those of the template's locks that do not answer what its environment.yml asks for."""


def git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise CheckFailed(f"git {words[0]} failed: {said[-1] if said else 'no message'}")
    return done.stdout.strip()


def commit(message: str, *paths: str) -> None:
    """Commit these paths where anything in them changed."""
    git("add", "--all", "--", *paths)
    if git("diff", "--cached", "--name-only"):
        git("commit", "--quiet", "--message", message)
        click.echo(f"{git('rev-parse', '--short', 'HEAD')} {message}")


def release(version: str) -> None:
    """All of it, for the version that is given, or for the one that is there."""
    if changed := git("status", "--porcelain"):
        raise UsageError(
            f"{len(changed.splitlines())} files are changed (git status): a release is of a commit"
        )
    if version:
        set_version(version)
    found = VERSION.search((ROOT / "src/samebits/__init__.py").read_text(encoding="utf-8"))
    now = found[1] if found else ""
    template_files.write(ROOT)
    make_locks()
    check_golden()
    commit(f"Version {now}: the files that have it, and the template's copies", ".")
    with tempfile.TemporaryDirectory(prefix="samebits-release-") as folder:
        put_wheel(ROOT, wheels.build(Path(folder)))
    write_whole(ROOT / NAMED, f"{ABOUT}{git('rev-parse', 'HEAD')}\n")
    commit(f"The template has samebits {now}", TEMPLATE, str(NAMED))


@click.command()
@click.option("--version", default="", help="A new version.  [default: the one that is there]")
def command(version: str) -> None:
    """Check the golden hashes, put the wheel of this version into the template, and commit."""
    if version and not re.fullmatch(r"\d+\.\d+\.\d+([abc]\d+|rc\d+)?", version):
        raise UsageError(f"--version {version}: expected a version such as 0.2.0")
    release(version)


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/release.py"))
