"""Say what is wrong with the locks before they are installed: one is damaged, or older than environment.yml.

    PYTHONPATH=src python3.11 -PSB -m samebits.bootstrap.locks_whole

create-env asks before there is an environment, so this needs the standard library alone. A damaged lock
ends it with status 1; that `make lock` is due is one line and no more. Works on the current folder.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

from samebits.bootstrap.only import select

ROW = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+) --hash=sha256:[0-9a-f]{64}(?:\s+# only: .*)?")
WHEEL = re.compile(r"(\./\S+\.whl) --hash=sha256:([0-9a-f]{64})(?:\s+# only: .*)?")  # a file of the project
INDEX = re.compile(r"--extra-index-url \S+")
PIP, DEV = Path("requirements.lock"), Path("locks/requirements-dev.lock")
CONDA = Path("conda-lock.yml")
ENVIRONMENT = Path("environment.yml")
END = "# The end: a file without this line was cut."  # the last line of a PyPI lock
UV_PLATFORM = "x86_64-manylinux_2_28"  # as in tools/lock.py, which needs packages
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
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except OSError as error:
        return f"{wheel}, which {lock} names, cannot be read ({error.strerror}): {RESTORE.format(lock=wheel)}"
    if found == sha256:
        return ""
    return (
        f"{wheel} has sha256 {found[:12]}…, {lock} has {sha256[:12]}…: {RESTORE.format(lock=wheel)}, "
        "or lock the one that is there (`make lock`)"
    )


def asked(text: str) -> dict[str, list[str]] | None:
    """The lists `channels`, `platforms`, `dependencies` and `pip` of an environment.yml.

    None where it is written in another way than one entry a line: then only `make lock-check` can say.
    """
    lists: dict[str, list[str]] = {"channels": [], "platforms": [], "dependencies": [], "pip": []}
    key, indent = "", 0  # of `- pip:`
    for line in select(text, "both").splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).rstrip()
        if entry := re.fullmatch(r"( *)- pip:", line):
            key, indent = "pip", len(entry[1])
        elif entry := re.fullmatch(r"( *)- (['\"]?)([^'\"\[{]\S*(?: *[=<>]+ *\S+)?)\2", line):
            if key == "pip" and len(entry[1]) <= indent:
                key = "dependencies"
            if key in lists:
                lists[key].append(entry[3])
        elif entry := re.fullmatch(r"(\w+):(.*)", line):
            key = entry[1]
            if entry[2] and key in lists:
                return None
        elif line:
            return None
    return lists


def requests(lists: dict[str, list[str]]) -> dict[Path, str] | None:
    """The digest of the request that each lock must answer, as tools/lock.py makes it; None if not known."""
    conda = sorted(re.sub(r"\s+", "", entry) for entry in lists["dependencies"])
    python = next((entry.rpartition("=")[2] for entry in conda if re.match(r"python==?\d", entry)), "")
    pip = []
    for entry in lists["pip"]:
        match = re.fullmatch(r"([\w.-]+)(?:\[([\w.,-]+)\])?==([^;*]+)", re.sub(r"\s+", "", entry))
        if match is None:
            return None
        extras = f"[{','.join(sorted(match[2].split(',')))}]" if match[2] else ""
        pip.append(f"{re.sub(r'[-_.]+', '-', match[1]).lower()}{extras}=={match[3]}")
    contents: dict[Path, dict[str, object]] = {
        CONDA: {"channels": lists["channels"], "platforms": lists["platforms"], "dependencies": conda},
        PIP: {"python": python.rpartition(".")[0], "platform": UV_PLATFORM, "requirements": sorted(pip)},
    }
    return {
        lock: hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        for lock, content in contents.items()
    }


def stale() -> list[Path]:
    """The locks that do not answer what environment.yml asks for today: its content counts, not its time."""
    try:
        lists = asked(ENVIRONMENT.read_text(encoding="utf-8"))
        wanted = (requests(lists) if lists else None) or {}
        return [
            lock for lock, digest in wanted.items() if f"# request: sha256:{digest}" not in lock.read_text()
        ]
    except (OSError, ValueError):
        return []


def main() -> int:
    for lock in (PIP, *([DEV] if DEV.parent.is_dir() else [])):
        if line := damage(lock):
            print(f"samebits: {line}", file=sys.stderr)
            return 1
    if locks := stale():
        names = " and ".join(map(str, locks))
        print(
            f"samebits: {ENVIRONMENT} is newer than {names}: run `make lock`, then `make env`",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
