"""A generated project is this repository under other names, less what was not asked for; and nothing else."""

import difflib
import hashlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT
from tests.template.conftest import Generate, git

PACKAGE = "a_package_with_a_longish_name"
# The template's own files and tests.
STAYS_BEHIND = {
    "CHANGELOG.md",
    "cookiecutter.json",
    "hooks/post_gen_project.py",
    "docs/library.md",
    "hooks/pre_gen_project.py",
    "docs/template.md",
    "setup.py",
    "tests/template/conftest.py",
    "tests/template/test_only.py",
    "tests/template/test_project.py",
    "tests/template/test_update.py",
    "tests/template/test_use.py",
    "tests/test_wheel.py",
    "tests/tools/test_bench.py",
    "tests/tools/test_supported.py",
    "tools/bench.py",
    "tools/plain_torch.py",
    "tools/supported.py",
    "tools/wheel.py",
}
# What belongs to one framework, and stays behind where it was not asked for.
OF_FRAMEWORK = {
    framework: re.compile(
        rf"src/samebits/{framework}/.*|tests/samebits/{framework}/.*"
        rf"|src/samebits/proof/(controls/plain|hazards)_{framework}\.py"
        rf"|src/samebits/proof/portable/{framework}_operations\.py"
        rf"|src/starter/(model|train)_{framework}\.py"
        rf"|notebooks/train_{framework}\.ipynb|docs/resume_{framework}\.md"
    )
    for framework in ("torch", "keras")
}
# In these files every project lacks the template's own lines.
SHORTENED = {
    "Makefile",
    "README.md",
    "locks/requirements-dev.lock",
    "pyproject.toml",
    "requirements.lock",
    "src/samebits/entrypoint",
    "tests/test_readme.py",
    "tools/proof.py",
}
# In these a project of one framework lacks lines as well. Every other file has all its lines, but for names.
SHORTENED_FOR_ONE = {
    ".github/workflows/test.yml",
    "deploy/apptainer.def",
    "docs/notebook.md",
    "docs/process.md",
    "docs/resume.md",
    "environment.yml",
    "tests/conftest.py",
    "tests/image/test_image.py",
    "tests/samebits/proof/portable/test_images.py",
    "tests/samebits/proof/portable/test_proof.py",
    "tests/samebits/fingerprint/test_cpu.py",
    "tests/samebits/test_lazy.py",
    "tests/samebits/process/test_check.py",
    "tests/samebits/rng/test_seeds.py",
    "tests/samebits/process/test_variables.py",
    "tests/starter/test_train.py",
    "tests/test_cuda_libraries.py",
    "tests/test_entrypoint.py",
}
# In these, so many lines hold the project's, the author's or the licence's name.
NAMED = {
    ".devcontainer/devcontainer.json": 2,
    ".github/workflows/image.yml": 1,
    "CITATION.cff": 3,
    "Dockerfile": 2,
    "README.md": 2,
    "deploy/apptainer.def": 5,
    "deploy/compose.yaml": 2,
    "deploy/job.yaml": 5,
    "deploy/slurm.sh": 3,
    "docs/clusters.md": 4,
    "docs/container.md": 16,
    "pyproject.toml": 3,
    "tests/deploy/test_engines.py": 1,
    "tests/deploy/test_slurm.py": 3,
    "tests/image/test_devcontainer.py": 1,
}
# Other files altogether: the owner's licence, and golden.toml, which names the project's files; see below.
REMADE = {"LICENSE", "golden.toml"}
NEW = {"src/samebits/LICENSE"}  # samebits' own licence, where the project has its owner's


def files(folder: Path) -> dict[str, Path]:
    """All files below a folder, by their path in it."""
    return {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def framework_of(project: Path) -> str:
    return project.name.rpartition("-")[2]


def expected(template: Path, project: Path) -> set[str]:
    """The root's files that the project must have, under the root's names."""
    names = set(git(template, "ls-files", "-z").split("\0")) - {""}
    templated = {name for name in names if name.startswith("{{")}
    others = {"torch", "keras"} - {framework_of(project)} if framework_of(project) != "both" else set()
    left = {name for name in names if any(OF_FRAMEWORK[other].fullmatch(name) for other in others)}
    assert names >= STAYS_BEHIND, STAYS_BEHIND - names
    return names - templated - STAYS_BEHIND - left


def in_project(name: str) -> str:
    """Where a file of the root is in the project."""
    return re.sub(r"^(src|tests)/starter/", rf"\1/{PACKAGE}/", name)


def test_it_has_the_roots_files_and_no_others(template: Path, project: Path) -> None:
    assert set(files(project)) == {in_project(name) for name in expected(template, project)} | NEW


def test_its_files_are_the_roots_but_for_names(template: Path, project: Path) -> None:
    shortened = SHORTENED if framework_of(project) == "both" else SHORTENED | SHORTENED_FOR_ONE
    differences = {}
    for name in sorted(expected(template, project) - REMADE):
        root, own = template / name, project / in_project(name)
        assert root.stat().st_mode == own.stat().st_mode, name
        before = re.sub(
            r"\bstarter(?=[./]\w|/?\"|/)|(?<=src/)starter\b|(?<=from )starter\b", PACKAGE, root.read_text()
        )
        marks = re.compile(r"[ \t]*(?:#|//|<!--) only: [a-z ]+(?: -->)?$")
        lines = [marks.sub("", line) for line in before.splitlines()]
        changes = [
            change
            for change in difflib.ndiff(lines, own.read_text().splitlines())
            if change[0] in "+-" and change[2:].strip()
        ]
        added = [change for change in changes if change[0] == "+"]
        removed = [change for change in changes if change[0] == "-"]
        if len(added) != NAMED.get(name, 0) or (name not in shortened and len(removed) != len(added)):
            differences[name] = changes
    assert not differences


def test_the_golden_hashes_are_the_roots_and_name_the_projects_own_files(
    template: Path, project: Path
) -> None:
    before, after = (tomllib.loads((folder / "golden.toml").read_text()) for folder in (template, project))
    frameworks = ("torch", "keras") if framework_of(project) == "both" else (framework_of(project),)
    assert list(after) == ["format", *(name for name in before if name.startswith(frameworks))]
    del after["format"]
    for name, entry in after.items():
        assert entry["weights_sha256"] == before[name]["weights_sha256"]
        facts = entry["fingerprint"]
        places = {fact: project / "src" / fact.partition(".files.")[2] for fact in facts if ".files." in fact}
        places |= {fact: project / fact.partition(".")[2] for fact in facts if fact.startswith("locks.")}
        assert len(places) == 7
        was = before[name]["fingerprint"]
        for fact, path in places.items():
            own = fact.replace(f".files.{path.parent.name}/", ".files.starter/")
            file = template / path.relative_to(project).as_posix().replace(
                f"src/{path.parent.name}/", "src/starter/"
            )
            # What another kind of machine made with older code has that code's hash: it stays.
            is_todays = was[own] == hashlib.sha256(file.read_bytes()).hexdigest()
            now = hashlib.sha256(path.read_bytes()).hexdigest()
            assert facts[fact] == (now if is_todays else was[own]), fact


def test_nothing_reminds_of_the_template(project: Path) -> None:
    other = {"torch": "keras", "keras": "torch"}.get(framework_of(project))
    for name, path in files(project).items():
        text = path.read_text()
        assert not re.search(r"(#|//|<!--) only: (torch|keras|both|template|end)", text), name
        assert not re.search(r"\bstarter\.(train|data|model|settings)|src/starter", text), name
        if other and name in ("README.md", "Makefile", "environment.yml", ".github/workflows/test.yml"):
            assert other not in re.sub(r"^ *#.*", "", text.lower(), flags=re.MULTILINE), name


def test_every_top_level_name_is_linked_or_stays_behind(template: Path) -> None:
    """A new file at the root reaches the projects when it is linked, which is easily forgotten."""
    names = {name.split("/")[0] for name in git(template, "ls-files", "-z").split("\0") if name}
    (templated,) = (name for name in names if name.startswith("{{"))
    for link in (template / templated).iterdir():
        if link.name != "licences":
            assert link.readlink() == Path("..", ".gitignore" if link.name == "gitignore" else link.name)
            assert link.exists(), f"{link.name} leads nowhere"
    links = {"." * (link.name == "gitignore") + link.name for link in (template / templated).iterdir()}
    stay = {name for name in STAYS_BEHIND if "/" not in name} | {"hooks", templated}
    assert links - {"licences"} == names - stay


def test_the_root_holds_what_a_newcomer_looks_for_and_no_more(template: Path) -> None:
    """What only developers or a release need has a folder: locks, docker, tools, docs."""
    names = {name.split("/")[0] for name in git(template, "ls-files", "-z").split("\0") if name}
    asked_for = "Dockerfile environment.yml conda-lock.yml Makefile entrypoint src tests README.md"
    also = "pyproject.toml requirements.lock determinism.env golden.toml LICENSE CITATION.cff CHANGELOG.md"
    also += " SECURITY.md setup.py"
    folders = "locks docker docs tools deploy notebooks cookiecutter.json hooks"
    seen = {name for name in names if not name.startswith((".", "{{"))}
    assert seen == set(f"{asked_for} {also} {folders}".split())


def test_the_licence_is_the_owners_and_samebits_keeps_its_own(template: Path, project: Path) -> None:
    text = (project / "LICENSE").read_text()
    framework = framework_of(project)
    starts = {"torch": "BSD 3-Clause License", "keras": "Apache License", "both": "Copyright (c) Ada"}
    assert text.strip().startswith(starts[framework])
    assert framework == "keras" or 'Copyright (c) Ada "Countess" O\'Lovelace\n' in text
    assert (project / "src/samebits/LICENSE").read_text() == (template / "LICENSE").read_text()
    licence = tomllib.loads((project / "pyproject.toml").read_text())["project"]["license"]
    spdx = {"torch": "BSD-3-Clause", "keras": "Apache-2.0", "both": "LicenseRef-Proprietary"}
    assert licence == spdx[framework]


def test_the_same_answers_give_the_same_project(generate: Generate, tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        assert generate(tmp_path / place).returncode == 0
    made = [tmp_path / place / "my-experiment" for place in ("one", "two")]
    assert subprocess.run(["diff", "-r", *made]).returncode == 0


def test_every_question_has_a_default(generate: Generate, tmp_path: Path) -> None:
    done = generate(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout == "my-experiment: a samebits project. Next: cd my-experiment && git init && make train\n"
    )
    assert (tmp_path / "my-experiment" / "src" / "my_experiment" / "train_torch.py").is_file()
    assert not (tmp_path / "my-experiment" / "src" / "samebits" / "keras").exists()


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
        ({"project_name": "PyTorch", "package_name": "torch"}, "the package name torch is taken"),
        ({"project_name": "9 lives"}, 'the package name "9_lives" cannot be imported'),
        ({"project_name": "Keras", "package_name": "alpha"}, 'project name "Keras" is that of a package'),
        (
            {"project_name": "Safe Tensors", "package_name": "safetensors"},
            "package name safetensors is taken",
        ),
        ({"project_name": "Pytest", "package_name": "alpha"}, 'project name "Pytest" is that of a package'),
        ({"package_name": "opt_einsum"}, "the package name opt_einsum is taken"),
        ({"package_name": "yaml"}, "the package name yaml is taken"),
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
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".cookiecutter")] == []


def test_no_package_takes_the_name_of_what_is_imported() -> None:
    """Every name that something installed here is imported by is refused: by a list, or by the locks."""
    hook = (ROOT / "hooks/pre_gen_project.py").read_text()
    listed = set(hook.partition('NAMES = """')[2].partition('"""')[0].split())
    text = (ROOT / "requirements.lock").read_text() + (ROOT / "locks/requirements-dev.lock").read_text()
    locked = {re.sub(r"[-_.]+", "_", name).lower() for name in re.findall(r"^([\w.-]+)==", text, re.M)}
    names = {
        name for name in importlib.metadata.packages_distributions() if re.fullmatch("[a-z][a-z0-9_]*", name)
    }
    assert sorted(names - listed - locked - set(sys.stdlib_module_names)) == []


@pytest.mark.parametrize(
    "strange", ['"""', "\\", "{ {", "'; x = 1 #", '\\"', "$(x) `y` %s", "<a&b>", "Ж 漢 é"]
)
def test_strange_names_come_out_as_they_are(generate: Generate, tmp_path: Path, strange: str) -> None:
    done = generate(tmp_path, project_name=f"A {strange} b", package_name="alpha", author=strange)
    assert done.returncode == 0, done.stderr
    (made,) = (path for path in tmp_path.iterdir() if not path.name.startswith(".cookiecutter"))
    assert (made / "README.md").read_text().startswith(f"# A {strange} b\n")
    assert f"Copyright (c) {strange}\n" in (made / "LICENSE").read_text()
    assert yaml.safe_load((made / "CITATION.cff").read_text())["authors"] == [{"name": strange}]
    assert tomllib.loads((made / "pyproject.toml").read_text())["project"]["name"] == made.name


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
