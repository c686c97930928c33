"""The files that a team expects: they agree with each other and with the project."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, Started, tracked

from samebits import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def make(*words: str, **variables: str) -> Started:
    """What make says in the repository, as from a shell that no make was in."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=ROOT, env=own | variables, capture_output=True, text=True)


def test_a_variable_that_no_target_reads_is_named() -> None:
    done = make("train", "FRAMEWROK=keras", "EPOCHS=2", "ARGS=--epochs 1")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "*** FRAMEWROK EPOCHS: no target reads this variable. Known: ARGS BASE " in line.replace(
        "EPOCHS FRAMEWROK", "FRAMEWROK EPOCHS"
    )
    assert make("help", FRAMEWROK="keras", CI="true").returncode == 0, "a variable of the shell is nobody's"
    assert make("help", MAKELEVEL="1", MAKEFLAGS=" -- V=1").returncode == 0, "nor one of an outer Makefile"


def test_make_knows_each_variable_that_its_help_and_its_recipes_name() -> None:
    text = (ROOT / "Makefile").read_text()
    assigned = set(re.findall(r"^([A-Z_]+) [?:]?=", text, re.MULTILINE)) - {
        "DOCKER",
        "FRAMEWORK",
        "ARGS",
        "IMAGE",
        "PYTHON",
        "CONDA",
    }
    named = set(re.findall(r"\b([A-Z_]{2,})=|\$\(([A-Z_]+)\)", text))
    names = (
        {name or other for name, other in named}
        - assigned
        - {"CURDIR", "MAKEFILE_LIST", "MAKELEVEL", "NAME", "ADDRESS"}
    )
    assert {"ARGS", "FRAMEWORK", "PACKAGE", "KILLS", "REGISTRY"} <= names
    done = make("help", *(f"{name}=1" for name in sorted(names)))
    assert (done.returncode, done.stderr) == (0, "")


def test_help_begins_with_what_a_newcomer_needs() -> None:
    listed = re.findall(r"^  make ([a-z-]+)  ", make().stdout, re.MULTILINE)
    assert listed[:3] == ["train", "smoke", "test"]
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(targets), "each once"


def files() -> list[str]:
    """The files of text that git has: no scratch file."""
    return [name for name in tracked(new=False) if (ROOT / name).is_file() and not name.endswith(".whl")]


def with_comments(path: str) -> Any:
    """JSON whose comments have lines of their own, as editors accept it."""
    return json.loads(re.sub(r"^\s*//.*", "", (ROOT / path).read_text(), flags=re.MULTILINE))


def faults(name: str, content: bytes) -> list[str]:
    """What in a file is not as .editorconfig has it."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return ["charset"]
    lines = text.split("\n")
    indents = {line[: len(line) - len(line.lstrip(" \t"))] for line in lines}
    wrong = {
        "end_of_line": "\r" in text,
        "insert_final_newline": bool(text) and not text.endswith("\n"),
        "trim_trailing_whitespace": any(line != line.rstrip() for line in lines),
        "indent_style": any("\t" in indent for indent in indents) and Path(name).name != "Makefile",
    }
    return [rule for rule, broken in wrong.items() if broken]


def test_every_file_is_as_editorconfig_has_it() -> None:
    broken = {name: faults(name, (ROOT / name).read_bytes()) for name in files()}
    assert {name: rules for name, rules in broken.items() if rules} == {}


@pytest.mark.parametrize(
    ("rule", "content"),
    [
        ("charset", b"\xff\n"),
        ("end_of_line", b"a\r\n"),
        ("insert_final_newline", b"a"),
        ("trim_trailing_whitespace", b"a \n"),
        ("indent_style", b"\ta\n"),
    ],
)
def test_the_rules_are_those_of_editorconfig(rule: str, content: bytes) -> None:
    assert rule in faults("any.py", content)
    text = (ROOT / ".editorconfig").read_text()
    assert rule in text.partition("[*]")[2].partition("\n\n")[0]


def test_the_editors_line_is_ruffs() -> None:
    length = PROJECT["tool"]["ruff"]["line-length"]
    assert f"\nmax_line_length = {length}\n" in (ROOT / ".editorconfig").read_text()
    assert with_comments(".vscode/settings.json")["[python]"]["editor.rulers"] == [length]


def test_a_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = PROJECT["project"]
    assert (citation["title"], citation["version"], citation["license"], citation["abstract"]) == (
        project["name"],
        project.get("version", __version__),
        project["license"],
        project["description"],
    )
    assert citation["authors"][0]["name"] in (ROOT / "LICENSE").read_text()


def test_the_same_extensions_inside_and_outside() -> None:
    inside = with_comments(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"]
    assert inside == with_comments(".vscode/extensions.json")["recommendations"]


def test_the_editor_goes_through_entrypoint() -> None:
    settings = with_comments(".vscode/settings.json")
    profile = settings["terminal.integrated.profiles.linux"][
        settings["terminal.integrated.defaultProfile.linux"]
    ]
    assert profile == {"path": "${workspaceFolder}/entrypoint", "args": ["shell"]}
    assert settings["python.envFile"] == "${workspaceFolder}/.venv/entrypoint.env"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_trusts_little(workflow: Path) -> None:
    """Actions by commit, the version beside it; nothing may be written but the image, on main only."""
    text = workflow.read_text()
    for action in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    told = yaml.safe_load(text)
    assert set(told["permissions"].values()) <= {"read"}
    assert told["concurrency"]["group"]
    for job in told["jobs"].values():
        may_write = {name for name, right in job.get("permissions", {}).items() if right == "write"}
        assert may_write <= {"packages"}
        assert not may_write or job["if"] == "github.event_name == 'push'"
    assert told[True]["push"]["branches"] == ["main"]  # YAML 1.1 reads `on` as true


def test_the_gpu_job_is_off_until_there_is_a_runner() -> None:
    gpu = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["gpu"]
    assert gpu["if"].startswith("vars.GPU_RUNNER != '' && ")
    assert gpu["runs-on"] == "${{ vars.GPU_RUNNER }}"
    assert gpu["env"]["DEVICE"] == "cuda"
    assert {"make smoke", "make docker-smoke"} <= {step.get("run") for step in gpu["steps"]}
