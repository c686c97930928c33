"""The cells of a notebook that does what a training script does, made from the script's own text.

A script has a docstring, imports, definitions, and `train(settings)`. The code of `train` becomes two cells:
what comes before its first `with`, and the training. A notebook is in no package: imports get its name.
"""

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

INTRO = """\
# {title}

[`{script}`](../{script}) cell by cell: `make notebooks` made this file from it. Run it from the
top as often as you like: it gives the same weights, bit by bit. Start it with `make notebook`.
[docs/notebook.md](../docs/notebook.md) says what is promised and what is not."""
SETTINGS = "Other settings: `Settings(epochs=5, seed=7, …)`. The fields are the options of `make train`."
RUN = """\
`finish` prints the hash, which is `sha256sum weights.safetensors`. It says whether the project has
committed this hash for these settings."""


def cells(script: Path, root: Path) -> Iterator[tuple[str, str, str]]:
    """Each cell: its name, its kind ("markdown" or "code"), its text.

    Args:
        script: src/PACKAGE/train_FRAMEWORK.py below `root`.
        root: the repository's folder.
    """
    text = script.read_text(encoding="utf-8")
    tree = ast.parse(text)
    package, framework = script.parent.name, script.stem.removeprefix("train_")
    title = (ast.get_docstring(tree) or script.stem).splitlines()[0].rstrip(".")
    yield "intro", "markdown", INTRO.format(title=title, script=script.relative_to(root).as_posix())
    imports = [part for part in tree.body if isinstance(part, ast.Import | ast.ImportFrom)]
    lines = [
        "from pathlib import Path",
        "from IPython import display",
        *(_source(text, part) for part in imports),
    ]
    yield (
        "imports",
        "code",
        _sorted(re.sub(r"^from \.", f"from {package}.", "\n".join(lines), flags=re.M), root),
    )
    yield "about-settings", "markdown", SETTINGS
    yield "settings", "code", f'settings = Settings(run=Path("../runs/{framework}-notebook"))'
    train, before = None, []
    for part in tree.body[1:-1]:  # less the docstring and what makes it a command
        if isinstance(part, ast.FunctionDef) and part.name == "train":
            train = part
        elif isinstance(part, ast.FunctionDef | ast.ClassDef):
            yield part.name.lower(), "code", "\n\n\n".join(_source(text, node) for node in [*before, part])
            before = []
        elif part not in imports:
            before.append(part)
    assert train is not None, f"{script} has no train"
    first = next(number for number, part in enumerate(train.body) if isinstance(part, ast.With))
    if first:
        yield "data", "code", _source(text, *train.body[:first])
    yield "about-run", "markdown", RUN
    yield "run", "code", _source(text, *train.body[first:])
    yield "curves", "code", 'display.Image(run.folder / "curves.png")'


def _source(text: str, *parts: ast.stmt) -> str:
    """The lines of some statements that follow each other, decorators and comments between them included."""
    begins = min((part.lineno for part in getattr(parts[0], "decorator_list", [])), default=parts[0].lineno)
    return textwrap.dedent("\n".join(text.splitlines()[begins - 1 : parts[-1].end_lineno]))


def _sorted(imports: str, root: Path) -> str:
    """Imports as the project's style has them."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--quiet",
        "--select=I",
        "--fix",
        "--stdin-filename=x.py",
        "-",
    ]
    done = subprocess.run(command, input=imports, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
