"""The files that a team expects: they agree with each other and with the project."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, tracked

from samebits import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def files() -> list[str]:
    """The files of text that git has or would have."""
    return [name for name in tracked() if (ROOT / name).is_file() and not name.endswith(".whl")]


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
        "indent_style": any("\t" in one for one in indents) and Path(name).name != "Makefile",
    }
    return [rule for rule, broken in wrong.items() if broken]


def test_every_file_is_as_editorconfig_has_it() -> None:
    found = {name: faults(name, (ROOT / name).read_bytes()) for name in files()}
    assert {name: rules for name, rules in found.items() if rules} == {}


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
