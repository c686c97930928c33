"""The locks as files: their headers, what they have now, and writing them."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from samebits._files import write_whole
from samebits.bootstrap.only import select
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


def request_lines(lock: Path, requests: Sequence[Request]) -> list[str]:
    """The lines of a lock's header that say which requests it answers; one if all projects ask the same."""
    digests = {request.project: request.digest(lock) for request in requests}
    if len(set(digests.values())) == 1:
        return [f"# request: sha256:{requests[0].digest(lock)}"]
    mark = {"both": "both", "torch": "torch alone", "keras": "keras alone"}
    return [f"# request: sha256:{digest}  # only: {mark[project]}" for project, digest in digests.items()]


def recorded(lock: Path) -> list[str]:
    """The lines of the lock's header that say which requests it answers."""
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    return re.findall(r"^# request: .*$", text, re.MULTILINE)


def answers(lock: Path, requests: Sequence[Request]) -> bool:
    """Whether a lock answers what is asked for today."""
    return recorded(lock) == request_lines(lock, requests)


def header(lock: Path, requests: Sequence[Request]) -> str:
    """The comment that starts a lock."""
    return "\n".join(
        [f"# {WHAT[lock]}.", f"# For {FOR}. Made by `make lock`.", *request_lines(lock, requests), ""]
    )


def versions(lock: Path, text: str | None = None) -> dict[str, str]:
    """The versions in a lock of either kind (or in `text`, what it is about to hold), by package."""
    if lock.suffix != ".yml":
        return versions_in(lock) if text is None else pins(select(text, "both"))
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


def write(
    rows: Mapping[Path, str], requests: Sequence[Request], say: Callable[[str], None] = click.echo
) -> None:
    """Write what changed, all or nothing: rows by lock, requirements.lock before those that name its digest.

    Raises:
        CheckFailed: a lock cannot be written.
    """
    with all_or_nothing(list(rows)):
        for lock, content in rows.items():
            text = header(lock, requests) + content
            if lock.exists() and lock.read_text(encoding="utf-8") == text:
                say(f"{lock}: unchanged")
                continue
            try:
                lock.parent.mkdir(exist_ok=True)
                write_whole(lock, text)
            except OSError as error:
                raise CheckFailed(f"{lock} cannot be written: {error.strerror}") from None
            say(f"{lock}: written")
