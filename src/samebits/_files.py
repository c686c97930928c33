"""Files are written whole or not at all."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from samebits.errors import UsageError

CHUNK = 1 << 20  # bytes; larger reads gain nothing once a chunk outgrows the L2 cache


def write_whole(path: str | os.PathLike[str], content: str | bytes | Iterable[bytes | memoryview]) -> str:
    """Write `content` beside `path`, flush it to disk, rename it into place.

    Args:
        path: the file; whatever stood there stays until the new content is complete.
        content: text (stored as UTF-8), bytes, or chunks of bytes.

    Returns:
        The SHA-256 of what was written, as 64 hexadecimal digits.

    Raises:
        UsageError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    path = Path(path)
    try:
        return _write_whole(path, content)
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_look(error: OSError) -> str | None:
    """The line about a path that was named and that one may not look at, None about another error."""
    if error.filename is None or error.errno not in (errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP):
        return None
    return f"{error.filename} cannot be looked at: {error.strerror}"


def cannot_write(path: Path, error: OSError) -> UsageError:
    """The one line for a full disk, a read-only file system or a folder of somebody else's."""
    fix = "make room there or name" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "name"
    return UsageError(f"cannot write {path}: {error.strerror}; {fix} another folder")


def _write_whole(path: Path, content: str | bytes | Iterable[bytes | memoryview]) -> str:
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, bytes):
        content = [content]
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            sha256 = _write_and_hash(file, content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    return sha256


def _write_and_hash(file: BinaryIO, content: Iterable[bytes | memoryview]) -> str:
    """Large chunks are hashed by a thread while they are written: each takes about as long as the other."""
    sha256 = hashlib.sha256()
    with ThreadPoolExecutor(1) as pool:  # starts no thread before it is used
        for chunk in content:
            hashing = pool.submit(sha256.update, chunk) if len(chunk) >= CHUNK else None
            file.write(chunk)
            if hashing is None:
                sha256.update(chunk)
            else:
                hashing.result()
    return sha256.hexdigest()


def flush_file(path: Path) -> None:
    """Make sure that a file's content, or what was renamed or made in a folder, outlives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, as `sha256sum` prints it."""
    sha256 = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def shown(path: Path) -> str:
    """A path as the user would type it from here."""
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)
