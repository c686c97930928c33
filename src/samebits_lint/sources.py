"""The files to be read: Python files and the code of notebooks, below the paths that a user names."""

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

SUFFIXES = (".py", ".ipynb")
SKIPPED = {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}  # and hidden folders
# Cell magics after which a cell is still Python of this process.
PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")


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


def find(paths: Sequence[Path]) -> list[Path]:
    """The Python files and notebooks that are named or lie below folders that are, each once, sorted.

    Hidden folders, environments and what is built are left out, unless a path names them or lies in them.
    A path that is no folder is taken as a file, whatever it is: `read` says what is wrong with it.

    Raises:
        OSError: a folder cannot be read.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_below(path)))
        else:
            found[path] = None
    return list(found)


def _below(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            hidden = entry.name.startswith(".") or entry.name in SKIPPED
            if not hidden and not entry.is_symlink() and not (entry / "pyvenv.cfg").exists():
                yield from _below(entry)
        elif entry.suffix in SUFFIXES:
            yield entry


def read(path: Path) -> Source:
    """The code in a file.

    Raises:
        UnreadableError: says why, in a few words.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnreadableError(error.strerror) from None
    except UnicodeDecodeError:
        raise UnreadableError("it is not UTF-8 text") from None
    if path.suffix != ".ipynb":
        return Source(path, text)
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
    return Source(path, "\n".join(lines) + "\n", tuple(starts))


def _without_magics(code: str) -> list[str]:
    """A cell's lines, those that are no Python blanked out."""
    lines = code.splitlines() or [""]
    if lines[0].startswith("%%"):
        if not lines[0].startswith(PYTHON_MAGICS):
            return [""] * len(lines)
        lines[0] = ""
    return [re.sub(r"^(\s*)(?:[%!?].*|.*\?)$", r"\1pass", line) for line in lines]
