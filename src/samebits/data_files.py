"""The data's files: hashed when a program names them, remembered for the run's fingerprint."""

import hashlib
import os
from pathlib import Path

from samebits.errors import WrongUse
from samebits.files import sha256_file

seen: dict[str, str] = {}  # by name: what the fingerprint tells of this process's data


def data_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a data file, which the run's manifest then has as a fact.

    >>> if samebits.data_sha256("data/train.csv") != EXPECTED: ...

    Args:
        path: a file, or a folder: then it is the SHA-256 of the lines `SHA256  NAME` of all files in it,
            sorted by name, as `cd FOLDER && find . -type f | sort | xargs sha256sum` would print them.

    Returns:
        64 hexadecimal digits.

    Raises:
        WrongUse: it is not there, or cannot be read.
    """
    path = Path(path)
    try:
        sha256 = _folder(path) if path.is_dir() else sha256_file(path)
    except OSError as error:
        raise WrongUse(f"cannot read the data file {error.filename or path}: {error.strerror}") from None
    name, parents = path.name, list(path.absolute().parent.parts)
    while seen.get(name, sha256) != sha256 and parents:  # another file of that name
        name = f"{parents.pop()}/{name}"
    seen[name] = sha256
    return sha256


def _folder(folder: Path) -> str:
    names = sorted(f"./{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file())
    lines = (f"{sha256_file(folder / name)}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
