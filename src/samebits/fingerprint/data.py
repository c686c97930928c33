"""The data's files: hashed when a program names them, remembered for the run's fingerprint."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from samebits._files import CHUNK
from samebits._progress import bar
from samebits.errors import UsageError

MUCH = 256 * CHUNK  # bytes, read in some tenths of a second: what is less needs no bar
SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

seen: dict[str, str] = {}  # by name: what the fingerprint describes this process's data
paths: set[str] = set()  # the same, as full paths without links


def data_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a data file, which the run's manifest then has as a fact.

    >>> if samebits.data_sha256("data/train.csv") != EXPECTED: ...

    On a terminal a bar shows how far it is, where there is much to read.

    Args:
        path: a file, or a folder: then it is the SHA-256 of the lines `SHA256  NAME` of all files in it,
            sorted by name, as `cd FOLDER && find . -type f | sort | xargs sha256sum` would print them.

    Returns:
        64 hexadecimal digits.

    Raises:
        UsageError: it is not there, cannot be read, or is a pipe, a socket or a device, or holds one.
    """
    path = Path(path)
    try:
        sha256 = _folder(path) if path.is_dir() else _hashed([path], path)[0]
    except OSError as error:
        raise UsageError(f"cannot read the data file {error.filename or path}: {error.strerror}") from None
    name, parents = path.name, list(path.absolute().parent.parts)
    while seen.get(name, sha256) != sha256 and parents:  # another file of that name
        name = f"{parents.pop()}/{name}"
    seen[name] = sha256
    paths.add(os.path.realpath(path))
    return sha256


def _folder(folder: Path) -> str:
    names = sorted(f"./{path.relative_to(folder).as_posix()}" for path in _files(folder))
    digests = _hashed([folder / name for name in names], folder)
    lines = (f"{sha256}  {name}\n" for sha256, name in zip(digests, names, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """What a folder and the folders in it hold, but for links to folders and to nothing."""

    def refuse(error: OSError) -> None:
        raise error  # a folder that may not be read: what is in it would be left out in silence

    for root, _, names in os.walk(folder, onerror=refuse):
        yield from (path for name in names if (path := Path(root, name)).exists())


def _hashed(paths: Sequence[Path], data: Path) -> list[str]:
    """The SHA-256 of each file. All of them are looked at before the first is read."""
    sizes = [_size(path) for path in paths]
    digests: list[str] = []

    def read() -> Iterator[None]:
        for path in paths:
            sha256 = hashlib.sha256()
            with open(path, "rb", buffering=0) as file:
                while chunk := file.read(CHUNK):
                    sha256.update(chunk)
                    yield
            digests.append(sha256.hexdigest())

    chunks = sum(-(-size // CHUNK) for size in sizes)
    for _ in bar(read(), f"hashing {data}", chunks) if sum(sizes) >= MUCH else read():
        pass
    return digests


def _size(path: Path) -> int:
    """A file's size in bytes.

    Raises:
        UsageError: it is none that can be read twice and to an end.
        OSError: it is not there, or may not be read.
    """
    status = os.stat(path)
    if (kind := SPECIAL.get(stat.S_IFMT(status.st_mode))) is not None:
        raise UsageError(f"{path} is {kind}; expected data in files, or in a folder of files alone")
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return status.st_size
