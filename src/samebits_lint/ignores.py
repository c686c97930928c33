"""`# samebits: ignore` and `# samebits: ignore[SB101, SB103]`."""

import ast
import dataclasses
import io
import re
import tokenize
from collections.abc import Iterable

COMMENT = re.compile(r"#\s*samebits:\s*ignore(?:\[(?P<codes>[^\]]*)\])?")


@dataclasses.dataclass(frozen=True)
class Ignore:
    """One such comment: its line and column (from 1), and the codes; none means every rule."""

    line: int
    column: int
    codes: tuple[str, ...]

    def covers(self, code: str) -> bool:
        return not self.codes or code in self.codes


def find(text: str) -> dict[int, Ignore]:
    """Every such comment in a text that parses, by its line."""
    if "samebits" not in text:
        return {}
    comments = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        match = token.type == tokenize.COMMENT and COMMENT.search(token.string)
        if match:
            codes = re.split(r"[,\s]+", (match["codes"] or "").strip())
            line, column = token.start
            comments[line] = Ignore(line, column + match.start() + 1, tuple(filter(None, codes)))
    return comments


def statement_lines(tree: ast.Module) -> dict[int, tuple[int, int]]:
    """For every line, the first and last one of the smallest statement there (of a compound, its head)."""
    lines: dict[int, tuple[int, int]] = {}
    for node in ast.walk(tree):  # outer statements come first
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = node.end_lineno or node.lineno
            if isinstance(body, list) and body:
                last = max(node.lineno, body[0].lineno - 1)
            for line in range(node.lineno, last + 1):
                lines[line] = (node.lineno, last)
    return lines


def is_ignored(code: str, line: int, ignores: dict[int, Ignore], lines: dict[int, tuple[int, int]]) -> bool:
    """Whether a comment on that line, or on its statement's first or last, names the rule."""
    places: Iterable[int] = {line, *lines.get(line, ())}
    return any(place in ignores and ignores[place].covers(code) for place in places)
