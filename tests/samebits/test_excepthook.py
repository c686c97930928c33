"""The line about an error that nobody catches."""

import pytest

HEAD = """
import sys
from samebits._excepthook import explain_uncaught
def known(error): return "what to do" if isinstance(error, KeyError) else None
def lacking(error): return "what is missing" if isinstance(error, OSError) else None
explain_uncaught(known)
explain_uncaught(lacking, alone=True)
explain_uncaught(known)
"""


@pytest.mark.parametrize(
    ("code", "traceback", "ours"),
    [
        ("{}[1]", True, "samebits: what to do"),
        ("raise OSError(28)", False, "samebits: what is missing"),
        ("1 / 0", True, None),
    ],
)
def test_the_last_line_is_ours_where_we_know_one(start, code, traceback, ours):
    done = start("python", "-c", HEAD + code)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert ("Traceback" in done.stderr) == traceback
    assert lines[-1] == (ours or "ZeroDivisionError: division by zero")
    assert done.stderr.count("samebits: ") == (ours is not None)


def test_a_hook_over_ours_is_called_once(start):
    """And asking again, as each framework's make_deterministic does, makes no circle of the two."""
    code = f"""{HEAD}
ours = sys.excepthook
def theirs(*error): print("theirs", file=sys.stderr); ours(*error)
sys.excepthook = theirs
explain_uncaught(known)
explain_uncaught(lambda error: None)
{{}}[1]
"""
    lines = start("python", "-c", code).stderr.splitlines()
    assert lines.count("theirs") == lines.count("samebits: what to do") == 1
