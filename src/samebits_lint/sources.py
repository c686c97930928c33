"""The files to be read: Python files and the code of notebooks, below the paths that a user names."""

import dataclasses
import io
import json
import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

SUFFIXES = (".py", ".ipynb")
SKIPPED = {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}  # and hidden folders
LARGEST = 1_000_000  # characters of code
# Cell magics after which a cell is still Python of this process.
PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")


# `%cd ..`, `!pip list`, `net?`, and `files = !ls`
MAGIC = re.compile(r"^(\s*)((?:[\w.]+(?:\s*,\s*[\w.]+)*\s*=\s*)?)(?:[%!?].*|.*\?)$")
GIVES = re.compile(r"^\s*[\w.]+(?:\s*,\s*[\w.]+)*\s*=\s*[%!]")


class UnreadableError(Exception):
    """A file that is no text, or no notebook."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One file's code.

    Attributes:
        path: the file, as it was named or found.
        text: its code; a notebook's cells one after the other, magics blanked out.
        cells: for a notebook, the first line in `text` (from 1) of each code cell, and the cell's number
            (from 1, counting cells of every kind, as an editor shows them); empty for a Python file.
    """

    path: Path
    text: str
    cells: tuple[tuple[int, int], ...] = ()

    def place(self, line: int) -> tuple[int | None, int]:
        """The cell (None in a Python file) and the line in it of a line in `text`."""
        for first, number in reversed(self.cells):
            if line >= first:
                return number, line - first + 1
        return None, line

    def without_cell(self, line: int) -> "Source | None":
        """The same notebook with the cell blanked out that has a line of `text`; None of another file."""
        starts = [first for first, _ in self.cells if first <= line]
        lines = self.text.split("\n")
        if not starts:
            return None
        start = starts[-1]
        end = next((first for first, _ in self.cells if first > start), len(lines) + 1)
        blank = [""] * (end - start)
        if lines[start - 1 : end - 1] == blank:
            return None  # the error is elsewhere, and this would not end
        return dataclasses.replace(self, text="\n".join([*lines[: start - 1], *blank, *lines[end - 1 :]]))


def find(paths: Sequence[Path]) -> list[Path]:
    """The Python files and notebooks that are named or lie below folders that are, each once, sorted.

    Hidden folders, environments and what is built are left out, unless a path names them or lies in them.
    A path that is no folder is taken as a file, whatever it is: `read` says what is wrong with it.

    Raises:
        OSError: a folder cannot be read.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            files.update(dict.fromkeys(_below(path)))
        else:
            files[path] = None
    return list(files)


def _below(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            hidden = entry.name.startswith(".") or entry.name in SKIPPED
            if not hidden and not entry.is_symlink() and not (entry / "pyvenv.cfg").exists():
                yield from _below(entry)
        elif entry.suffix in SUFFIXES and (entry.is_file() or entry.is_symlink()):
            yield entry  # a link that leads nowhere is named, a pipe is left alone


def read(path: Path) -> Source:
    """The code in a file.

    Raises:
        UnreadableError: says why, in a few words.
    """
    text = _text(path)
    if path.suffix != ".ipynb":
        return Source(path, _capped(text))
    try:
        cells = json.loads(text)["cells"]
        codes = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError):
        raise UnreadableError("it is no notebook of version 4") from None
    lines: list[str] = []
    starts: list[tuple[int, int]] = []
    for number, code in codes:
        starts.append((len(lines) + 1, number))
        lines += _without_magics(code)
    return Source(path, _capped("\n".join(lines) + "\n"), tuple(starts))


def _text(path: Path) -> str:
    """A file's text: UTF-8, or what its first lines say (`# -*- coding: latin-1 -*-`)."""
    try:
        if not path.is_file():
            raise UnreadableError("it is no regular file" if path.exists() else "it does not exist")
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableError(error.strerror or "the system refuses it") from None
    try:
        encoding = "utf-8-sig"
        if path.suffix != ".ipynb":
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise UnreadableError("it is not UTF-8 text") from None


def _capped(code: str) -> str:
    if len(code) > LARGEST:
        raise UnreadableError(
            f"it has {len(code)} characters of code, more than the {LARGEST} that lint reads"
        )
    return code


def _without_magics(code: str) -> list[str]:
    """A cell's lines, those that are no Python blanked out."""
    lines = code.splitlines() or [""]
    if lines[0].startswith("%%"):
        if not lines[0].startswith(PYTHON_MAGICS):
            return [""] * len(lines)
        lines[0] = ""
    kept: list[str] = []
    continues = False  # the line before was a magic that ends in a backslash
    for line in lines:
        is_magic = continues or MAGIC.match(line) is not None
        kept.append(
            MAGIC.sub(r"\1\2pass" if not GIVES.match(line) else r"\1\2None", line) if not continues else ""
        )
        continues = is_magic and line.rstrip().endswith("\\")
    return kept
