"""Lines that not every project has, and the choice among them.

This repository trains with both frameworks and is its own template. A line that ends in a mark, as a comment
of its file's kind, belongs to some projects only:

    only: torch           projects that train with torch, alone or beside Keras; `only: keras` likewise
    only: torch alone     projects without Keras; `only: keras alone` likewise
    only: both            projects with both
    only: template        no project: this repository itself

A mark on a line of its own opens a block, which ends at the next line that holds nothing but the mark
`only: end`. Blank lines around what goes are joined. Standard library alone: the template's hook runs this in
whatever Python cookiecutter has.
"""

import re

PROJECTS = {
    "torch": {"torch", "torch alone"},
    "keras": {"keras", "keras alone"},
    "both": {"torch", "keras", "both"},
}
MARKS = {mark for marks in PROJECTS.values() for mark in marks} | {"template", "end"}
MARK = re.compile(r"^(?P<line>.*?)[ \t]*(?:#|//|<!--) only: (?P<mark>[a-z]+(?: alone)?)(?: -->)?$")


def is_marked(text: str) -> bool:
    """Whether any line of a text has a mark."""
    return any(MARK.match(line) for line in text.splitlines())


def select(text: str, project: str) -> str:
    """What a project has of a text: without the lines of other projects, and without marks.

    Args:
        text: a whole file.
        project: "torch", "keras" or "both".

    Raises:
        ValueError: a mark is unknown, or a block has no end; says on which line.
    """
    kept: list[str] = []
    gap: int | None = None  # blank lines that stood before what was dropped just now
    blank = 0  # blank lines at the end of what is kept

    def keep(line: str) -> None:
        nonlocal gap, blank
        if line != "\n":
            kept.append(line)
            gap, blank = None, 0
        elif gap is not None and gap > 0:
            gap -= 1  # of the blank lines on both sides of a gap, as many stay as the longer side has
        else:
            kept.append(line)
            blank += 1

    def drop() -> None:
        nonlocal gap
        gap = blank

    block: tuple[int, bool] | None = None  # the line that opened it, and whether its lines are kept
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        match = MARK.match(line.rstrip("\n"))
        mark = match["mark"] if match else None
        if mark is not None and mark not in MARKS:
            raise ValueError(f"line {number}: `only: {mark}` is none of {', '.join(sorted(MARKS))}")
        if match is None or (match["line"] and mark in PROJECTS[project]):
            if block is None or block[1]:
                keep(match["line"] + "\n" if match else line)
            continue
        drop()
        if match["line"]:
            continue
        if mark == "end":
            if block is None:
                raise ValueError(f"line {number}: `only: end` ends no block")
            block = None
        elif block is not None:
            raise ValueError(f"line {number}: a block within the block of line {block[0]}")
        else:
            block = number, mark in PROJECTS[project]
    if block is not None:
        raise ValueError(f"line {block[0]}: the block has no `only: end`")
    while gap is not None and kept and kept[-1] == "\n":
        kept.pop()
    return "".join(kept)
