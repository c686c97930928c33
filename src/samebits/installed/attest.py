"""Is every file of an environment what the locks, the wheels' RECORDs and its source say?

A RECORD comes with its wheel and lies beside the files. So this finds what was changed, added, lost or half
installed; who rewrites a RECORD with its file is not found.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samebits._files import sha256_file
from samebits._printable import short, some
from samebits._report import Finding, Outcome
from samebits.fingerprint.git import git
from samebits.installed import bytecode, conda_prefix, packages, parallel
from samebits.installed.packages import Recorded
from samebits.installed.venv import Environment, strange, strange_links_and_modes, walk

# What of the project decides what runs; all of it is in the image.
PROJECT = ("conda-lock.yml", "determinism.env", "entrypoint", "environment.yml", "golden.toml",
           "pyproject.toml", "requirements.lock", "src")  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One row of the result.

    Attributes:
        check: what was looked at.
        looked_at: how many of it.
        what: the noun that goes with the number, and what is to be known when all is well.
        faults: one line each, the file first.
        attested: False where there is nothing to compare with; `what` then says so.
    """

    check: str
    looked_at: int
    what: str
    faults: list[str] = field(default_factory=list)
    attested: bool = True

    @property
    def outcome(self) -> Outcome:
        if self.faults:
            return "fail"
        return "ok" if self.attested else "warn"

    def finding(self) -> Finding:
        state = in_short(self.faults) if self.faults else f"{self.looked_at:,} {self.what}"
        return Finding(self.check, self.outcome, state if self.looked_at or self.faults else self.what)


def in_short(faults: Sequence[str]) -> str:
    """The first fault, and how many more there are."""
    return some(faults, 1, "; ")


def attest(environment: Environment, locks: Sequence[Path], conda_lock: Path) -> list[Check]:
    """Look at everything in an environment, and at the interpreter that it was made with.

    Args:
        environment: the virtual environment.
        locks: PyPI locks that together have its packages; none: what only a lock can tell is left open.
        conda_lock: the lock of the interpreter, where that is conda's.

    Raises:
        UsageError: a lock cannot be read.
    """
    prefix = environment.prefix
    content = walk(prefix)
    installed = packages.installed(environment.site)
    rows = packages.locked(locks)
    project = [package for package in installed if package.is_editable(environment.root)]
    wheels = [package for package in installed if package not in project]
    names = " and ".join(lock.name for lock in locks)
    also = ", and this project as a link to its source" if project else ""
    checks = [Check("packages", len(wheels), f"as in {names}{also}", packages.unlike_lock(wheels, rows))]
    if not locks:
        what = "are installed: without a lock, nothing says which there must be"
        checks = [Check("packages", len(wheels), what, attested=False)]

    recorded: dict[Path, Recorded] = {}
    unhashed: set[Path] = set()
    faults: list[str] = []
    for package in installed:
        of_package, without, wrong = package.recorded()
        for row in of_package:
            first = recorded.setdefault(row.path, row)
            if first.sha256 != row.sha256:
                faults.append(f"{_in(prefix, row.path)} is in the RECORDs of {first.owner} and {row.owner}")
        unhashed.update(without)
        faults += wrong
    faults += [f"{path}: a RECORD names a file outside of {prefix}"
               for path in recorded if not path.is_relative_to(prefix)]  # fmt: skip
    faults += [f"{_in(prefix, path)} {fault}" for path, fault in differing(list(recorded.values()))]
    size = sum(row.size for row in recorded.values())
    checks.append(Check("recorded files", len(recorded), f"as recorded, {size / 1e9:.2f} GB", sorted(faults)))

    looked_at, faults = packages.unmet(installed, environment.version)
    checks.append(Check("requirements", looked_at, "are met", faults))

    hashed = {_in(prefix, path) for path in recorded}
    known = hashed | {_in(prefix, path) for path in unhashed}
    pyc = {name for name in content.files if name.endswith(".pyc")} - hashed
    others = sorted(content.files.keys() - known - pyc)
    checks.append(_judged(Check("other files", len(others), "as uv and this project write them",
                                strange(environment, others)), locks))  # fmt: skip
    checks.append(_bytecode(environment, sorted(pyc), any(package.name == "pytest" for package in installed)))
    linked = sum(status.st_nlink > 1 for status in content.files.values())
    also = f"; {linked:,} files are hard links to uv's cache" if linked else ""
    count = len(content.files) + len(content.links) + len(content.folders) + len(content.special)
    checks.append(_judged(Check("links and modes", count, f"files, folders and links, nothing strange{also}",
                                strange_links_and_modes(environment, content)), locks))  # fmt: skip
    return [*checks, *interpreter(environment, conda_lock)]


def _judged(check: Check, locks: Sequence[Path]) -> Check:
    """What is strange in our environment need not be so in another's, which other tools made."""
    if locks or not check.faults:
        return check
    what = f"looked at; not what `uv venv` and installers write: {in_short(check.faults)}"
    return Check(check.check, check.looked_at, what, attested=False)


def differing(rows: Sequence[Recorded]) -> list[tuple[Path, str]]:
    """The files that are not as recorded, each with what is wrong."""
    return sorted(parallel.each(_differing, rows, lambda row: max(row.size, 0), "hashing"))


def _differing(rows: Sequence[Recorded]) -> list[tuple[Path, str]]:
    faults = []
    for row in rows:
        try:
            size = os.stat(row.path).st_size
            if row.size not in (size, -1):
                faults.append((row.path, f"has {size:,} bytes, recorded are {row.size:,}"))
            elif (sha256 := sha256_file(row.path)) != row.sha256:
                faults.append((row.path, f"has sha256 {short(sha256)}, recorded is {short(row.sha256)}"))
        except FileNotFoundError:
            faults.append((row.path, f"of {row.owner} is missing"))
        except OSError as error:
            faults.append((row.path, f"cannot be read: {error.strerror}"))
    return faults


def _bytecode(environment: Environment, names: Sequence[str], has_pytest: bool) -> Check:
    """Bytecode of the environment and, in a clone, of the project."""
    rewritten = [name for name in names if has_pytest and "-pytest-" in Path(name).name]
    paths = [environment.prefix / name for name in names if name not in rewritten]
    paths += (environment.root / "src").rglob("*.pyc")
    verdicts = judged(paths)
    faults = []
    for verdict in verdicts:
        if verdict.fault:
            faults.append(f"{_in(environment.prefix, verdict.path)} {verdict.fault}")
        elif environment.is_images and verdict.kind != "checked-hash":
            faults.append(f"{_in(environment.prefix, verdict.path)} is {verdict.kind}, not checked-hash")
    kinds = Counter(verdict.kind for verdict in verdicts)
    each_kind = ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items()))
    what = f"compile to the same code again: {each_kind}" if verdicts else "there is none"
    if rewritten:
        what += f"; not looked at: {len(rewritten):,} that pytest rewrote for itself"
    return Check("bytecode", len(verdicts), what, faults)


def judged(paths: Sequence[Path]) -> list[bytecode.Verdict]:
    """The verdicts on bytecode files, by path."""
    verdicts = parallel.each(bytecode.judge_all, paths, lambda path: path.lstat().st_size * 64, "compiling")
    return sorted(verdicts, key=lambda verdict: verdict.path)


def interpreter(environment: Environment, conda_lock: Path) -> list[Check]:
    """The interpreter: a conda prefix has records, the base's own Python is the base's."""
    folder = environment.home.parent
    if not conda_prefix.is_prefix(folder):
        real = os.path.realpath(environment.prefix / "bin/python")
        what = f"Python {environment.version}, {real}: not installed by this project, so not attested"
        return [Check("interpreter", 0, what, attested=False)]
    prefix = conda_prefix.read(folder)
    if not conda_lock.exists():
        what = f"conda's Python {environment.version}: there is no {conda_lock.name} to compare it with"
        return [Check("interpreter", 0, what, attested=False)]
    rows = conda_prefix.locked(conda_lock)
    unlike = conda_prefix.unlike_lock(prefix, rows, conda_lock.name)
    recorded, compiled, faults = conda_prefix.files(prefix, walk(folder))
    again = [folder / name for name in compiled]
    for path, fault in differing(recorded):
        if path.suffix == ".pyc":
            again.append(path)  # Python may have written it anew: its source, which is recorded, decides
        else:
            faults.append(f"{_in(folder, path)} {fault}")
    faults += [f"{_in(folder, file.path)} {file.fault}" for file in judged(again) if file.fault]
    return [
        Check("conda packages", len(prefix.packages), f"as in {conda_lock.name}", unlike),
        Check("conda files", len(recorded) + len(compiled), "as recorded in conda-meta", sorted(faults)),
    ]


def project(root: Path) -> Check:
    """The project's own files: git knows them in a clone; an image can only say what it has."""
    paths = _project_files(root)
    lines = "".join(f"{sha256_file(root / path)}  {path}\n" for path in paths)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    commit = git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    changes = git(root, "status", "--porcelain", "--untracked-files=all", "--", *PROJECT)
    if commit is None or changes is None:
        built = os.environ.get("SAMEBITS_COMMIT")
        origin = f"said to be commit {built}" if built else "of no known commit"
        what = f"files {origin}, together sha256:{digest}: compare with that of `samebits attest` in a clone"
    elif changes:
        what = f"files, of which {len(changes.splitlines())} differ from commit {commit}; sha256:{digest}"
    else:
        return Check("project", len(paths), f"files as in commit {commit}, together sha256:{digest}")
    return Check("project", len(paths), what, attested=False)


def _project_files(root: Path) -> list[str]:
    below = [f"src/{name}" for name in walk(root / "src").files]
    made = ("__pycache__/", ".egg-info/")  # by Python and by an editable install
    paths = [*(name for name in PROJECT if (root / name).is_file()), *below]
    return sorted(path for path in paths if not any(part in path for part in made))


def _in(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
