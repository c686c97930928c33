"""A manifest names the code that ran: the user's, wherever it lies, and samebits' own beside it."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, Started, one_line

from samebits.fingerprint import code_state
from samebits.fingerprint.git import git

Start = Callable[..., Started]

# It opens a run as any script does, and ends it at once: what the manifest says of code is looked at.
SCRIPT = """
import json, sys
import helper
from samebits.fingerprint.code_state import Code
code = Code()
import later
json.dump(code.facts(), sys.stdout)
"""


def commit(folder: Path, *names: str) -> str:
    somebody = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "--force", *names), (*somebody, "commit", "-q", "-m", "more")):
        assert git(folder, *words) is not None
    return git(folder, "rev-parse", "HEAD") or ""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def make_project(place: Path) -> Path:
    """A script with two modules beside it, in no repository yet."""
    folder = place / "wine"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    (folder / "helper.py").write_text("STEPS = 5\n")
    (folder / "later.py").write_text("EPOCHS = 2\n")
    return folder


def told(start: Start, *command: object, cwd: Path, **variables: str | None) -> dict[str, Any]:
    done = start("python", *command, cwd=cwd, **variables)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


GENERATES = """
import sys, tempfile
from pathlib import Path
made = tempfile.TemporaryDirectory()
Path(made.name, "made_here.py").write_text("")
sys.path += [made.name, sys.argv[1]]
import made_here, before
"""


def test_code_that_the_process_writes_itself_is_not_the_users(
    start: Start, project: Path, tmp_path: Path
) -> None:
    """torch 2.8 writes a module into a folder of a new name at each import: its runs were never verified."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "before.py").write_text("")
    (project / "train.py").write_text(GENERATES + SCRIPT)
    commit(project, "train.py", "helper.py", "later.py")
    facts = told(start, "train.py", str(other), cwd=project, TMPDIR=str(tmp_path))
    assert set(facts["files"]) == {"helper.py", "later.py", "train.py", str(other / "before.py")}
    (project / "train.py").write_text(GENERATES.replace("made_here, before", "made_here") + SCRIPT)
    commit(project, "train.py")
    assert told(start, "train.py", str(other), cwd=project, TMPDIR=str(tmp_path))["dirty"] is False


def test_a_script_of_another_repository_is_told_by_its_own_commit(start: Start, project: Path) -> None:
    made = commit(project, "train.py", "helper.py", "later.py")
    facts = told(start, "train.py", cwd=project)
    assert (facts["folder"], facts["script"]) == (".", "train.py")
    assert (facts["commit"], facts["dirty"], facts["diff"]) == (made, False, None)
    names = ("helper.py", "later.py", "train.py")
    assert facts["files"] == {name: sha256(project / name) for name in names}
    (project / "helper.py").write_text("STEPS = 6\n")
    (project / "runs").mkdir()
    (project / "runs" / "old.log").write_text("what a run leaves is no code")
    facts = told(start, "train.py", cwd=project)
    assert (facts["commit"], facts["dirty"]) == (made, True)
    assert len(facts["diff"]) == 64
    git(project, "checkout", "helper.py")
    assert told(start, project / "train.py", cwd=project.parent)["dirty"] is False, "runs/ is no code"


def test_a_hooks_variables_do_not_lead_to_another_repository(start: Start, project: Path) -> None:
    made = commit(project, "train.py", "helper.py", "later.py")
    assert told(start, "train.py", cwd=project, GIT_DIR=str(ROOT / ".git"))["commit"] == made


def test_code_that_git_ignores_is_not_of_the_commit(start: Start, project: Path) -> None:
    (project / ".gitignore").write_text("later.py\n")
    commit(project, "train.py", "helper.py", ".gitignore")
    facts = told(start, "train.py", cwd=project)
    assert facts["dirty"] is True
    assert facts["files"]["later.py"] == sha256(project / "later.py")


def test_outside_of_any_repository_the_hashes_are_told(start: Start, project: Path) -> None:
    facts = told(start, "train.py", cwd=project)
    assert (facts["commit"], facts["dirty"], facts["diff"]) == (None, None, None)
    assert sorted(facts["files"]) == ["helper.py", "later.py", "train.py"]
    # A package that is started by its name, a module that lies beside the package, and another place.
    package = project / "package" / "inner"
    package.mkdir(parents=True)
    (package / "run.py").write_text(SCRIPT)
    facts = told(start, "-m", "package.inner.run", cwd=project)
    assert (facts["folder"], facts["script"]) == (".", "package/inner/run.py")
    assert sorted(facts["files"]) == ["helper.py", "later.py", "package/inner/run.py"]


def test_what_is_typed_in_belongs_to_the_working_folder(start: Start, project: Path) -> None:
    made = commit(project, "helper.py")
    facts = told(start, "-c", SCRIPT.replace("import later", ""), cwd=project)
    assert (facts["commit"], facts["dirty"], facts["script"]) == (made, True, None), "train.py is new"
    assert list(facts["files"]) == ["helper.py"]


def test_the_commit_of_an_image_is_that_of_its_own_code(start: Start, project: Path) -> None:
    image = {"SAMEBITS_COMMIT": "c" * 40 + "-dirty"}
    made = commit(project, "train.py", "helper.py", "later.py")
    facts = told(start, "train.py", cwd=project, **image)
    assert (facts["commit"], facts["dirty"]) == (made, False)
    assert facts["samebits"]["commit"] == "c" * 40 + "-dirty"
    own = "from samebits.fingerprint.code_state import Code; import json; print(json.dumps(Code().facts()))"
    facts = told(start, "-c", own, cwd=ROOT, **image)
    assert (facts["commit"], facts["dirty"]) == ("c" * 40, True)


def test_the_toolkit_is_told_by_its_files(tmp_path: Path) -> None:
    own = code_state.own()
    assert own["version"] == "0.1.0"
    assert own["sha256"] == code_state._hash_of_python(ROOT / "src" / "samebits")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.py").write_text("1")
    first = code_state._hash_of_python(tmp_path)
    (tmp_path / "a" / "one.pyc").write_text("1")
    assert code_state._hash_of_python(tmp_path) == first
    os.rename(tmp_path / "a" / "one.py", tmp_path / "a" / "two.py")
    assert code_state._hash_of_python(tmp_path) != first


# ---------------------------------------------------------------- a run, and its repetition

TRAINING = """
from dataclasses import dataclass
import torch
import helper
import samebits, samebits.torch

@dataclass(frozen=True)
class Settings:
    seed: int = samebits.option(0, "seed")

def train(settings):
    samebits.torch.make_deterministic()
    with samebits.open_run(settings, framework="torch") as run:
        with run.stream("initialisation"):
            model = torch.nn.Linear(2, 1)
        run.finish(model)

samebits.main(train, Settings)
"""


@pytest.fixture(scope="module")
def committed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a script that its commit has."""
    project = make_project(tmp_path_factory.mktemp("committed"))
    (project / "train.py").write_text(TRAINING)
    commit(project, "train.py", "helper.py")
    (project / "later.py").unlink()
    run(start, project)
    return project


@pytest.fixture
def trained(committed: Path, tmp_path: Path) -> Path:
    """The same, for one test."""
    return Path(shutil.copytree(committed, tmp_path / "wine"))


def run(start: Start, project: Path) -> dict[str, Any]:
    done = start("python", "train.py", cwd=project)
    assert done.returncode == 0, done.stderr
    manifest: dict[str, Any] = json.loads((project / "runs" / "torch" / "manifest.json").read_text())
    return manifest


def test_verify_in_another_repository(start: Start, trained: Path) -> None:
    manifest = run(start, trained)
    commit_ = git(trained, "rev-parse", "HEAD")
    code = manifest["code"]
    assert (code["commit"], code["dirty"]) == (commit_, False), "runs/ changes nothing"
    assert "git" not in manifest
    done = start("samebits", "verify", "runs/torch", cwd=trained)
    assert done.returncode == 0, done.stdout + done.stderr
    (trained / "helper.py").write_text("STEPS = 6\n")
    refused = start("samebits", "verify", "runs/torch", cwd=trained)
    assert refused.returncode == 2
    said = one_line(refused.stderr)
    assert f"was made on commit {(commit_ or '')[:12]} as it is, and files here differ" in said
    assert " from it (helper.py): " in said
    assert f"(helper.py): commit them, then `git checkout {(commit_ or '')[:12]}` gives" in said
    anyway = start("samebits", "verify", "--anyway", "runs/torch", cwd=trained)
    assert anyway.returncode == 0, anyway.stderr
    (line,) = [line for line in anyway.stdout.splitlines() if line.startswith("same bits: ")]
    assert "; the code is other code (helper.py); the environment is the same" in line
    commit(trained, "helper.py")
    refused = start("samebits", "verify", "runs/torch", cwd=trained)
    assert refused.returncode == 2, "on another commit"
    assert f"`git checkout {(commit_ or '')[:12]}` gives it" in one_line(refused.stderr)
    outside = start("samebits", "verify", trained / "runs" / "torch", cwd=trained.parent)
    assert "is no git checkout of it" in one_line(outside.stderr)


def test_verify_does_not_mind_files_that_the_run_never_imported(start: Start, trained: Path) -> None:
    made = (git(trained, "rev-parse", "HEAD") or "")[:12]
    (trained / "notes.txt").write_text("no commit has it")
    done = start("samebits", "verify", "runs/torch", cwd=trained)
    assert done.returncode == 0, done.stdout + done.stderr
    first, *_, verdict = done.stdout.splitlines()
    assert first == f"the run imported the same files; other files differ from commit {made} (notes.txt)"
    assert verdict.endswith("; the environment is the same")
    commit(trained, "notes.txt")  # another commit, and a file that differs from it, too
    (trained / "more.txt").write_text("")
    wrong = json.loads((trained / "runs" / "torch" / "manifest.json").read_text())
    wrong["weights_sha256"] = "a" * 64  # so that the verdict is a bad one
    (trained / "manifest.json").write_text(json.dumps(wrong))
    failed = start("samebits", "verify", "manifest.json", cwd=trained)
    assert failed.returncode == 1
    assert f"; other files differ from commit {made} (manifest.json, more.txt, notes.txt) (" in failed.stderr


def test_verify_outside_of_any_repository(start: Start, trained: Path) -> None:
    subprocess.run(["rm", "-r", trained / ".git"], check=True)
    assert run(start, trained)["code"]["commit"] is None
    unknown = start("samebits", "verify", "runs/torch", cwd=trained)
    assert unknown.returncode == 2, "no commit says that the script is its user's"
    assert "--command 'python train.py' runs it" in one_line(unknown.stderr)
    command = ("samebits", "verify", "--command", "python train.py", "runs/torch")
    done = start(*command, cwd=trained)
    assert done.returncode == 0, done.stdout + done.stderr
    (trained / "helper.py").write_text("STEPS = 6\n")
    refused = start(*command, cwd=trained)
    assert refused.returncode == 2
    assert "was made by other code than is in " in one_line(refused.stderr)
    assert " (helper.py): --anyway" in one_line(refused.stderr)


def test_golden_refuses_code_that_no_commit_has(start: Start, trained: Path) -> None:
    (trained / "helper.py").write_text("STEPS = 6\n")
    run(start, trained)
    done = start("samebits", "golden", "runs/torch", cwd=trained)
    assert done.returncode == 2
    assert "'s code differs from commit " in one_line(done.stderr)
