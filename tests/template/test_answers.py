"""The answers: their defaults, what is refused, and names of every kind."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.template.conftest import Generate

from release import locks


def made_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".cookiecutter")]


def test_the_same_answers_give_the_same_project(generate: Generate, tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        assert generate(tmp_path / place).returncode == 0
    made = [tmp_path / place / "my-experiment" for place in ("one", "two")]
    assert subprocess.run(["diff", "-r", *made]).returncode == 0


def test_every_question_has_a_default(generate: Generate, tmp_path: Path) -> None:
    done = generate(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "my-experiment: a project with samebits. Next: cd my-experiment && git init && make train\n"
    )
    assert (tmp_path / "my-experiment/src/my_experiment/train.py").is_file()


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"package_name": "my-package"}, 'the package name "my-package" cannot be imported'),
        ({"package_name": "9lives"}, 'the package name "9lives" cannot be imported'),
        ({"package_name": "class"}, 'the package name "class" cannot be imported'),
        ({"package_name": "Upper"}, 'the package name "Upper" cannot be imported'),
        ({"package_name": "a/b"}, 'the package name "a/b" cannot be imported'),
        ({"package_name": ""}, 'the package name "" cannot be imported'),
        ({"package_name": "a" * 31}, "has 31 characters; expected at most 30"),
        ({"package_name": "samebits"}, "the package name samebits is taken"),
        ({"package_name": "random"}, "the package name random is taken"),
        ({"project_name": "!!!"}, 'the project name "!!!" has no letter or digit'),
        ({"project_name": "PyTorch", "package_name": "torch"}, "the package name torch is that of a package"),
        ({"project_name": "9 lives"}, 'the package name "9_lives" cannot be imported'),
        (
            {"project_name": "Keras", "package_name": "alpha", "framework": "keras"},
            "the project name keras is that of a package",
        ),
        (
            {"project_name": "Safe Tensors", "package_name": "safetensors"},
            "the package name safetensors is that of a package",
        ),
        ({"project_name": "Pytest", "package_name": "alpha"}, "the project name pytest is that of a package"),
        ({"package_name": "opt_einsum", "framework": "both"}, "the package name opt_einsum is that of a"),
        ({"package_name": "sklearn"}, "the package name sklearn is taken"),
        ({"package_name": "naïve"}, 'the package name "na\\u00efve" cannot be imported'),
        ({"project_name": "a" * 61, "package_name": "a"}, "expected at most 60 characters"),
        ({"project_name": "a" * 300, "package_name": "a"}, "expected at most 60 characters"),
        ({"project_name": "\\" * 3}, 'the project name "\\\\\\\\\\\\" has no letter or digit'),
        ({"project_name": "two\nlines"}, 'the project name "two\\nlines" must be one line'),
        ({"project_name": "red \x1b[31m"}, 'the project name "red \\u001b[31m" must be one line'),
        ({"author": "Ada\nLICENSE: none"}, 'the author "Ada\\nLICENSE: none" must be one line'),
        ({"author": " "}, 'the author " " must be one line of printable characters, and not empty'),
        ({"author": "a" * 201}, "the author has 201 characters; expected at most 200"),
        ({"project_name": "samebits", "package_name": "alpha"}, "is the template's"),
        ({"extras": "notebook, helm"}, 'the extra "helm" is none: expected notebook, slurm'),
    ],
)
def test_a_wrong_answer_is_one_line_and_leaves_nothing(
    generate: Generate, tmp_path: Path, answers: dict[str, str], says: str
) -> None:
    """cookiecutter's own traceback about its hook follows, elsewhere."""
    done = generate(tmp_path, **answers)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("samebits: ")
    assert says in line
    assert made_in(tmp_path) == []


def test_no_package_takes_the_name_of_what_is_imported(template: Path) -> None:
    """Every name that a package of a project's lock is imported by is refused: by a list, or by the lock."""
    hook = (ROOT / "hooks/pre_gen_project.py").read_text()
    listed = set(hook.partition('NAMES = """')[2].partition('"""')[0].split())
    text = "".join(lock.read_text() for lock in locks(template))
    locked = {re.sub(r"[-_.]+", "_", name).lower() for name in re.findall(r"^([\w.-]+)==", text, re.M)}
    names = {
        name
        for name, owners in importlib.metadata.packages_distributions().items()
        if re.fullmatch("[a-z][a-z0-9_]*", name)
        and any(re.sub(r"[-_.]+", "_", owner).lower() in locked for owner in owners)
    }
    assert len(names) > 50
    assert sorted(names - listed - locked - set(sys.stdlib_module_names)) == []


STRANGE = ['"""', "\\", "{ {", "'; x = 1 #", '\\"', "$(x) `y` %s", "<a&b>", "Ж 漢 é", "תוצאה 🎉", "بحث"]


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_names_come_out_as_they_are(generate: Generate, tmp_path: Path, strange: str) -> None:
    done = generate(
        tmp_path, project_name=f"A {strange} b", package_name="alpha", author=strange, extras="slurm"
    )
    assert done.returncode == 0, done.stderr
    (made,) = made_in(tmp_path)
    assert (made / "README.md").read_text(encoding="utf-8").startswith(f"# A {strange} b\n")
    assert f"Copyright (c) {strange}\n" in (made / "LICENSE").read_text(encoding="utf-8")
    assert tomllib.loads((made / "pyproject.toml").read_text())["project"]["name"] == made.name
    assert subprocess.run(["make"], cwd=made, capture_output=True).returncode == 0


def test_a_folder_that_exists_is_left_alone(generate: Generate, tmp_path: Path) -> None:
    (tmp_path / "my-experiment").mkdir()
    (tmp_path / "my-experiment" / "mine").write_text("mine")
    done = generate(tmp_path)
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert line == 'Error: "my-experiment" directory already exists'
    assert [path.name for path in (tmp_path / "my-experiment").iterdir()] == ["mine"]
    done = generate(tmp_path, "--overwrite-if-exists")
    assert done.returncode == 1
    assert done.stderr.startswith("samebits: the folder my-experiment is there and not empty")
    assert [path.name for path in (tmp_path / "my-experiment").iterdir()] == ["mine"]
