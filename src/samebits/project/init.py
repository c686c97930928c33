"""`samebits init`: add the files that make a project's runs reproducible; its own stay unless it is asked."""

import json
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from samebits._files import cannot_write, write_whole
from samebits._printable import printable
from samebits.errors import UsageError
from samebits.process.variables import MARKS, find_root
from samebits.project.environment import environment_file
from samebits.project.makefile import makefile, missing

FILES = {  # name: what it is for
    "entrypoint": "starts a command with the variables that decide bits",
    "environment.yml": "what is installed here, with versions",
    "Dockerfile": "an image with the same",
    ".dockerignore": "what does not go into the image",
    "Makefile": "make doctor, train, smoke, lint",
    ".gitignore": "git ignores runs/",
}
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")  # in make's order
RUNS = "runs/"
# A checkout of samebits, and a project that its template made.
COMPLETE = ("conda-lock.yml", "requirements.lock", "golden.toml", "entrypoint")


@dataclass(frozen=True)
class Step:
    """What happens to one file.

    Attributes:
        file: its name in the project.
        action: "written", "replaced", "added to", "kept" (the user's own) or "unchanged" (as it must be).
        detail: what it is for, or what to do about it.
        content: what to write; None: nothing.
        copy: the name under which the file that was there stays.
    """

    file: str
    action: str
    detail: str
    content: str | None = None
    copy: str | None = None


@click.command("init")
@click.argument("files", nargs=-1, type=click.Choice(list(FILES)), metavar="[FILE]...")
@click.option("--script", default=None, help="What trains.  [default: train.py, or the only script]")
@click.option("--yes", is_flag=True, help="Add to .gitignore without asking.")
@click.option("--force", is_flag=True, help="Replace files without asking; a copy of each stays.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@click.option("--json", "json_", is_flag=True, help="Print a JSON list with an object for each file.")
def command(
    files: Sequence[str], script: str | None, yes: bool, force: bool, dry_run: bool, json_: bool
) -> None:
    """Add what this project needs to be run reproducibly: all of it, or only each FILE.

    FILE is entrypoint, environment.yml, Dockerfile, .dockerignore, Makefile or .gitignore.

    Run it in the project's folder. A file that is there stays unless you say yes. A Makefile always stays:
    the lines to add are printed.
    """
    root = _project()
    if all((root / name).exists() for name in COMPLETE):
        print("[]" if json_ else f"{printable(root)} has locks and an entrypoint already: nothing is needed")
        return
    script = script or _script(root)
    ask = _Ask(yes=yes or force, force=force, dry_run=dry_run)
    steps = [_plan(root, name, script, ask) for name in FILES if not files or name in files]
    if not dry_run:
        _carry_out(root, steps)
    if json_:
        rows = ({"file": step.file, "action": step.action, "detail": step.detail} for step in steps)
        print("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]")
        return
    print(f"in {printable(root)}{', where nothing was written (--dry-run)' if dry_run else ''}:")
    for step in steps:
        print(f"  {step.file:<16} {step.action:<10} {printable(step.detail)}")
    if not files or "Makefile" in files:
        _print_lines_to_add(root, script)
    if not dry_run and not files:
        _print_next(root, script)


def _project() -> Path:
    """The working folder, which `./entrypoint` will take for the project; or SAMEBITS_ROOT.

    Raises:
        UsageError: the working folder lies within a project, so that nobody knows which one is meant.
    """
    root, here = find_root(), Path.cwd()
    # A checkout that samebits is imported from stands in for a project that is not there.
    if os.environ.get("SAMEBITS_ROOT") or not here.is_relative_to(root):
        return root if os.environ.get("SAMEBITS_ROOT") else here
    if root != here:
        mark = next(mark for mark in MARKS if (root / mark).exists())
        there = f"cd {shlex.quote(str(root))} && samebits init"
        raise UsageError(
            f"this folder lies in the project {root}, which has {mark}: `{there}` adds the files there, "
            "`SAMEBITS_ROOT=$PWD samebits init` adds them here"
        )
    return root


def _script(root: Path) -> str:
    if (root / "train.py").exists():
        return "train.py"
    others = [path.name for path in root.glob("*.py") if re.fullmatch(r"[\w-]+\.py", path.name)]
    others = [name for name in others if name not in ("setup.py", "conftest.py")]
    return others[0] if len(others) == 1 else "train.py"


# ---------------------------------------------------------------- what is to be done


@dataclass(frozen=True)
class _Ask:
    """Asks the user, or knows the answer: from an option, or since nobody is at a terminal."""

    yes: bool
    force: bool
    dry_run: bool

    def may_replace(self, file: str, copy: str) -> bool:
        question = (
            f"{file} is there and is not what samebits would write. Replace it (a copy stays in {copy})?"
        )
        return self.force or self._answer(question)

    def may_add(self, file: str, line: str) -> bool:
        return self.yes or self._answer(f"Add the line {line} to {file}?")

    def _answer(self, question: str) -> bool:
        if self.dry_run or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _plan(root: Path, name: str, script: str, ask: _Ask) -> Step:
    path = root / name
    if name == "Makefile" and (own := _makefile(root)) is not None:
        lacks = missing(_text(own), script)
        detail = "it is yours: the lines to add are below" if lacks else FILES[name]
        return Step(own.name, "kept" if lacks else "unchanged", detail)
    if name == ".gitignore" and os.path.lexists(path):
        return _plan_gitignore(path, ask)
    content = _content(root, name, script)
    if not os.path.lexists(path):
        return Step(name, "written", FILES[name], content)
    if path.is_file() and path.read_bytes() == content.encode() and (
        name != "entrypoint" or os.access(path, os.X_OK)
    ):  # fmt: skip
        return Step(name, "unchanged", FILES[name])
    copy = _free_name(path)
    if path.is_dir() or not ask.may_replace(name, copy):
        what = (
            "it is a folder" if path.is_dir() else f"it differs; `samebits init --force {name}` replaces it"
        )
        return Step(name, "kept", what)
    return Step(name, "replaced", f"what was there is in {copy}", content, copy)


def _plan_gitignore(path: Path, ask: _Ask) -> Step:
    text = _text(path)
    if any(line.strip().strip("/") == "runs" for line in text.splitlines()):
        return Step(path.name, "unchanged", FILES[path.name])
    if not ask.may_add(path.name, RUNS):
        return Step(path.name, "kept", f"it lacks {RUNS}; `samebits init --yes .gitignore` adds it")
    end = "" if not text or text.endswith("\n") else "\n"
    return Step(path.name, "added to", FILES[path.name], f"{text}{end}{RUNS}\n")


def _content(root: Path, name: str, script: str) -> str:
    if name == "environment.yml":
        return environment_file(root.name)
    if name == "Makefile":
        return makefile(shlex.quote(script))
    if name == ".gitignore":
        return f"{RUNS}\n"
    text = Path(__file__).with_name("files").joinpath(name.lstrip(".")).read_text(encoding="utf-8")
    text = text.replace("@PYTHON@", platform.python_version().rstrip("+"))
    return text.replace('"@SCRIPT@"', json.dumps(script))


def _makefile(root: Path) -> Path | None:
    """The one that make reads; of a case-insensitive file system, too, the name is the file's own."""
    names = set(os.listdir(root))
    return next((root / name for name in MAKEFILES if name in names), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}; move it away, then run this again"
        ) from None


def _free_name(path: Path) -> str:
    names = [f"{path.name}.before", *(f"{path.name}.before-{number}" for number in range(2, 1000))]
    return next(name for name in names if not os.path.lexists(path.with_name(name)))


# ---------------------------------------------------------------- doing it


def _carry_out(root: Path, steps: Sequence[Step]) -> None:
    """Write all, or nothing: what is added to a file of the user's comes last, and is whole or not there.

    Raises:
        UsageError: a file cannot be written; those written before it are taken back.
    """
    written: list[Path] = []
    moved: list[tuple[Path, Path]] = []
    try:
        for step in sorted(steps, key=lambda step: step.action == "added to"):
            if step.content is None:
                continue
            path = root / step.file
            if step.action == "added to":
                _rewrite(path.resolve(), step.content)
                continue
            if step.copy is not None:
                os.rename(path, copy := path.with_name(step.copy))
                moved.append((path, copy))
            write_whole(path, step.content)
            written.append(path)
            if step.file == "entrypoint":
                path.chmod(path.stat().st_mode | 0o111)
    except BaseException as error:
        for path in written:
            path.unlink()
        for path, copy in moved:
            os.rename(copy, path)
        if isinstance(error, OSError):
            raise cannot_write(root, error) from None
        raise


def _rewrite(path: Path, content: str) -> None:
    """New content for a file that keeps its mode."""
    mode = path.stat().st_mode
    write_whole(path, content.encode(errors="surrogateescape"))
    path.chmod(mode)


def _print_lines_to_add(root: Path, script: str) -> None:
    own = _makefile(root)
    lacks = missing(_text(own), shlex.quote(script)) if own is not None else ""
    if own is not None and lacks:
        print(f"\nlines to add to {own.name}, as it is yours:\n\n{lacks}")


def _print_next(root: Path, script: str) -> None:
    """Commands that run as they are printed."""
    lines = [] if root == Path.cwd() else [(f"cd {shlex.quote(str(root))}", "")]
    if shutil.which("samebits") is None and not (root / ".venv/bin/samebits").exists():
        bin = shlex.quote(str(Path(sys.executable).parent))
        lines.append((f"export PATH={bin}:$PATH", "or have this environment in .venv"))
    lines.append(("./entrypoint samebits doctor", "what is right and wrong here"))
    train = f"./entrypoint python {shlex.quote(script)}"
    if (root / script).is_file():
        lines.append((train, "trains"))
        smoke = train.replace("python", "samebits smoke python", 1)
        if "open_run" in _text(root / script):
            lines.append((smoke, "trains twice, compares the bits"))
    width = max(len(words) for words, _ in lines)
    print("\nnext:")
    for words, what in lines:
        print(f"  {words:<{width}}  {'# ' if what else ''}{what}".rstrip())
    if not (root / script).is_file():
        print("there is no train.py: TRAIN in Makefile and CMD in Dockerfile name your script")
    elif "open_run" not in _text(root / script):
        print(
            f"smoke, verify and resume need a few lines in {script}: docs/library.md of samebits shows them"
        )
