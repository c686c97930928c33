"""Say what is wrong with the locks before they are installed: one is damaged, or older than environment.yml.

    PYTHONPATH=src python3.11 -PSB -m samebits.bootstrap.locks_whole

create-env asks before there is an environment, so this needs the standard library alone. A damaged lock
ends it with status 1; that `make lock` is due is one line and no more. Works on the current folder.
"""

import hashlib
import re
import sys
from pathlib import Path

from samebits.bootstrap import environment_yml, request

ROW = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+) --hash=sha256:[0-9a-f]{64}")
WHEEL = re.compile(r"(\./\S+\.whl) --hash=sha256:([0-9a-f]{64})")  # a file of the project
INDEX = re.compile(r"--extra-index-url \S+")
PIP, DEV = Path("requirements.lock"), Path("locks/requirements-dev.lock")
CONDA = Path("conda-lock.yml")
END = "# The end: a file without this line was cut."  # the last line of a PyPI lock
RESTORE = "restore it (git checkout {lock})"


def damage(lock: Path) -> str:
    """What is wrong with one PyPI lock, and what to do; empty when nothing is."""
    restore = RESTORE.format(lock=lock)
    try:
        text = lock.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text file"
        return f"{lock} cannot be read ({why}): {restore}"
    rows = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line and not line.startswith("#")]
    for number, line in rows:
        if not any(kind.fullmatch(line) for kind in (ROW, WHEEL, INDEX)):
            expected = "NAME==VERSION --hash=sha256:…"
            return f"{lock} is damaged, line {number} is '{line[:60]}', not {expected}: {restore}"
    if not text.endswith(f"{END}\n"):
        return f"{lock} is damaged, it was cut: its last line is not '{END}': {restore}"
    if not rows:
        return f"{lock} is damaged, it has no packages: {restore}"
    wheels = filter(None, (WHEEL.fullmatch(line) for _, line in rows))
    return next(filter(None, (other(Path(match[1]), match[2], lock) for match in wheels)), "")


def other(wheel: Path, sha256: str, lock: Path) -> str:
    """What is wrong with a wheel in the project's own folder; empty when it is the one that was locked."""
    try:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except OSError as error:
        return f"{wheel}, which {lock} names, cannot be read ({error.strerror}): {RESTORE.format(lock=wheel)}"
    if digest == sha256:
        return ""
    return (
        f"{wheel} has sha256 {digest[:12]}…, {lock} has {sha256[:12]}…: {RESTORE.format(lock=wheel)}, "
        "or lock the one that is there (`make lock`)"
    )


def stale() -> list[Path]:
    """The locks that do not answer what environment.yml asks for today: its content counts, not its time."""
    try:
        lists = environment_yml.read(Path(environment_yml.ENVIRONMENT).read_text(encoding="utf-8"))
        conda = request.conda(lists)
        wanted: dict[Path, object] = {CONDA: conda}
        pip = [normal for entry in lists["pip"] if (normal := request.normal(entry))]
        if len(pip) == len(lists["pip"]):
            wanted[PIP] = request.wheels(sorted(pip), request.python(conda["dependencies"]))
        return [
            lock
            for lock, asked in wanted.items()
            if f"# request: sha256:{request.digest(asked)}" not in lock.read_text(encoding="utf-8")
        ]
    except (
        OSError,
        ValueError,
        KeyError,
    ):  # `make lock-check` says what is wrong with the request
        return []


def main() -> int:
    for lock in (PIP, *([DEV] if DEV.parent.is_dir() else [])):
        if line := damage(lock):
            print(f"samebits: {line}", file=sys.stderr)
            return 1
    if locks := stale():
        names = " and ".join(map(str, locks))
        asked = environment_yml.ENVIRONMENT
        print(f"samebits: {asked} is newer than {names}: run `make lock`, then `make env`", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
