"""A later version of the template comes by the commands of docs/template.md; what the owner wrote stays."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.conftest import CACHES, FRAMEWORKS, ROOT, Started
from tests.template.conftest import commit, git, renew_wheel

PAGE = (ROOT / "docs/template.md").read_text()
SOMEBODY = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "Somebody"), ("EMAIL", "somebody@example.org"))
}
THICK = "a95580aaffc455858182842adc7935f13829439b"  # the last commit whose template is the repository itself


def run(folder: Path, *words: object, **variables: str) -> Started:
    """Run cruft or a shell as its user would, who has a name and no configuration."""
    environment = {**os.environ, **CACHES, **SOMEBODY, "HOME": str(folder), **variables}
    environment["PATH"] = f"{ROOT}/.venv/bin:{environment['PATH']}"
    return subprocess.run(
        [str(word) for word in words], cwd=folder, env=environment, capture_output=True, text=True
    )


def write(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new))


@pytest.fixture
def two_versions(template: Path, tmp_path: Path) -> Path:
    """The template as a repository of its own, which a test can change."""
    return Path(shutil.copytree(template, tmp_path / "template", symlinks=True))


def create(template: Path, folder: Path, **answers: str) -> Path:
    """A project that cruft made, and what its owner changed in it."""
    given = json.dumps({"package_name": "mine", "project_name": "Mine", **answers})
    done = run(folder, "cruft", "create", template, "--no-input", "--extra-context", given)
    assert done.returncode == 0, done.stdout + done.stderr
    project = folder / "mine"
    data = project / "src/mine/data.py"
    data.write_text(data.read_text() + "\n\nMY_OWN = 1\n")
    write(project / "environment.yml", "      - setuptools==", "      - pandas==3.0.0\n      - setuptools==")
    write(project / "requirements.lock", "\nnumpy==", "\npandas==3.0.0 --hash=sha256:0\nnumpy==")
    commit(project, "What I made of it")
    return project


def change(template: Path) -> None:
    """A later version: another samebits, another package, one more line in settings.py and in entrypoint."""
    folder = template / "{{cookiecutter.__slug}}"
    package = template / "src/samebits/__init__.py"
    package.write_text(package.read_text().replace('__version__ = "', '__version__ = "9.'))
    for path in (folder / "choices").glob("*/requirements.lock"):
        write(path, "\nrich==15.0.0 ", "\nrich==15.0.1 ")
    write(folder / "environment.yml", "matplotlib==3.11.2", "matplotlib==3.11.3")
    with (folder / "entrypoint").open("a") as file:
        file.write("# The new version's last line.\n")
    with (folder / "src/{{cookiecutter.package_name}}/settings.py").open("a") as file:
        file.write("\n# of the new version\n")
    commit(template, "A later version")
    renew_wheel(template)
    commit(template, "Its wheel")


def test_the_documented_update_brings_the_new_and_keeps_ones_own(two_versions: Path, tmp_path: Path) -> None:
    project = create(two_versions, tmp_path, framework="torch")
    lock = (project / "requirements.lock").read_text()
    change(two_versions)

    commands = re.findall(
        r"^    (cruft \w+.*?)(?: +#.*)?$", PAGE.partition("## A later version")[2], re.MULTILINE
    )
    check, update = (command.split() for command in commands)
    assert run(project, *check).returncode == 1
    done = run(project, *update)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "MY_OWN = 1" in (project / "src/mine/data.py").read_text()
    environment = (project / "environment.yml").read_text()
    assert "matplotlib==3.11.3" in environment
    assert "pandas==3.0.0" in environment
    assert (project / "requirements.lock").read_text() == lock  # made anew, and not merged
    assert (project / "entrypoint").read_text().endswith("# The new version's last line.\n")
    assert (project / "entrypoint").stat().st_mode & 0o111
    assert (project / "src/mine/settings.py").read_text().endswith("# of the new version\n")
    (wheel,) = (project / "vendor").iterdir()
    assert wheel.name.startswith("samebits-9.")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
    assert not list(project.rglob("*.rej"))
    changed = {line[3:] for line in git(project, "status", "--porcelain").splitlines() if " -> " not in line}
    assert changed - {f"vendor/{wheel.name}"} == {
        *(".cruft.json", "entrypoint", "environment.yml", "src/mine/settings.py"),
        *(line for line in changed if line.startswith("vendor/samebits-")),
    }
    commit(project, "The later version")
    assert run(project, *check).returncode == 0


def test_the_same_version_with_other_bytes_is_taken_over_too(two_versions: Path, tmp_path: Path) -> None:
    project = create(two_versions, tmp_path, framework="keras")
    (before,) = (project / "vendor").iterdir()
    old = before.read_bytes()
    with (two_versions / "src/samebits/errors.py").open("a") as file:
        file.write("\n# later\n")
    commit(two_versions, "A fix")
    renew_wheel(two_versions)
    commit(two_versions, "Its wheel")
    done = run(project, "cruft", "update", "--skip-apply-ask")
    assert done.returncode == 0, done.stdout + done.stderr
    (after,) = (project / "vendor").iterdir()
    (made,) = (two_versions / "{{cookiecutter.__slug}}/vendor").iterdir()
    assert after.read_bytes() == made.read_bytes() != old


def test_a_conflict_is_marked_in_the_file(two_versions: Path, tmp_path: Path) -> None:
    project = create(two_versions, tmp_path, framework="torch")
    write(project / "src/mine/settings.py", '"AdamW\'s step size"', '"mine"')
    commit(project, "My own words")
    settings = two_versions / "{{cookiecutter.__slug}}/src/{{cookiecutter.package_name}}/settings.py"
    write(settings, '"AdamW\'s step size"', '"theirs"')
    commit(two_versions, "Other words")
    run(project, "cruft", "update", "--skip-apply-ask")
    text = (project / "src/mine/settings.py").read_text()
    assert re.search(r"<<<<<<<.*\n.*mine.*\n=======\n.*theirs.*\n>>>>>>>", text)
    git(project, "reset", "--hard")  # as the page says it
    assert git(project, "status", "--porcelain") == ""
    assert '"mine"' in (project / "src/mine/settings.py").read_text()


# The commands of the page are the same for both.
OTHERS = [pytest.param(framework, marks=pytest.mark.slow) for framework in FRAMEWORKS[1:]]


@pytest.mark.parametrize("framework", [FRAMEWORKS[0], *OTHERS])
def test_a_project_of_the_former_template_moves_over(template: Path, tmp_path: Path, framework: str) -> None:
    """By the commands of the page. With this checkout's packages its training gives the hash that it gave."""
    if subprocess.run(["git", "-C", ROOT, "cat-file", "-e", f"{THICK}^{{commit}}"]).returncode:
        pytest.skip("this clone has not the commit of the former template: it is a shallow one")
    thick = tmp_path / "thick"
    git(tmp_path, "clone", "--quiet", "--shared", str(ROOT), str(thick))
    git(thick, "checkout", "--quiet", THICK)
    answers = f"framework={framework}"
    done = run(tmp_path, "cookiecutter", "--no-input", "--default-config", thick, answers)
    assert done.returncode == 0, done.stderr
    old = tmp_path / "my-experiment"
    commit(old, "As it was made")
    write(old / "src/my_experiment/data.py", "rng.normal(0, 0.05,", "rng.normal(0, 0.06,")
    write(old / "README.md", "# My Experiment\n", "# Mine\n")
    commit(old, "What I made of it")
    training = (
        "SAMEBITS_ROOT=$PWD PYTHONPATH=$PWD/src {}/entrypoint python -m my_experiment.train{} --epochs 1"
    )
    before = run(old, "sh", "-euc", training.format("src/samebits", f"_{framework}"))

    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.partition("## Moving over")[2], re.DOTALL)
    assert "https://github.com/OWNER/samebits" in block
    script = block.replace("torch", framework)
    create = f"{template} --no-input --extra-context '{json.dumps({'framework': framework})}'"
    script = script.replace("https://github.com/OWNER/samebits", create)
    assert script.count("make train ") == 1
    script = script.replace("make train ", training.format(ROOT / "src/samebits", "") + " ")
    done = run(tmp_path, "sh", "-euc", script)
    assert done.returncode == 0, done.stdout + done.stderr
    hashes = [re.findall("^sha256 ([0-9a-f]{64})", train.stdout, re.MULTILINE) for train in (before, done)]
    assert len(hashes[0]) == 1, before.stderr
    assert hashes[0] == hashes[1]
    moved = tmp_path / "moved/my-experiment"
    assert git(moved, "status", "--porcelain") == ""
    assert len(git(moved, "log", "--oneline").splitlines()) == 3
    assert (moved / "README.md").read_text().startswith("# Mine\n")
    assert "rng.normal(0, 0.06," in (moved / "src/my_experiment/data.py").read_text()
    assert not (moved / "src/my_experiment/train_torch.py").exists()
    names = set(git(moved, "ls-files").splitlines())
    assert len(names) <= 22
    assert not [name for name in names if name.startswith("src/samebits")]
