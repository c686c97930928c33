"""What a manifest may have run without asking: its writer can be anybody, and chose the command.

Trusted is the checkout: the files that a commit of it tracks. SECURITY.md says all of it.
"""

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from samebits._printable import printable
from samebits.errors import UsageError
from samebits.fingerprint.git import git
from samebits.process import started
from samebits.process.variables import Row, find_root, read

HARMLESS = ("-u",)  # options of Python that change nothing but when output is seen
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
# Files of samebits that start any program that they are given; the networks of hazards are trainings.
STARTERS = re.compile(r"(tools|tests|hooks|deploy)/|src/samebits/(?!proof/hazards_(torch|keras)\.py$)")
# Values of variables that name neither a file nor code.
PLAIN = re.compile(r"(?![:/])(?!.*\.\.)[\w=.,:@+-]*", re.ASCII)
PLAIN_NAME = re.compile(r"(?![:/])(?!.*\.\.)[\w=.,:@+/-]*", re.ASCII)  # such as Europe/Berlin
PLAIN_FLAG = re.compile(r"--\w+=(true|false|\d+)", re.ASCII)


def doubt(words: Sequence[str], place: Path) -> str:
    """Why a command out of a manifest is not run unasked; empty: it starts Python on tracked code.

    Args:
        words: the command, its words.
        place: the folder where it would start.
    """
    if words[0] != "python":
        return f"it starts {words[0]!r}, and without a question only Python on a file of this checkout is run"
    rest = list(words[1:])
    while rest and rest[0] in HARMLESS:
        del rest[0]
    if rest[:1] == ["-m"] and len(rest) > 1:
        file, rest = _module(rest[1], place), rest[1:]
        if file is None:
            return f"it starts the module {rest[0]}, which is not a file of this checkout"
        if _checkout(place) != _checkout(file.parent):
            return f"python -m looks for modules in {place} first, and that is no part of the checkout"
    elif not rest or rest[0].startswith("-"):
        return f"it gives Python the option {(rest or ['-'])[0]!r}"
    else:
        file = place / rest[0]
    if why := _not_tracked(file):
        return why
    bases = [base for base in (_checkout(place), _checkout(file.resolve().parent)) if base is not None]
    for word in rest[1:]:
        # A path may stand behind an option's name, or in a list.
        for part in (*re.split("[=,:;]", word), word[2:] if re.match("-[A-Za-z]", word) else ""):
            leads_to = (place / os.path.expanduser(part)).resolve()
            if not any(leads_to.is_relative_to(base) for base in (*bases, place.resolve())):
                return f"{word!r} leads out of the checkout"
    return ""


def refuse_unless_wanted(words: Sequence[str], why: str, run: Path, option: str = "--command") -> None:
    """Show a command and why it is in doubt, and continue only after a `yes` typed at a terminal.

    Args:
        words: the command.
        why: it is in doubt.
        run: what it made.
        option: with which the user can give it as their own, see `given_by`.

    Raises:
        UsageError: nobody typed it.
    """
    command = shlex.join(words)
    if sys.stdin.isatty() and sys.stderr.isatty():
        print(f"{printable(run)} was made by this command:\n\n  {printable(command)}\n", file=sys.stderr)
        print(f"{printable(why)}. Type yes to run it: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() == "yes":
            return
    # A command that the terminal does not show as it is cannot be given back by hand.
    hint = f"{given_by(option, command)} runs it" if printable(command) == command else "do not run it"
    raise UsageError(f"{run} was made by `{command}`, which was not run: {why}; if you want it: {hint}")


def given_by(option: str, command: str) -> str:
    """How the user gives a command as their own.

    >>> given_by("--command", "python train.py")
    "--command 'python train.py'"
    >>> given_by("samebits bisect a b --", "python train.py")
    '`samebits bisect a b -- python train.py`'
    """
    return f"`{option} {command}`" if option.endswith(" --") else f"{option} {shlex.quote(command)}"


def working_folder(manifest: Mapping[str, object], run: Path) -> Path | None:
    """Where the run was started, within the project; None elsewhere, and where there is no such folder.

    Raises:
        UsageError: it leads out of the project.
    """
    name = manifest.get("working_folder")
    if not isinstance(name, str) or not name:
        return None
    root = find_root().resolve()
    place = (root / name).resolve()
    if not place.is_relative_to(root):
        raise UsageError(f"{run}: working_folder is {name!r}, which leads out of the project")
    return place if os.path.isdir(place) else None  # and not `is_dir`, to which long names are an error


def refuse_variables(chosen: Mapping[str, str | None], run: Path) -> None:
    """Look at the variables that a manifest would set: none may name a file, or code to load.

    Args:
        chosen: by name. What this process's own user has set so, and allowed, is theirs.
        run: for the line.

    Raises:
        UsageError: one does, or is no variable of determinism.env.
    """
    rows = {row.name: row for row in read()}
    for name, value in chosen.items():
        if name not in rows:
            raise UsageError(f"{run}: {name!r} is allowed there, and is no variable of determinism.env")
        own = name in started.allowed() and os.environ.get(name) == value
        if value and not own and not _is_plain(rows[name], value):
            raise UsageError(
                f"{run} was made with {name}={value!r}, which can name a file or code to load: if you want "
                f"it, set it yourself, and SAMEBITS_ALLOW={name}"
            )


def _is_plain(row: Row, value: str) -> bool:
    if row.policy == "remove" or (row.policy, row.kind) == ("ambient", "path"):
        return value.isascii() and value.isdigit()
    form = {"merge": PLAIN_FLAG, "ambient": PLAIN_NAME if row.kind == "name" else PLAIN}.get(
        row.policy, PLAIN
    )
    return all(form.fullmatch(word) for word in value.split(" "))


def _module(name: str, place: Path) -> Path | None:
    """The file that `python -m NAME` starts, when it is in the folder or in the project's src/."""
    if not MODULE.fullmatch(name):
        return None
    parts = name.split(".")
    for folder in (place, find_root() / "src"):
        if not any(map(os.path.exists, (folder / parts[0], folder / f"{parts[0]}.py"))):
            continue  # else Python looks no further
        base = folder.joinpath(*parts)
        package, module = base / "__main__.py", base.with_name(f"{base.name}.py")
        files = (package,) if os.path.exists(base / "__init__.py") else (module, package)
        return next(filter(os.path.isfile, files), None)
    return None


def _checkout(folder: Path) -> Path | None:
    """The checkout that a folder is in, without git the project itself; None outside of both."""
    if top := git(folder, "rev-parse", "--show-toplevel"):
        return Path(top).resolve()
    root = find_root().resolve()
    return root if folder.resolve().is_relative_to(root) else None


def _not_tracked(file: Path) -> str:
    """Why a file is none of the checkout's."""
    if not os.path.isfile(file):
        return f"there is no file {str(file)!r}"
    real, root = file.resolve(), find_root().resolve()
    top = _checkout(real.parent)
    if top is None or top not in (_checkout(root), _checkout(Path.cwd())):
        return f"{file} is in none of your checkouts here"
    name = real.relative_to(top).as_posix()
    listed = git(top, "--literal-pathspecs", "ls-tree", "HEAD", "--", name)
    if listed is None:  # no git or no commit yet: an image, an archive, a new project are whole their maker's
        listed = "100644" if real.is_relative_to(root / "src") else ""
    if not listed.startswith("100"):  # 120000 is a link, 160000 another repository
        return f"{file} is not in the checkout's commit"
    if real.is_relative_to(root) and STARTERS.match(real.relative_to(root).as_posix()):
        return f"{file} can start other programs"
    return ""
