"""Files that are no clean Python 3: one line about each, or none, and never a traceback."""

import json
import os

import pytest

from samebits_lint import rules, sources
from samebits_lint.check import check

BAD = b"import numpy as np\nrng = np.random.default_rng()\n"
FRESH = "numpy.random.default_rng() without a seed takes fresh entropy from the system in every run"


def named(path, **more):
    return [
        f"{problem.file.rpartition('/')[2]}:{problem.cell or problem.line} {problem.rule} {problem.message}"
        for problem in check([path], rules.load(), **more)
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"print 'loss', loss\n", "main.py:1 SB001 the file is no Python 3.11: Missing parentheses"),
        (b"def f(:\n", "main.py:1 SB001 the file is no Python 3.11: invalid syntax"),
        (
            b"x = 1\x00\n",
            "main.py:1 SB001 the file is no Python 3.11: source code string cannot contain null",
        ),
        (b"# \xe9\n", "main.py:1 SB001 the file cannot be read: it is not UTF-8 text"),
        (b"# -*- coding: no-such -*-\n", "main.py:1 SB001 the file cannot be read: it is not UTF-8 text"),
        (b"(" * 5000, "main.py:1 SB001 the file is no Python 3.11: too many nested parentheses"),
        (b"x = " + b"-" * 90_000 + b"1", "main.py:1 SB001 the file cannot be parsed: "),
        (b"\xef\xbb\xbf" + BAD, "main.py:2 SB303 "),
        (b"# -*- coding: latin-1 -*-\n# \xe9\n" + BAD, "main.py:4 SB303 "),
        (BAD.replace(b"\n", b"\r\n"), "main.py:2 SB303 "),
        (BAD + b"x = [" + b"1, " * 1000 + b"]\n", "main.py:2 SB303 "),
        (BAD + b"x = " + b"f(" * 150 + b")" * 150 + b"\n", "main.py:2 SB303 "),
    ],
)
def test_one_line_at_most(tmp_path, content, expected):
    (tmp_path / "main.py").write_bytes(content)
    (line,) = named(tmp_path)
    assert line.startswith(expected)


def test_a_file_that_a_program_wrote_is_not_read(tmp_path):
    (tmp_path / "main.py").write_bytes(BAD + b"x = 1\n" * (sources.LARGEST // 6))
    (line,) = named(tmp_path)
    assert line.startswith("main.py:1 SB001 the file cannot be read: it has 100")


def test_links_and_pipes(tmp_path):
    (tmp_path / "main.py").write_bytes(BAD)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "up").symlink_to(tmp_path)
    (tmp_path / "inner" / "round.py").symlink_to("round.py")
    (tmp_path / "inner" / "gone.py").symlink_to("nowhere.py")
    os.mkfifo(tmp_path / "pipe.py")
    lines = named(tmp_path)
    assert lines.pop() == "main.py:2 SB303 " + FRESH
    assert sorted(lines) == [
        "gone.py:1 SB001 the file cannot be read: it does not exist",
        "round.py:1 SB001 the file cannot be read: it does not exist",
    ]
    assert named(tmp_path / "pipe.py") == ["pipe.py:1 SB001 the file cannot be read: it is no regular file"]


def test_a_notebooks_cells_are_read_one_by_one(tmp_path):
    cells = [
        "import numpy as np\nfiles = !ls\n!pip install \\\n  torch \\\n  numpy\na, b = %timeit -o f()\nnet?",
        "print 'old'",
        "%%writefile x.txt\nnot python",
        "for x in files:\n    !rm $x\nrng = np.random.default_rng()",
        "here is a sentence",
    ]
    written = [{"cell_type": "code", "source": text} for text in cells]
    (tmp_path / "main.ipynb").write_text(json.dumps({"cells": written, "nbformat": 4}))
    lines = named(tmp_path)
    assert [line.partition(" the")[0] for line in lines if "SB001" in line] == [
        "main.ipynb:2 SB001",
        "main.ipynb:5 SB001",
    ]
    assert [line for line in lines if "SB001" not in line] == ["main.ipynb:4 SB303 " + FRESH]


def test_what_is_read_is_told(tmp_path):
    (tmp_path / "main.py").write_bytes(BAD)
    told = []
    named(tmp_path, tell=told.append)
    assert told == [f"reading {tmp_path}/main.py", f"file 1 of 1: {tmp_path}/main.py"]
