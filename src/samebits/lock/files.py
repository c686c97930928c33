"""The locks as files: their headers, what they have now, and writing them."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from samebits._files import write_whole
from samebits.bootstrap.request import GLIBC
from samebits.bootstrap.rows import pins
from samebits.errors import CheckFailed
from samebits.lock.request import (
    COMPILER,
    COMPILER_LOCK,
    CONDA_LOCK,
    CONDA_LOCK_ITSELF,
    DEV,
    ENVIRONMENT,
    PIP,
    PROJECT,
    Request,
    versions_in,
)

FOR = f"Linux on x86-64 with glibc 2.{GLIBC} or newer"
WHAT = {
    PIP: f"The wheels, one sha256 each, that answer `pip:` in {ENVIRONMENT}",
    DEV: f"Development tools, over {PIP}, that answer group `dev` in {PROJECT}",
    CONDA_LOCK_ITSELF: f"conda-lock in an environment of its own, group `conda-lock` in {PROJECT}",
    CONDA_LOCK: f"The interpreter and uv, without wheels: those are in {PIP}, see {ENVIRONMENT}",
    COMPILER_LOCK: f"A C++ compiler for torch.compile and Triton, see {COMPILER}",
}


def request_line(lock: Path, request: Request) -> str:
    """The line of a lock's header that says which request it answers."""
    return f"# request: sha256:{request.digest(lock)}"


def answers(lock: Path, request: Request) -> bool:
    """Whether a lock answers what is asked for today."""
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    return request_line(lock, request) in text.splitlines()


def header(lock: Path, request: Request) -> str:
    """The comment that starts a lock."""
    return "\n".join(
        [f"# {WHAT[lock]}.", f"# For {FOR}. Made by `make lock`.", request_line(lock, request), ""]
    )


def versions(lock: Path, text: str | None = None) -> dict[str, str]:
    """The versions in a lock of either kind (or in `text`, what it is about to hold), by package."""
    if lock.suffix != ".yml":
        return versions_in(lock) if text is None else pins(text)
    if text is None:
        text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    # conda-lock writes one line a key; the environments of projects have no reader of YAML.
    rows = re.findall(r"^- name: (\S+)\n  version: (['\"]?)(\S+?)\2$", text, re.MULTILINE)
    return {name: version for name, _, version in rows}


@contextlib.contextmanager
def all_or_nothing(files: Sequence[Path]) -> Iterator[None]:
    """Give files back the content that they had, when its block fails; those that were not there go."""
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            elif file.read_bytes() != content:
                write_whole(file, content)
        raise


def write(rows: Mapping[Path, str], request: Request, say: Callable[[str], None] = click.echo) -> None:
    """Write what changed, all or nothing: rows by lock, requirements.lock before those that name its digest.

    Raises:
        CheckFailed: a lock cannot be written.
    """
    with all_or_nothing(list(rows)):
        for lock, content in rows.items():
            text = header(lock, request) + content
            if lock.exists() and lock.read_text(encoding="utf-8") == text:
                say(f"{lock}: unchanged")
                continue
            try:
                lock.parent.mkdir(exist_ok=True)
                write_whole(lock, text)
            except OSError as error:
                raise CheckFailed(f"{lock} cannot be written: {error.strerror}") from None
            say(f"{lock}: written")
