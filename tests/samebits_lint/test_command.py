"""`samebits lint`: lines, JSON, statuses, choices, ignore comments, notebooks."""

import errno
import json
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import ROOT, one_line

from samebits.__main__ import main

BAD = "import numpy as np\n\nrng = np.random.default_rng()\n"


def test_a_line_for_each_problem(start, tmp_path):
    (tmp_path / "train.py").write_text(BAD)
    done = start("samebits", "lint", tmp_path / "train.py")
    assert (done.returncode, done.stderr) == (1, "")
    first, last = done.stdout.splitlines()
    assert first == (
        f"{tmp_path}/train.py:3:7: SB303 numpy.random.default_rng() without a seed takes fresh entropy "
        "from the system in every run"
    )
    assert last == "Found 1 problem."


def test_nothing_to_say(start, tmp_path):
    (tmp_path / "train.py").write_text("print(1)\n")
    done = start("samebits", "lint", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "All checks passed!\n", "")
    done = start("samebits", "lint", "--json", tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_json(start, tmp_path):
    (tmp_path / "train.py").write_text(BAD)
    done = start("samebits", "lint", "--json", "train.py", cwd=tmp_path, SAMEBITS_ROOT=str(ROOT))
    assert done.returncode == 1
    (problem,) = json.loads(done.stdout)
    assert problem.pop("message").startswith("numpy.random.default_rng() without a seed")
    assert problem == {
        "file": "train.py",
        "cell": None,
        "line": 3,
        "column": 7,
        "rule": "SB303",
        "name": "unseeded-generator",
        "page": "docs/rules/SB303.md",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere does not exist; expected Python files, notebooks or folders of them"),
        (["README.md"], "README.md is neither a Python file (.py) nor a notebook (.ipynb)"),
        ([], "lint needs a path"),
        (["--select", "SB999", "src"], "'SB999' is no rule"),
        (["--ignore", "no-sed", "src"], "'no-sed' is no rule"),
        (["--explain", "E501"], "'E501' is no rule"),
    ],
)
def test_wrong_use_is_one_line(start, arguments, said):
    done = start("samebits", "lint", *arguments)
    assert done.returncode == 2
    assert said in one_line(done.stderr)


def test_a_name_cannot_command_the_terminal(start, tmp_path):
    """A file's name comes from whoever wrote the repository."""
    (tmp_path / "\x1b[2Jtrain.py").write_text(BAD)
    for status, path in ((1, tmp_path), (2, tmp_path / "\x1b[2Jgone.py")):
        done = start("samebits", "lint", path)
        assert done.returncode == status
        said = done.stdout + done.stderr
        assert "\\x1b[2J" in said
        assert "\x1b" not in said


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "closed").mkdir()
    plain = Path.iterdir

    def iterdir(path):  # root, who runs tests in containers, may read every folder
        if path.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.setattr(sys, "argv", ["samebits", "lint", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    line = one_line(capsys.readouterr().err)
    assert line == f"samebits: {tmp_path}/closed cannot be looked at: Permission denied"


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ([], ["SB303", "SB401"]),
        (["--select", "SB4"], ["SB401"]),
        (["--select", "unseeded-generator,SB401"], ["SB303", "SB401"]),
        (["--ignore", "SB303"], ["SB401"]),
        (["--select", "SB3", "--ignore", "SB303"], []),
    ],
)
def test_rules_are_chosen(start, tmp_path, options, rules):
    (tmp_path / "train.py").write_text(BAD + "import torch\ntorch.backends.cudnn.benchmark = True\n")
    done = start("samebits", "lint", "--json", *options, tmp_path)
    assert [problem["rule"] for problem in json.loads(done.stdout)] == rules
    assert done.returncode == bool(rules)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("rng = np.random.default_rng()  # samebits: ignore[SB303]", []),
        ("rng = np.random.default_rng()  # samebits: ignore", []),
        ("rng = np.random.default_rng()  # samebits: ignore[SB101, SB303]  # and why", []),
        ("rng = np.random.default_rng()  # samebits: ignore[SB101]", ["SB303"]),
        ("rng = np.random.default_rng()  # samebits: ignore[SB303, SB030]", ["SB002"]),
        ("rng = f(  # samebits: ignore[SB303]\n    1,\n    np.random.default_rng(),\n)", []),
        ("rng = f(\n    1,\n    np.random.default_rng(),\n)  # samebits: ignore[SB303]", []),
        ("rng = f(\n    1,  # samebits: ignore[SB303]\n    np.random.default_rng(),\n)", ["SB303"]),
        ("if x:  # samebits: ignore\n    rng = np.random.default_rng()", ["SB303"]),
        ("text = '# samebits: ignore[SB303]'; rng = np.random.default_rng()", ["SB303"]),
    ],
)
def test_ignore_comments(start, tmp_path, text, rules):
    (tmp_path / "train.py").write_text(f"import numpy as np\n{text}\n")
    done = start("samebits", "lint", "--json", tmp_path)
    assert [problem["rule"] for problem in json.loads(done.stdout)] == rules


def test_an_ignored_code_that_does_not_exist_is_named(start, tmp_path):
    (tmp_path / "train.py").write_text("seed = 1  # samebits: ignore[SB030]\n")
    said = start("samebits", "lint", "train.py", cwd=tmp_path, SAMEBITS_ROOT=str(ROOT)).stdout
    assert said.startswith("train.py:1:11: SB002 ignores SB030, which is no rule: correct or remove it\n")


def test_what_cannot_be_read_is_one_line_and_the_rest_is_read(start, tmp_path):
    (tmp_path / "a.py").write_text("def f(:\n")
    (tmp_path / "b.py").write_bytes(b"\xff\xfe")
    (tmp_path / "c.py").write_text(BAD)
    (tmp_path / "d.ipynb").write_text("{}")
    done = start("samebits", "lint", tmp_path, "--select", "SB3")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{tmp_path}/a.py:1:7: SB001 the file is no Python 3.11: invalid syntax"
    assert lines[1] == f"{tmp_path}/b.py:1:1: SB001 the file cannot be read: it is not UTF-8 text"
    assert " SB303 " in lines[2]
    assert (
        lines[3] == f"{tmp_path}/d.ipynb:1:1: SB001 the file cannot be read: it is no notebook of version 4"
    )
    assert lines[4] == "Found 4 problems."


def test_what_moves_on_other_machines_only_is_asked_for(start, tmp_path):
    (tmp_path / "train.py").write_text("import torch\ntorch.set_float32_matmul_precision('high')\n")
    assert start("samebits", "lint", tmp_path).stdout == "All checks passed!\n"
    for codes in ("SB", "SB403", "tf32-on"):
        assert " SB403 " in start("samebits", "lint", "--select", codes, tmp_path).stdout


def test_a_notebook_is_read_cell_by_cell(start, tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip list\n", "import numpy as np"]},
        {"cell_type": "code", "source": "%%bash\nrm -r runs"},
        {
            "cell_type": "code",
            "source": ["%%time\n", "for _ in range(2):\n", "    %cd ..\n", "rng = np.random.default_rng()"],
        },
    ]
    (tmp_path / "train.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    done = start("samebits", "lint", tmp_path)
    assert done.stdout.splitlines()[0].startswith(f"{tmp_path}/train.ipynb:cell 4:4:7: SB303 ")
    assert done.stdout.splitlines()[1:] == ["Found 1 problem."]


def test_some_folders_are_left_out(start, tmp_path):
    for folder in (".venv", ".git", "build", "dist", "node_modules", "__pycache__", "a/site-packages", "own"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "train.py").write_text(BAD)
    (tmp_path / "own" / "pyvenv.cfg").touch()
    assert start("samebits", "lint", tmp_path).stdout == "All checks passed!\n"
    assert start("samebits", "lint", tmp_path / "build").returncode == 1


def test_a_rules_page_and_the_list(start):
    done = start("samebits", "lint", "--explain", "sb303")
    assert done.stdout == (ROOT / "docs/rules/SB303.md").read_text()
    done = start("samebits", "lint", "--list")
    assert "SB303 unseeded-generator\n" in done.stdout


def test_the_starter_and_the_notebooks_are_clean(start):
    done = start("samebits", "lint", "src/starter", "notebooks")
    assert done.stdout == "All checks passed!\n"


def test_it_runs_nothing_and_imports_no_framework(start, tmp_path):
    (tmp_path / "train.py").write_text("import sys\nsys.exit('it ran')\n")
    code = (
        "import sys; from samebits.cli import group; from samebits.process.program import run_command; "
        f"status = run_command(group, 'samebits', ['lint', {str(tmp_path)!r}]); "
        "print(status, {'torch', 'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    )
    begun = time.monotonic()
    done = start("python", "-c", code)
    assert done.stdout == "All checks passed!\n0 set()\n", done.stderr
    assert time.monotonic() - begun < 10
