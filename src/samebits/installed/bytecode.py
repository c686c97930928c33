"""Compare bytecode files with what their sources compile to now."""

import importlib.util
import marshal
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEADER = 16  # bytes: magic number, flags, then the source's hash or its time and size
KINDS = {0: "timestamp", 1: "unchecked-hash", 3: "checked-hash"}  # the flags, PEP 552
NAME = re.compile(r"(?P<module>[^.]+)\.cpython-\d+(?:\.opt-(?P<level>[12]))?\.pyc")


@dataclass(frozen=True)
class Verdict:
    """What was found out about one bytecode file.

    Attributes:
        path: the file.
        kind: when Python takes it for valid: a value of KINDS, "stale" if never (its source was edited
            since), or "" when that cannot be read.
        fault: what is wrong with it; empty when it is what its source compiles to.
    """

    path: Path
    kind: str
    fault: str = ""


def source_of(path: Path) -> Path | None:
    """The source of `__pycache__/NAME.cpython-311.pyc`; None for a file that no import would read."""
    match = NAME.fullmatch(path.name)
    if match is None or path.parent.name != "__pycache__":
        return None
    return path.parent.parent / f"{match['module']}.py"


def judge_all(paths: Sequence[Path]) -> list[Verdict]:
    """`judge` for each of the files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sources' own, about escape sequences and the like
        return [judge(path) for path in paths]


def judge(path: Path) -> Verdict:
    """Compile the source of a bytecode file again and compare.

    Equal code can have different bytes: marshal marks an object as shared by how often the compiling process
    happened to refer to it. Its format 2 has no such marks, so that equal code is equal bytes in it.
    """
    source = source_of(path)
    if source is None:
        return Verdict(path, "", "no import would read a bytecode file of this name")
    try:
        compiled = path.read_bytes()
        text = source.read_bytes()
    except OSError as error:
        what = "its source is missing" if isinstance(error, FileNotFoundError) else str(error.strerror)
        return Verdict(path, "", what)
    kind = KINDS.get(int.from_bytes(compiled[4:8], "little"), "")
    if compiled[:4] != importlib.util.MAGIC_NUMBER or not kind:
        return Verdict(path, kind, "is not bytecode of this Python")
    if kind == "unchecked-hash":
        return Verdict(path, kind, "is valid whatever its source says (unchecked-hash)")
    if kind == "checked-hash" and compiled[8:HEADER] != importlib.util.source_hash(text):
        return Verdict(path, kind, "has another hash than its source: Python would compile it again")
    level = int((NAME.fullmatch(path.name) or {"level": None})["level"] or 0)
    try:
        code = marshal.loads(compiled[HEADER:])
        # The name in it is for tracebacks: Python puts in the right one as it imports.
        again = compile(text, code.co_filename, "exec", dont_inherit=True, optimize=level)
        same = marshal.dumps(again) == compiled[HEADER:] or marshal.dumps(again, 2) == marshal.dumps(code, 2)
    except Exception as error:  # whatever a damaged file or a source that is not Python can raise
        return Verdict(path, kind, f"cannot be compared: {' '.join(str(error).split())}")
    if kind == "timestamp" and not same and _is_stale(compiled, source):
        return Verdict(path, "stale")  # left by an edit; Python compiles the source again
    return Verdict(path, kind, "" if same else "is not what its source compiles to")


def _is_stale(compiled: bytes, source: Path) -> bool:
    status = source.stat()
    return compiled[8:HEADER] != b"".join(
        (int(number) & 0xFFFFFFFF).to_bytes(4, "little") for number in (status.st_mtime, status.st_size)
    )
