"""A generated project: small, of one piece with the starter, and without a trace of the template."""

import json
import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT
from tests.template.conftest import Generate, git

from template_files import FRAMEWORKS, PIN, TEMPLATE, stale, write

PACKAGE = "a_package_with_a_longish_name"
EXTRAS = {
    "notebook": "train.ipynb",
    "slurm": "slurm.sh",
    "kubernetes": "job.yaml",
    "devcontainer": ".devcontainer/devcontainer.json",
}


def files(folder: Path) -> dict[str, Path]:
    """All files below a folder, by their path in it."""
    return {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def texts(folder: Path) -> dict[str, str]:
    return {
        name: path.read_text(encoding="utf-8")
        for name, path in files(folder).items()
        if path.suffix != ".whl"
    }


def framework_of(project: Path) -> str:
    return project.name.rpartition("-")[2]


def frameworks_of(project: Path) -> set[str]:
    return set(FRAMEWORKS) if framework_of(project) == "both" else {framework_of(project)}


# ---------------------------------------------------------------- what is in it


def test_it_is_small(project: Path) -> None:
    assert len(files(project)) <= (20 if framework_of(project) != "both" else 22)
    assert sum(len(text.splitlines()) for text in texts(project).values()) < 1500


def test_what_is_in_it(project: Path) -> None:
    names = [""] if framework_of(project) != "both" else ["_torch", "_keras"]
    code = {f"{stem}{name}.py" for stem in ("model", "train") for name in names}
    code |= {"__init__.py", "data.py", "settings.py"}
    (wheel,) = (project / "vendor").iterdir()
    assert set(files(project)) == {
        *(f"src/{PACKAGE}/{name}" for name in code),
        *(".dockerignore", ".github/workflows/test.yml", ".gitignore", "Dockerfile", "LICENSE", "Makefile"),
        *("README.md", "conda-lock.yml", "entrypoint", "environment.yml", "golden.toml", "pyproject.toml"),
        *("requirements.lock", "tests/test_train.py", f"vendor/{wheel.name}"),
    }


def test_make_names_a_variable_or_a_framework_that_is_misspelt(project: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "FRAMEWORK"))}

    def make(*words: str, **variables: str) -> tuple[int, str]:
        command, environment = ["make", "help", *words], own | variables
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        return done.returncode, done.stderr

    known = sorted(frameworks_of(project), reverse=True)
    for framework in known:
        assert make(f"FRAMEWORK={framework}", "PROFILE=portable", "ARGS=--x") == (0, "")
    for word, says in (
        ("EPOCHS=2", "EPOCHS: no target reads this variable. Known: ARGS BASE "),
        ("FRAMEWORK=kerras", f"FRAMEWORK is 'kerras', must be {' or '.join(known)}.  Stop."),
    ):
        status, stderr = make(word)
        assert (status, len(stderr.splitlines())) == (2, 1)
        assert says in stderr
    assert make(EPOCHS="2") == (0, ""), "a variable of the shell is nobody's"
    assert make(MAKELEVEL="1", MAKEFLAGS=" -- EPOCHS=2") == (0, ""), "nor one of an outer Makefile"
    text = (project / "Makefile").read_text()
    named = set(re.findall(r"(?:\(| )([A-Z]{2,})=|\$\(if \$\(([A-Z]+)\)", text))
    options = (f"{name or other}={known[0]}" for name, other in named if name not in ("NAME", "COMMIT"))
    assert make(*options) == (0, "")


def test_its_code_is_the_starters(project: Path) -> None:
    """With one framework no file is named for it, and no import."""
    for path in (project / "src" / PACKAGE).iterdir():
        name, text = path.name, path.read_text()
        if framework_of(project) != "both" and path.stem in ("model", "train"):
            name = f"{path.stem}_{framework_of(project)}.py"
            text = text.replace("from .model import", f"from .model_{framework_of(project)} import")
        assert text == (ROOT / "src/starter" / name).read_text(), name


def test_it_names_no_framework_that_was_not_asked_for(project: Path) -> None:
    distributions = {"torch": ("torch", "triton"), "keras": ("tensorflow", "keras")}
    code = {name for name in files(project) if name.startswith("src/")}
    for other in set(FRAMEWORKS) - frameworks_of(project):
        for word in distributions[other]:
            naming = [name for name, text in texts(project).items() if re.search(rf"\b{word}", text.lower())]
            assert set(naming) <= code, (word, naming)  # the starter's settings are those of both


def test_nothing_is_left_of_the_template(project: Path) -> None:
    """What GitHub's workflows write as ${{ … }} is not there either."""
    for name, text in texts(project).items():
        assert not re.search(r"{{|{%|cookiecutter|\bstarter\b|only: (torch|keras|both|end)", text), name
    assert not (project / "choices").exists()


def test_it_does_not_speak_of_samebits_as_itself(project: Path) -> None:
    slogan = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["description"]
    assert not [name for name, text in texts(project).items() if slogan[:24] in text]
    assert "description" not in tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert tomllib.loads((project / "golden.toml").read_text()) == {"format": 2}


def test_other_programs_can_read_its_files(project: Path) -> None:
    own = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert own["name"] == project.name
    workflow = yaml.safe_load((project / ".github/workflows/test.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["make env", "make lint test"]
    for action in (step["uses"] for step in steps if "uses" in step):  # by commit, its version beside it
        assert re.search(rf"{re.escape(action)} # v\d", (project / ".github/workflows/test.yml").read_text())
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)


def test_it_is_clean_to_its_own_linters(project: Path) -> None:
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["samebits", "lint", "src"]):
        words = [
            ROOT / ".venv/bin" / command[0],
            *command[1:],
            *(["--no-cache"] if "ruff" in command else []),
        ]
        done = subprocess.run(words, cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_target_is_one_line_and_explained(project: Path) -> None:
    text = (project / "Makefile").read_text()
    recipes = re.findall(r"^([a-z./-]+):.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert all(recipe.count("\n") == 1 for _, recipe in recipes), recipes
    bare = {**os.environ, "FRAMEWORK": ""}  # as a Makefile hands on what it does not set
    helped = subprocess.run(
        ["make"], cwd=project, env=bare, capture_output=True, text=True, check=True
    ).stdout
    listed = re.findall(r"^  make ([a-z-]+) ", helped, re.MULTILINE)
    assert set(listed) == {name for name, _ in recipes} - {".venv/.ready"}
    assert "\t.PHONY" not in text
    assert set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()) == set(listed)


def test_the_readme_names_commands_that_are_there(project: Path) -> None:
    text = (project / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (project / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    assert len(re.findall(r"^```sh$", text, re.MULTILINE)) == 5
    for path in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE):
        assert (project / path).exists() or path == "runs/"


def test_its_links_lead_to_pages_that_are_there(project: Path) -> None:
    address = json.loads((ROOT / "cookiecutter.json").read_text())["__samebits"]
    links = re.findall(
        rf"\]\({re.escape(address)}/blob/main/([^)#]+)(?:#([^)]+))?\)", (project / "README.md").read_text()
    )
    assert len(links) == 4
    for page, anchor in links:
        headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in headings}


def test_the_licence_is_the_owners(project: Path) -> None:
    text = (project / "LICENSE").read_text()
    framework = framework_of(project)
    starts = {"torch": "BSD 3-Clause License", "keras": "Apache License", "both": "Copyright (c) Ada"}
    spdx = {"torch": "BSD-3-Clause", "keras": "Apache-2.0", "both": "LicenseRef-Proprietary"}
    assert text.strip().startswith(starts[framework])
    assert framework == "keras" or 'Copyright (c) Ada "Countess" O\'Lovelace\n' in text
    assert f"image.licenses={spdx[framework]} " in (project / "Dockerfile").read_text()


def test_the_lock_pins_the_wheel_that_is_there(project: Path) -> None:
    (wheel,) = (project / "vendor").iterdir()
    digest = subprocess.check_output(["sha256sum", wheel], text=True).split()[0]
    rows = [
        row for row in (project / "requirements.lock").read_text().splitlines() if not row.startswith("#")
    ]
    assert rows[0] == f"./vendor/{wheel.name} --hash=sha256:{digest}"
    assert not [row for row in rows[1:] if "vendor" in row]


def test_the_wheel_is_of_todays_code(project: Path) -> None:
    (wheel,) = (project / "vendor").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        for path in (ROOT / "src/samebits").rglob("*.py"):
            assert archive.read(str(path.relative_to(ROOT / "src"))) == path.read_bytes()


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("framework", ["keras", "both"])
def test_an_extra_is_one_file(generate: Generate, tmp_path: Path, framework: str, extra: str) -> None:
    for name, extras in {"with": extra, "without": "none"}.items():
        (tmp_path / name).mkdir()
        done = generate(tmp_path / name, framework=framework, extras=extras)
        assert done.returncode == 0, done.stderr
    made = {name: files(tmp_path / name / "my-experiment") for name in ("with", "without")}
    assert set(made["with"]) - set(made["without"]) == {EXTRAS[extra]}
    path = made["with"][EXTRAS[extra]]
    text = path.read_text()
    assert "cookiecutter" not in text
    module = "my_experiment.train_torch" if framework == "both" else "my_experiment.train"
    if extra != "devcontainer":
        assert re.search(rf"{re.escape(module)}\b", text)
    if extra == "notebook":
        json.loads(text)
    if extra == "kubernetes":
        assert [manifest["kind"] for manifest in yaml.safe_load_all(text)] == ["PersistentVolumeClaim", "Job"]
    if extra == "devcontainer":
        json.loads(re.sub(r"^\s*//.*", "", text, flags=re.MULTILINE))
    if extra == "slurm":
        assert path.stat().st_mode & 0o111 == 0o111
        assert subprocess.run([ROOT / ".venv/bin/shellcheck", path]).returncode == 0


def test_several_extras_are_separated_by_spaces_or_commas(generate: Generate, tmp_path: Path) -> None:
    assert generate(tmp_path, extras="slurm, notebook devcontainer,kubernetes").returncode == 0
    assert set(EXTRAS.values()) <= set(files(tmp_path / "my-experiment"))


# ---------------------------------------------------------------- the root and the template


def test_what_root_and_template_share_is_equal() -> None:
    assert stale(ROOT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "copy"),
    [
        ("src/starter/model_torch.py", "PyTorch", "Torch", "choices/torch/src/*/model.py"),
        ("src/starter/settings.py", "batch", "batches", "src/*/settings.py"),
        ("environment.yml", "torch==2.10.0", "torch==2.10.1", "environment.yml"),
        ("Dockerfile", "@sha256:1", "@sha256:2", "Dockerfile"),
        ("conda-lock.yml", "version: 0.12.5", "version: 0.12.6", "conda-lock.yml"),
    ],
)
def test_a_change_of_the_root_is_seen_and_copied(
    template: Path, tmp_path: Path, file: str, old: str, new: str, copy: str
) -> None:
    root = Path(shutil.copytree(template, tmp_path / "root"))
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    copies = {path.relative_to(root / TEMPLATE) for path in stale(root)}
    assert any(path.match(copy) for path in copies), copies
    assert set(write(root)) == {root / TEMPLATE / path for path in copies}
    assert stale(root) == []
    assert any(new in (root / TEMPLATE / path).read_text() for path in copies)


def test_every_package_of_the_root_is_in_one_kind_of_project(template: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(template, tmp_path / "root"))
    path = root / TEMPLATE / "environment.yml"
    path.write_text(re.sub(r"^ *- safetensors==.*\n", "", path.read_text(), flags=re.MULTILINE))
    with pytest.raises(Exception, match="must name the same packages: safetensors"):
        stale(root)


def test_the_template_has_no_links(template: Path) -> None:
    """A zip and Windows make text files of them."""
    entries = git(template, "ls-files", "-s", "-z").split("\0")
    assert [entry for entry in entries if entry.startswith("120000")] == []


def test_a_project_asks_for_what_its_framework_needs(project: Path) -> None:
    asked = {match["name"] for match in PIN.finditer((project / "environment.yml").read_text())}
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", (project / "requirements.lock").read_text(), re.MULTILINE))
    assert asked - {"python", "uv"} <= set(locked)
    assert ("torch" in asked) == ("torch" in frameworks_of(project))
    assert ("tensorflow" in asked) == ("keras" in frameworks_of(project))
    root = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {name: version for name, version in locked.items() if root.get(name, version) != version} == {}


def test_the_root_holds_what_a_newcomer_looks_for_and_no_more(template: Path) -> None:
    """What only developers or a release need has a folder: locks, docker, tools, docs."""
    names = {name.split("/")[0] for name in git(template, "ls-files", "-z").split("\0") if name}
    asked_for = "Dockerfile environment.yml conda-lock.yml Makefile entrypoint src tests README.md"
    also = "pyproject.toml requirements.lock determinism.env golden.toml LICENSE CITATION.cff CHANGELOG.md"
    also += " SECURITY.md setup.py"
    folders = "locks docker docs tools deploy notebooks cookiecutter.json hooks"
    seen = {name for name in names if not name.startswith((".", "{{"))}
    assert seen - {"examples"} == set(f"{asked_for} {also} {folders}".split())
