"""Release: one version, its changelog, the hashes that it must give, and its wheel in the template.

    make release                   the version that is there; the template gets the wheel of today's commit
    make release VERSION=0.2.0     a new version

The template holds the wheel of a commit, and the commit that puts it there comes after: the wheel has nothing
in it that changes with the template, and the template's choices/wheel.txt names its commit. This makes one
commit or two and no tag, and sends nothing anywhere. A release that stopped is started again.
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
ROOTS = ("requirements.lock", "locks/requirements-dev.lock")  # whose versions the template's locks have
NAMED = Path(TEMPLATE, "choices", "wheel.txt")  # names the commit of the template's wheel
ABOUT = (
    "# The wheel in the template is what tools/wheel.py builds of this commit. Written by `make release`.\n"
)
ROW = re.compile(r"^\./vendor/samebits-.*\n", re.MULTILINE)  # of a lock
ASKED = re.compile(r"(?<=- \./vendor/)samebits-\S+\.whl")  # in environment.yml
VERSION = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
PLACES = {  # where else the version stands
    "CITATION.cff": (re.compile(r"^version: .*$", re.MULTILINE), "version: {}"),
    "src/samebits/__init__.py": (VERSION, '__version__ = "{}"'),
}
HEADING = re.compile(r"^## \[(?P<version>[\w.]+)\] - (?P<date>.*)$", re.MULTILINE)
EXPECTED = {  # in the profile `run` another kind of CPU is no fault
    "portable": re.compile("matches the golden hash"),
    "run": re.compile("matches the golden hash|.*, as expected: that one was made on "),
}


# ---------------------------------------------------------------- the wheel in the template


def locks(root: Path) -> list[Path]:
    """The template's locks, one for each kind of project."""
    return [root / TEMPLATE / "choices" / kind / "requirements.lock" for kind in KINDS]


def put_wheel(root: Path, wheel: Path) -> None:
    """Put a wheel into the template in place of the one that is there; environment.yml and the locks name it.

    Args:
        root: a repository with a template in it.
        wheel: samebits', under its own name.
    """
    vendor = root / TEMPLATE / "vendor"
    vendor.mkdir(exist_ok=True)
    for former in vendor.glob("*.whl"):
        former.unlink()
    shutil.copy(wheel, vendor)
    environment = root / TEMPLATE / "environment.yml"
    write_whole(environment, ASKED.sub(wheel.name, environment.read_text(encoding="utf-8")))
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
            for profile, expected in EXPECTED.items():
                run = Path(folder, f"{framework}-{profile}")
                of_run = {"FRAMEWORK": framework, "PROFILE": profile, "PYTHONPATH": str(ROOT / "src")}
                variables = {**os.environ, **of_run}
                words = [str(ROOT / "entrypoint"), "train", "--run", str(run)]
                done = subprocess.run(words, env=variables, capture_output=True, text=True)
                if done.returncode:
                    said = f"the training failed: {(done.stderr.strip() or 'no message').splitlines()[-1]}"
                else:
                    said = json.loads((run / "manifest.json").read_text())["golden"].splitlines()[0]
                click.echo(f"{framework}, PROFILE={profile}: {said}")
                if not expected.match(said):
                    raise CheckFailed(
                        "a release has the golden hashes: fix what moved them, or `make golden`"
                    )


def make_locks() -> None:
    """Make the template's locks, each in a project of its kind, with the versions that the root's locks have.

    Raises:
        CheckFailed: a project cannot be made or locked, for example where no package index answers.
    """
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ROOTS)
    rows = "".join(f"{row}\n" for row in re.findall(r"^[\w.-]+==\S+ --hash=\S+", text, re.MULTILINE))
    with tempfile.TemporaryDirectory(prefix="samebits-release-") as name:
        folder = Path(name)
        for kind, lock in zip(KINDS, locks(ROOT), strict=True):
            answers = [f"project_name={kind}-lock", "package_name=alpha", f"framework={kind}"]
            options = ["--no-input", "--default-config", f"--output-dir={folder}"]
            call("cookiecutter", *options, str(ROOT), *answers, at=folder, HOME=name)
            project = folder / f"{kind}-lock"
            (project / "requirements.lock").write_text(rows, encoding="utf-8")
            call("samebits", "lock", at=project, SAMEBITS_ROOT=str(project))
            content = (project / "requirements.lock").read_bytes()
            click.echo(f"{kind}: {'unchanged' if lock.read_bytes() == content else 'another'} lock")
            write_whole(lock, content)


def call(program: str, *words: str, at: Path, **variables: str) -> None:
    """Run a command of this environment in a folder; one line when it fails."""
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *words],
        cwd=at,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        last = said[-1].removeprefix("samebits: ") if said else "no message"
        raise CheckFailed(f"{program} {words[0]} failed: {last}")


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
    """All of it, for the version that is given, or for the one that is there.

    Raises:
        UsageError: files are changed, or the changelog has no section for the version.
        CheckFailed: a step failed; then no file is changed.
    """
    if changed := git("status", "--porcelain"):
        count = len(changed.splitlines())
        raise UsageError(f"{count} files are changed (git status): commit them, a release is of a commit")
    try:
        if version:
            set_version(version)
        template_files.write(ROOT)
        check_golden()
        match = VERSION.search((ROOT / "src/samebits/__init__.py").read_text(encoding="utf-8"))
        now = f"samebits {match[1] if match else ''}"
        commit(f"{now}: the version, and what the template has of the root", ".")
        source = source_commit()
        with tempfile.TemporaryDirectory(prefix="samebits-release-") as folder:
            put_wheel(ROOT, wheels.build(Path(folder), source))
        make_locks()
        write_whole(ROOT / NAMED, f"{ABOUT}{source}\n")
        commit(f"{now}: the template has its wheel, and locks with it", TEMPLATE)
    except BaseException:  # what was changed until then goes: there was nothing else
        git("reset", "--quiet", "--hard")
        git("clean", "--quiet", "--force", "-d", "--", TEMPLATE)
        raise
    click.echo(f"{now} is released: `git push` is yours to do, and a tag")


def source_commit() -> str:
    """The commit to build the wheel of: the one that is named, as long as its files are today's."""
    if (ROOT / NAMED).exists():
        named = named_commit()
        command = ["git", "-C", str(ROOT), "diff", "--quiet", named, "HEAD", "--", *wheels.SOURCES]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return named
    return git("rev-parse", "HEAD")


@click.command()
@click.option("--version", default="", help="A new version.  [default: the one that is there]")
def command(version: str) -> None:
    """Check the golden hashes, put the wheel of this version into the template, and commit."""
    if version and not re.fullmatch(r"\d+\.\d+\.\d+([abc]\d+|rc\d+)?", version):
        raise UsageError(f"--version {version}: expected a version such as 0.2.0")
    release(version)


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/release.py"))
