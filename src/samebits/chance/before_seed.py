"""What a run's process did before the run began: draws from generators that had no seed, and what nobody saw.

From the import of samebits on, draws are named by line. What was drawn unseen is told by the generators of
NumPy and torch, which are not where their seed began, and by Keras's, which is made with the first draw.
TensorFlow needs no look: with the variables of determinism.env it refuses to draw without a seed.
"""

import ast
import os
import sys
from types import FrameType

from samebits.chance import framework_generators, numpy_generators, python_generators, torch_beginning
from samebits.chance.never_fails import never_fails
from samebits.chance.not_seen import not_seen
from samebits.chance.places import outwards, users
from samebits.chance.records import RECORDS, Source
from samebits.process.code_owner import is_users_file

FIX = "give it a seed before the first draw; the line is named by `samebits watch`"
_before: list[tuple[str, int | None]] = []  # files of the user's that ran before samebits came, up to a line


def note_what_ran(frame: FrameType | None) -> None:
    """Remember what ran of the user's code before samebits was imported.

    Args:
        frame: of the import.
    """
    running = {
        each.f_code.co_filename: each.f_lineno
        for each in outwards(frame)
        if each.f_code.co_name == "<module>"
    }
    _before.extend((file, line) for file, line in running.items() if is_users_file(os.path.abspath(file)))
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file not in running and is_users_file(file):
            _before.append((file, None))


@never_fails
def look() -> None:
    """A run begins, and has not given any seeds yet: count the global generators that were drawn from."""
    user = users(sys._getframe())
    named = {source.source for source in RECORDS.counts}
    if any(source.library == "keras" for source in RECORDS.counts):  # named by line, as Python's generator
        named.add(framework_generators.KERAS)
    drawn = {
        numpy_generators.GLOBAL: "numpy.random" in sys.modules and numpy_generators.global_was_drawn_from(),
        torch_beginning.GLOBAL: "torch" in sys.modules and torch_beginning.was_drawn_from(),
        framework_generators.KERAS: framework_generators.keras_was_drawn_from(),
    }
    for source, is_drawn in drawn.items():
        if is_drawn and source not in named and user is not None:
            file, line = user.f_code.co_filename, user.f_lineno
            RECORDS.add(Source("global generator", source, file, line, "", FIX, certain=False))


def end() -> None:
    """The generators have seeds: their functions are what they were."""
    python_generators.leave_global()
    if "numpy.random" in sys.modules:
        numpy_generators.leave_global()


@never_fails
def tell() -> None:
    """Note what nobody saw: calls of the user's that ran before samebits was imported."""
    for file, line in _before:
        try:
            with open(file, encoding="utf-8") as text:
                statements = ast.parse(text.read()).body
        except (OSError, ValueError, SyntaxError):
            continue
        if any(_calls(statement) for statement in statements if line is None or statement.lineno < line):
            name = os.path.relpath(file)
            until = f"above its line {line}" if line else "when it was imported"
            not_seen(f"what {name} did {until}, before samebits was imported")
    _before.clear()


def _calls(statement: ast.stmt) -> bool:
    """Whether a statement calls something when its file runs."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return isinstance(statement, ast.ClassDef) and any(map(_calls, statement.body))
    return any(isinstance(node, ast.Call) for node in ast.walk(statement))
