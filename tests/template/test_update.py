"""A later version of the template is taken over by `cruft update`; what the owner wrote stays."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started
from tests.template.conftest import commit, git


def cruft(folder: Path, *words: object) -> Started:
    """Run cruft as its user would, who has a name and no configuration."""
    somebody = {
        f"GIT_{who}_{what}": text
        for who in ("AUTHOR", "COMMITTER")
        for what, text in (("NAME", "Somebody"), ("EMAIL", "somebody@example.org"))
    }
    command = [ROOT / ".venv" / "bin" / "cruft", *words]
    environment = {**os.environ, **somebody, "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def write(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new))


@pytest.fixture
def two_versions(template: Path, tmp_path: Path) -> Path:
    """The template as a repository of its own, which a test can go on with."""
    return Path(shutil.copytree(template, tmp_path / "template", symlinks=True))


@pytest.mark.parametrize("framework", ["torch", "both"])
def test_an_update_brings_the_new_and_keeps_ones_own(
    two_versions: Path, tmp_path: Path, framework: str
) -> None:
    answers = json.dumps({"framework": framework, "package_name": "mine", "project_name": "Mine"})
    done = cruft(tmp_path, "create", two_versions, "--no-input", "--extra-context", answers)
    assert done.returncode == 0, done.stdout + done.stderr
    project = tmp_path / "mine"
    data, model = project / "src/mine/data.py", project / "src/mine/model_torch.py"
    data.write_text(data.read_text() + "\n\nMY_OWN = 1\n")
    model.write_text(model.read_text() + "\n\nMY_OWN_LAYERS = 2\n")
    commit(project, "What I made of it")

    write(two_versions / "requirements.lock", "\nrich==15.0.0 ", "\nrich==15.0.1 ")
    write(two_versions / "requirements.lock", "\ntensorflow==2.21.0 ", "\ntensorflow==2.21.1 ")
    entrypoint = two_versions / "entrypoint"
    entrypoint.write_text(entrypoint.read_text() + "# The new version's last line.\n")
    (two_versions / "docs" / "new.md").write_text("# New\n")
    settings = two_versions / "src/starter/settings.py"
    settings.write_text(settings.read_text() + "\n# of the new version\n")
    commit(two_versions, "A later version")

    assert cruft(project, "check").returncode == 1
    done = cruft(project, "update", "--skip-apply-ask")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MY_OWN = 1" in data.read_text()
    assert "MY_OWN_LAYERS = 2" in model.read_text()
    lock = (project / "requirements.lock").read_text()
    assert "\nrich==15.0.1 " in lock
    assert ("\ntensorflow==2.21.1 " in lock) == (framework == "both")
    assert "only:" not in lock
    assert (project / "entrypoint").read_text().endswith("# The new version's last line.\n")
    assert (project / "entrypoint").stat().st_mode & 0o111
    assert (project / "docs" / "new.md").is_file()
    assert (project / "src/mine/settings.py").read_text().endswith("# of the new version\n")
    assert not (project / "src" / "starter").exists()
    assert not list(project.rglob("*.rej"))
    changed = {line[3:] for line in git(project, "status", "--porcelain").splitlines()}
    by_hand = {"docs/new.md", "entrypoint", "requirements.lock", "src/mine/settings.py"}
    # golden.toml names the hashes of these files, where its entries were made with them.
    assert changed - {"golden.toml"} == {*by_hand, ".cruft.json"}
    commit(project, "The later version")
    assert cruft(project, "check").returncode == 0
