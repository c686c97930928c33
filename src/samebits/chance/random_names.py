"""Files with random names: whoever sorts them has them in another order in each run.

It is known, and not guessed: a process of the program made the names, by `tempfile` or of a number that the
system gave it; a line of the user's lists the folder and sorts it; something depends on that order; two of
these files are read. The first and the last may happen in two processes, so all is put together in the end.
"""

import ast
import functools
import os
import re
import sys
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any

from samebits.chance import calls, entropy, order
from samebits.chance.never_fails import never_fails
from samebits.chance.not_seen import not_seen
from samebits.chance.records import RECORDS, Source
from samebits_lint.module import attribute

FIX = "names that are numbered in order: f'{number:06}.npy'"
LISTED, MADE, READ = "sorted listing", "random name", "read by name"  # kinds of rows that `judged` takes away
NUMBER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,64}", re.I)
UUID4 = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}", re.I
)
KEPT = 64  # names of one folder
MOST = 4096  # names of a process
DEEP = 3  # parts of a path: a folder's name may be the random one
WRITES = os.O_WRONLY | os.O_RDWR
_listed: set[str] = set()  # folders, whose files are looked at when they are read
_told: dict[tuple[str, str], set[str]] = {}  # by kind and folder, the names that were told
_made: set[str] = set()  # paths


class ByName(order.Used):
    """Whether the order matters in which something is sorted by its names."""

    def _given(self, call: ast.Call, node: ast.AST, sequence: bool, numbered: bool) -> bool:
        if call.func is not node and "sort" in attribute(call).lower():
            return not _has_key(call) and self._matters(call, True, numbered)
        return super()._given(call, node, sequence, numbered)

    def _is_sorted(self, node: ast.AST, written: str) -> bool:
        return super()._is_sorted(node, written) and any(map(_has_key, ast.walk(node)))

    def _sorts(self, node: ast.AST, target: ast.expr) -> bool:
        return super()._sorts(node, target) and _has_key(node)


def _has_key(node: ast.AST) -> bool:
    """Whether a call sorts by something else than the names, such as the time of a file."""
    return isinstance(node, ast.Call) and any(
        named.arg == "key" and getattr(named.value, "id", "") != "str" for named in node.keywords
    )


def watch() -> None:
    """Python announces to audit hooks what is listed, made and read."""
    sys.addaudithook(_announced)


def _announced(event: str, given: Any) -> None:
    if event == "open":
        path, mode, flags = given
        if type(path) is str:
            writes = set(mode or "") & set("wax+") or (isinstance(flags, int) and flags & WRITES)
            if writes:
                _look_at_made(path)
            elif _listed:
                _look_at_read(path)
    elif event in ("os.listdir", "os.scandir"):
        _look_at_listing(given[0], sys._getframe(1))
    elif event in ("tempfile.mkstemp", "tempfile.mkdtemp"):
        _note_made(given[0], "tempfile")
    elif event == "os.mkdir":
        _look_at_made(given[0])
    elif event == "os.rename":
        _look_at_made(given[1], *given[:1])


@never_fails
def _look_at_listing(folder: Any, frame: FrameType) -> None:
    if folder is None or isinstance(folder, str):
        full = os.path.realpath(folder or ".")
        before = len(RECORDS.counts)
        order.note(LISTED, full, FIX, frame, order.LISTS, order.THROUGH, _matters_by_name)
        if len(RECORDS.counts) > before:
            _listed.add(full)


def _matters_by_name(frame: FrameType, names: Collection[str]) -> bool:
    if order.matters(frame, names):  # it is not sorted at all, and named for that
        return False
    module = calls.module(frame.f_code.co_filename)
    node = calls.given_by(frame, names)
    return module is not None and node is not None and ByName(module).matters(node, sequence=True)


@never_fails
def _look_at_made(path: Any, before: Any = None) -> None:
    """A file or a folder is made, or gets another name."""
    if not isinstance(path, str | os.PathLike):
        return
    path = os.fspath(path)
    if isinstance(before, str) and os.path.abspath(before) in _made:
        _note_made(path, "tempfile")
    elif isinstance(path, str) and (source := _source(os.path.basename(path))) is not None:
        _note_made(path, source)


def _source(name: str) -> str | None:
    """What gave the number in a name; None where it may be a constant."""
    for part in NUMBER.findall(name):
        if (source := entropy.source_of(int(part.replace("-", ""), 16))) is not None:
            return source
    return None


@never_fails
def _note_made(path: str, source: str) -> None:
    if len(_made) < MOST:
        _made.add(os.path.abspath(path))
    _tell(MADE, path, source)


@never_fails
def _look_at_read(path: str) -> None:
    """Note the parts of a path that a listing may have given; they are random if this process made them."""
    for _ in range(DEEP):
        folder, name = os.path.split(os.path.abspath(path))
        if _real(folder) in _listed:
            _tell(READ, path, "")
            if (source := _source(name)) is not None:  # what code in C made, nobody has announced
                _tell(MADE, path, source)
        path = folder


def _tell(kind: str, path: str, source: str) -> None:
    folder, name = os.path.split(os.path.abspath(path))
    folder = _real(folder)
    names = _told.setdefault((kind, folder), set())
    if name not in names and len(names) < KEPT and len(_told) < MOST:
        names.add(name)
        RECORDS.add(Source(kind, os.path.join(folder, name), "", 0, "", source, certain=False))


@functools.lru_cache(256)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def settle() -> None:
    """Note folders in whose names there are numbers that another program made."""
    for (kind, folder), names in list(_told.items()):
        made = _told.get((MADE, folder), set())
        if kind == READ and sum(UUID4.search(name) is not None for name in names - made) > 1:
            not_seen(
                f"whether another program gives the files in {os.path.relpath(folder)} other random names in "
                "each run: watch that program, too"
            )


def judged(counts: dict[Source, int]) -> dict[Source, int]:
    """The counts with a row for each line that sorts random names, and without what only says so."""
    rows = {source: number for source, number in counts.items() if source.kind not in (LISTED, MADE, READ)}
    read = {source.source for source in counts if source.kind == READ}
    made = {source.source: source.fix for source in counts if source.kind == MADE and source.source in read}
    for listing, number in counts.items():
        if listing.kind == LISTED:
            inside = list(_below(listing.source, made))
            if len(inside) > 1:
                what = f"a folder's listing, sorted by random names of {made[inside[0]]}"
                row = Source("listing", what, listing.file, listing.line, "", FIX)
                rows[row] = rows.get(row, 0) + number
    return rows


def _below(folder: str, paths: Collection[str]) -> Iterator[str]:
    return (path for path in paths if os.path.dirname(path) == folder)
