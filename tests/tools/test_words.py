"""Words that code does not use: in each place where a name is given, and phrases in comments and texts."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, one_line

import words

GIVEN = {
    "variable": "found = 1",
    "in several": "a, (*one, b) = f()",
    "walrus": "print(ones := 1)",
    "loop": "for one in a: pass",
    "comprehension": "a = [one for one in b]",
    "lambda": "a = lambda one: one",
    "parameter": "def f(*, found=None): pass",
    "rest": "def f(**found): pass",
    "function": "def found(): pass",
    "class": "class Found: pass",
    "attribute": "self.found = 1",
    "field": "class A:\n    found: int",
    "import": "import numpy as one",
    "error": "try:\n    pass\nexcept OSError as found:\n    pass",
    "context": "with a as found: pass",
    "pattern": "match a:\n    case [found]: pass",
    "rest of a pattern": "match a:\n    case {**one}: pass",
    "part": "def mend_path(): pass",
    "phrase": "def it_goes_on(): pass",
    "text": 'a = "it goes on"',
    "text in two lines": 'a = (\n    "it goes "\n    f"on: {b}"\n)',
    "comment in two lines": "# it goes\n# on",
    "docstring": '"""It tells of\n    itself."""',
}
ALLOWED = {
    "not given here": "a.found(one=np.ones(3)); print(other.found)",
    "part": "one_line = found_path = tone = 1",
    "text": 'a = "one was found"',
    "comment": "# one was found; amend it",
}


@pytest.mark.parametrize("code", GIVEN.values(), ids=GIVEN)
def test_it_is_seen_wherever_it_is_given(tmp_path: Path, code: str) -> None:
    (tmp_path / "x.py").write_text(code)
    assert len(words.problems(tmp_path / "x.py", "x.py")) == 1


@pytest.mark.parametrize("code", ALLOWED.values(), ids=ALLOWED)
def test_the_same_letters_elsewhere_are_not(tmp_path: Path, code: str) -> None:
    (tmp_path / "x.py").write_text(code)
    assert words.problems(tmp_path / "x.py", "x.py") == []


def run(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "tools/words.py", *paths], capture_output=True, text=True)


def test_the_command_names_place_word_and_what_to_write(tmp_path: Path) -> None:
    python, shell = tmp_path / "x.py", tmp_path / "x"
    python.write_text("a = 1\nfound = 2\n")
    shell.write_text("#!/bin/sh\n# it goes on\none=1\n")
    done = run(python, shell)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{python}:2: “found”: write “the thing that it holds: match, row, path, finding …”",
        f"{shell}:2: “goes on”: write “continue, resume”",
    ]
    assert one_line(done.stderr).startswith("samebits: 2 words that are not used here")
    python.write_text("found (")
    assert (run(python).returncode, "cannot be looked at" in one_line(run(python).stderr)) == (2, True)


def test_every_exception_is_one() -> None:
    for name, given in words.STAYS:
        tree = words.ast.parse((ROOT / name).read_text())
        assert given in {each for _, each in words.given_names(tree)}, name
    for name in words.DATA:
        assert words.problems(ROOT / name, "x"), name
