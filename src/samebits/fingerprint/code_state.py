"""Which code made a run: the user's, by commit and by its files' hashes, and samebits' own beside it."""

import functools
import hashlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from samebits import __version__
from samebits._files import sha256_file, shown
from samebits._printable import DIGITS
from samebits.fingerprint import git
from samebits.process.code_owner import SAMEBITS, is_users_file
from samebits.process.command_line import lengthened, shortened
from samebits.process.variables import find_root


class Code:
    """The user's code from when a run opens on.

    The commit, the script and what it has imported so far are looked at when the run opens, since somebody
    may edit them while it trains. What is imported later is hashed when `facts` is called.

    Attributes:
        folder: where the script lies; for `python -m package.module`, what holds the package; in a notebook
            or at a prompt, the working folder.
        script: the script's file, None in a notebook or at a prompt.
    """

    def __init__(self) -> None:
        self.folder, self.script = find_script()
        self._checkout = git.checkout(self.folder)
        self._files: dict[Path, str] = {}
        self._tracked = True
        self._see()
        self._state = state(self.folder, self._checkout)

    def facts(self) -> dict[str, Any]:
        """What a manifest has as `code`.

        Returns:
            `folder` and `script`; `commit`, `dirty` (whether a file differs from the commit, or runs without
            being in it) and `diff` (a SHA-256 of all that differs), each None without git; `files`, the
            SHA-256 of the script and of every imported module that is not installed, by its path from
            `folder`; `samebits`, the toolkit's version and SHA-256, in the image its commit.
        """
        self._see()
        known = dict(self._state)
        if known["commit"] is not None and not self._tracked:
            known["dirty"] = True
        return {
            "folder": _shown_folder(self.folder, self._checkout),
            "script": None if self.script is None else self._name(self.script),
            **known,
            "files": {self._name(path): self._files[path] for path in sorted(self._files)},
            "samebits": own(),
        }

    def _see(self) -> None:
        new = [path for path in imported() if path not in self._files and not self._is_generated(path)]
        if self.script is not None and self.script not in self._files and is_users_file(str(self.script)):
            new.append(self.script)
        for path in new:
            if (sha256 := _sha256(path)) is not None:
                self._files[path] = sha256
        if self._checkout is not None:
            self._tracked = self._tracked and git.has_all(self._checkout[0], new)

    def _is_generated(self, path: Path) -> bool:
        """Whether the process wrote this code itself, as torch before 2.10 does at each import.

        It has another path each time and is deleted at the end. What wrote it is recorded.
        """
        if self._inside(path) or not path.is_relative_to(os.path.realpath(tempfile.gettempdir())):
            return False
        try:
            return path.stat().st_mtime >= _started()
        except OSError:
            return True  # deleted already

    def _inside(self, path: Path) -> bool:
        folders = [self.folder, *(self._checkout or ())[:1]]
        return any(path.is_relative_to(folder) for folder in folders)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.folder) if self._inside(path) else shortened(str(path))


def find_script() -> tuple[Path, Path | None]:
    """Where the user's code lies, and the script; see `Code`."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not file:
        return Path.cwd(), None
    path = Path(os.path.realpath(file))
    if path.parent.is_file():  # in an archive
        path = path.parent
    if not path.is_file() or not (path.is_relative_to(SAMEBITS) or is_users_file(str(path))):
        return Path.cwd(), None  # typed in, or a console script: a notebook's kernel, pytest
    spec = getattr(main, "__spec__", None)
    return path.parents[spec.name.count(".") if spec is not None else 0], path


def state(folder: Path, checkout: tuple[Path, str] | None) -> dict[str, Any]:
    """A folder's commit, whether files differ from it, and the SHA-256 of how; None each without git.

    In the image, whose own code cannot have been changed since, the commit that it was built from.
    """
    built = os.environ.get("SAMEBITS_COMMIT")
    if built and folder.is_relative_to(find_root().resolve()):
        clean = built.removesuffix("-dirty")  # as tools/image.py marks it
        return {"commit": clean, "dirty": clean != built, "diff": None}
    if checkout is None:
        return {"commit": None, "dirty": None, "diff": None}
    root, commit = checkout
    changed = git.changes(root)
    return {"commit": commit, "dirty": bool(changed), "diff": git.hash_of(root, changed) if changed else None}


def here() -> dict[str, Any]:
    """The commit of the working folder, and the toolkit."""
    return {**state(Path.cwd(), git.checkout(Path.cwd())), "samebits": own()}


def changed_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Which files of a manifest's `code` are not there, or are others; names as the manifest has them."""
    return [name for name, sha256 in files.items() if _sha256(folder / lengthened(name)) != sha256]


def place_of(error: BaseException) -> str:
    """The line of the user's own code at which an error was raised, in words; empty when it is in none."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = ((os.path.realpath(frame.filename), frame.lineno) for frame in frames)
    return next((f"{shown(Path(file))}, line {line}" for file, line in places if is_users_file(file)), "")


def imported() -> list[Path]:
    """The imported modules' files that are the user's: not Python's, not installed, not samebits' own."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    chosen = {file for file in files if isinstance(file, str) and is_users_file(file)}
    return sorted({Path(os.path.realpath(file)) for file in chosen})


@functools.cache
def _started() -> float:
    """When this process began, in seconds since 1970."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[19])  # from the machine's start to the process's
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


@functools.cache
def own() -> dict[str, str]:
    """The toolkit: its version, one SHA-256 of its Python files' names and contents, the image's commit."""
    # In an image of another project, which has it installed, the commit is that project's.
    built = os.environ.get("SAMEBITS_COMMIT") if "site-packages" not in SAMEBITS.parts else None
    own = {"version": __version__, "sha256": _hash_of_python(SAMEBITS)}
    return own | ({"commit": built} if built else {})


def _hash_of_python(folder: Path) -> str:
    paths = sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix())
    lines = (f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str | None:
    try:
        return sha256_file(path) if path.is_file() else None
    except OSError:
        return None


def _shown_folder(folder: Path, checkout: tuple[Path, str] | None) -> str:
    """From the project, else from the working folder where both are in one checkout, else from home."""
    working = Path(os.path.realpath(Path.cwd()))
    root = find_root().resolve()
    near = folder.is_relative_to(working) or (checkout is not None and working.is_relative_to(checkout[0]))
    if near and not folder.is_relative_to(root):
        return os.path.relpath(folder, working)
    return shortened(str(folder))


def together(states: Iterable[Mapping[str, Any]]) -> str | None:
    """In what the code of a run's parts differs, in words; None where it is one code."""
    parts = list(states)
    commits = list(dict.fromkeys(part.get("commit") for part in parts))
    if len(commits) > 1:
        return "on another commit (" + ", ".join((commit or "none")[:DIGITS] for commit in commits) + ")"
    seen: dict[str, str] = {}
    for part in parts:
        for name, sha256 in (part.get("files") or {}).items():
            if seen.setdefault(name, sha256) != sha256:
                return f"with other code ({name})"
    return None
