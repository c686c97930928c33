"""Words that the code does not use: names that do not say what they hold, and phrases that few readers know.

    words.py FILE...     names each, with what to write; status 1 if there is one

Names are looked at in Python files, where they are given: variables, parameters, attributes, functions,
classes, and what an import is called. Phrases (those of `readability.py`) are looked at in every file, code,
comments and messages alike.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from samebits.errors import CheckFailed, UsageError
from samebits.process.program import run_command
from readability import ROOT, find_phrases

# What not to call anything, and what to call it. The phrases are looked for in names, too.
NAMES = {
    r"found|ones?": "the thing that it holds: match, row, path, finding …",
}

# Where a name stays, and why.
STAYS = {("src/samebits/_report.py", "found"): "a key of `samebits doctor --json`"}

# They have the phrases as data.
DATA = (
    "tools/readability.py",
    "tests/tools/test_readability.py",
    "tests/tools/test_words.py",
)


def given_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each name that a module gives, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield node.lineno, name
            case ast.MatchMapping(rest=str(name)):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def problems(path: Path, name: str) -> list[tuple[int, str, str]]:
    """The lines of one file that are to be changed, what stands there, and what to write.

    Args:
        path: the file, in UTF-8.
        name: its path from the root, as `STAYS` has it.

    Raises:
        UsageError: it cannot be read, or is a Python file that Python does not understand.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text) if path.suffix == ".py" else ast.Module([], [])
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"{name} cannot be looked at: {error}") from None
    rows = []
    for line, given in given_names(tree):
        for pattern, instead in NAMES.items():
            if re.fullmatch(pattern, given, re.IGNORECASE) and (name, given) not in STAYS:
                rows.append((line, given, instead))
        rows += [(line, given, instead) for _, _, instead in find_phrases(given.replace("_", " "))]
    return sorted(rows + find_phrases(text))


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...", required=True, type=click.Path(path_type=Path))
def command(files: tuple[Path, ...]) -> None:
    """Check that files use no word that says nothing."""
    count = 0
    for path in files:
        whole = path.resolve()
        name = str(whole.relative_to(ROOT)) if whole.is_relative_to(ROOT) else str(path)
        if name in DATA:
            continue
        for line, word, instead in problems(path, name):
            click.echo(f"{name}:{line}: “{word}”: write “{instead}”")
            count += 1
    if count:
        raise CheckFailed(f"{count} words that are not used here: write what is shown for each")


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/words.py"))
