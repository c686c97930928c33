"""`samebits init` in other people's folders: what it writes, what it leaves, and that all of it works."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT, Started, one_line

SAMEBITS = Path(sys.executable).with_name("samebits")
FILES = ["entrypoint", "environment.yml", "Dockerfile", ".dockerignore", "Makefile", ".gitignore"]
SCRIPT = "import sys\n\nprint('trained', *sys.argv[1:])\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's git repository, with one script; its name is none that conda accepts."""
    folder = tmp_path / "a project"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    (folder / "fit.py").write_text(SCRIPT)
    return folder


def plain(**variables: str) -> dict[str, str]:
    """The environment of a shell in which nothing of samebits is active."""
    return {"PATH": "/usr/bin:/bin", "HOME": "/tmp", **variables}


def init(folder: Path, *words: str, **variables: str) -> Started:
    return subprocess.run(
        [SAMEBITS, "init", *words],
        cwd=folder,
        env=plain(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def actions(done: Started) -> dict[str, str]:
    assert (done.returncode, done.stderr) == (0, "")
    return {row["file"]: row["action"] for row in json.loads(done.stdout)}


def at_a_terminal(folder: Path, answer: str, *words: str) -> Started:
    """The same, with somebody at the keyboard."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    with os.fdopen(ours), os.fdopen(theirs) as terminal:
        return subprocess.run(
            [SAMEBITS, "init", *words],
            cwd=folder,
            env=plain(),
            stdin=terminal,
            stderr=terminal,
            stdout=subprocess.PIPE,
            text=True,
        )


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".git/" not in str(path))
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# ---------------------------------------------------------------- what it writes


def test_it_says_what_it_did_and_what_it_says_next_runs(project: Path) -> None:
    done = init(project)
    assert (done.returncode, done.stderr) == (0, "")
    first, *rows = done.stdout.partition("\n\nnext:\n")[0].splitlines()
    assert first == f"in {project}:"
    assert [row.split()[:2] for row in rows] == [[file, "written"] for file in FILES]
    assert {path.name for path in project.iterdir()} == {*FILES, "fit.py", ".git"}
    commands = re.findall(r"^  (.*?)(?:  +#.*)?$", done.stdout.partition("next:\n")[2], re.MULTILINE)
    assert commands[0] == f"export PATH={SAMEBITS.parent}:$PATH"
    assert commands[1:] == ["./entrypoint samebits doctor", "./entrypoint python fit.py"]
    typed = subprocess.run(
        ["sh", "-c", "\n".join([commands[0], commands[2], "make -s train ARGS=twice", "make -s lint"])],
        cwd=project, env=plain(), capture_output=True, text=True,
    )  # fmt: skip
    assert (typed.returncode, typed.stderr) == (0, "")
    assert typed.stdout == "trained\ntrained twice\nAll checks passed!\n"


def test_a_second_time_changes_nothing(project: Path) -> None:
    assert set(actions(init(project, "--json")).values()) == {"written"}
    before = content(project)
    assert set(actions(init(project, "--json", "--force")).values()) == {"unchanged"}
    assert content(project) == before


def test_a_dry_run_writes_nothing(project: Path) -> None:
    before = content(project)
    done = init(project, "--dry-run")
    assert done.returncode == 0
    assert f"in {project}, where nothing was written (--dry-run):" in done.stdout
    assert set(actions(init(project, "--dry-run", "--force", "--json")).values()) == {"written"}
    assert content(project) == before


def test_it_works_in_a_folder_that_is_no_project(tmp_path: Path) -> None:
    """Also from a checkout, which otherwise stands in for a project that is not there."""
    assert list(actions(init(tmp_path, "--json"))) == FILES
    assert "there is no train.py: " in init(tmp_path).stdout


def test_within_a_project_it_asks_which(project: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    done = init(inner)
    assert done.returncode == 2
    assert list(inner.iterdir()) == []
    there, here = re.findall(r"`([^`]*)`", one_line(done.stderr))
    for command in (there, here):
        shell = plain(PATH=f"{SAMEBITS.parent}:/usr/bin:/bin")
        subprocess.run(command, shell=True, cwd=inner, env=shell, check=True, capture_output=True)
    assert set(FILES) <= {path.name for path in project.iterdir()}
    assert {path.name for path in inner.iterdir()} == set(FILES)


def test_the_entrypoint_takes_venv_then_path(project: Path, tmp_path: Path) -> None:
    init(project, "entrypoint")
    done = subprocess.run(
        [project / "entrypoint", "true"], cwd="/", env=plain(), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"no samebits in {project}/.venv or on PATH" in one_line(done.stderr)
    ask = [project / "entrypoint", "sh", "-c", "echo $SAMEBITS_ROOT"]
    activated = plain(PATH=f"{SAMEBITS.parent}:/usr/bin:/bin")
    assert subprocess.check_output(ask, cwd="/", env=activated, text=True) == f"{project}\n"
    (project / ".venv").symlink_to(SAMEBITS.parents[1])  # an editable install
    assert subprocess.check_output(ask, cwd="/", env=plain(), text=True) == f"{project}\n"


def test_in_a_project_that_has_it_all_nothing_is_needed() -> None:
    done = init(ROOT, "--force")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{ROOT} has locks and an entrypoint already: nothing is needed\n"
    assert init(ROOT, "--json").stdout == "[]\n"


# ---------------------------------------------------------------- environment.yml


def distribution(site: Path, name: str, version: str, *needs: str, **files: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {need}" for need in needs)]
    (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *metadata, ""]))
    for file, text in files.items():
        (folder / file.replace("_json", ".json")).write_text(text)


def test_what_is_installed_is_pinned_and_what_no_index_has_is_named(project: Path, tmp_path: Path) -> None:
    site, url = tmp_path / "site", "https://somebody:secret@example.org/x"
    distribution(site, "zz_chosen", "2.1+cpu", "zz-needed>1", 'zz-elsewhere; sys_platform == "win32"')
    distribution(site, "zz_needed", "3.0", 'zz-more; extra == "more"')
    distribution(site, "zz_elsewhere", "1.0")
    distribution(site, "zz_git", "1.0", direct_url_json=json.dumps(
        {"url": url, "vcs_info": {"vcs": "git", "commit_id": "abc"}}))  # fmt: skip
    distribution(
        site, "zz_link", "1.0", direct_url_json='{"url": "file:///a", "dir_info": {"editable": true}}'
    )
    distribution(site, "zz_file", "1.0", direct_url_json=f'{{"url": "{url}.whl", "archive_info": {{}}}}')
    distribution(site, "zz_damaged", "1.0", direct_url_json="{")
    distribution(
        site, "zz_conda", "1.0", direct_url_json='{"url": "file:///a", "dir_info": {}}', INSTALLER="conda\n"
    )
    distribution(site, "zz_of_no_version", "no")
    init(project, "environment.yml", PYTHONPATH=str(site))
    text = (project / "environment.yml").read_text()
    assert "secret" not in text
    assert "file:" not in text
    told = yaml.safe_load(text)
    assert told["name"] == "a-project"
    python, pip, rows = told["dependencies"]
    assert (python, pip) == (f"python={sys.version.split()[0]}", "pip")
    ours = [row for row in rows["pip"] if row.startswith("zz-")]
    assert ours == ["zz-chosen==2.1", "zz-conda==1.0", "zz-elsewhere==1.0", "zz-needed==3.0"]
    assert "      - zz-chosen==2.1  # here 2.1+cpu, of a special index\n" in text
    chosen, needed = text.split("# what these need\n")
    assert "- zz-elsewhere==" in chosen
    assert "- zz-needed==" in needed
    assert re.findall(r"^      #   (zz-.*)$", text, re.MULTILINE) == [
        "zz-damaged 1.0: from somewhere that its direct_url.json does not say",
        "zz-file 1.0: from a file",
        "zz-git 1.0: from git, commit abc",
        "zz-link 1.0: linked to its source",
        "zz-of-no-version no: its version is not one",
    ]
    assert [row for row in rows["pip"] if row.startswith("numpy==")]

    dockerfile = (init(project, "Dockerfile"), (project / "Dockerfile").read_text())[1]
    (program,) = re.findall(r"sed -n '(.*)' /tmp/build/environment.yml", dockerfile)
    command = ["sed", "-n", program, "environment.yml"]
    assert subprocess.check_output(command, cwd=project, text=True).splitlines() == rows["pip"]


# ---------------------------------------------------------------- what is there already


def test_without_a_terminal_files_stay_and_it_says_so(project: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\n")
    (project / ".gitignore").write_text("*.pyc")
    (project / "entrypoint").mkdir()
    before = content(project)
    done = init(project, "--json")
    assert actions(done) == {**dict.fromkeys(FILES, "written"), "Dockerfile": "kept", ".gitignore": "kept",
                             "entrypoint": "kept"}  # fmt: skip
    assert before.items() <= content(project).items()
    for hint in re.findall(r"`samebits ([^`]*)`", done.stdout):
        assert set(actions(init(project, *hint.split()[1:], "--json")).values()) <= {"replaced", "added to"}
    assert (project / "Dockerfile.before").read_text() == "FROM scratch\n"
    assert (project / ".gitignore").read_text() == "*.pyc\nruns/\n"


@pytest.mark.parametrize(("answer", "replaced"), [("y\ny\n", True), ("n\nn\n", False), ("\n\n", False)])
def test_at_a_terminal_it_asks(project: Path, answer: str, replaced: bool) -> None:
    (project / "Dockerfile").write_text("FROM scratch\n")
    (project / ".gitignore").write_text("*.pyc\n")
    done = at_a_terminal(project, answer, "--json")
    assert actions(subprocess.CompletedProcess([], done.returncode, done.stdout, "")) == {
        **dict.fromkeys(FILES, "written"),
        "Dockerfile": "replaced" if replaced else "kept",
        ".gitignore": "added to" if replaced else "kept",
    }
    assert ((project / "Dockerfile").read_text() == "FROM scratch\n") is not replaced
    assert (project / ".gitignore").read_text() == "*.pyc\n" + "runs/\n" * replaced


def test_yes_adds_and_does_not_replace_and_no_copy_is_lost(project: Path) -> None:
    (project / ".gitignore").write_bytes(b"\xff.bin\n")
    (project / ".gitignore").chmod(0o600)
    for number in (1, 2):
        (project / "Dockerfile").write_text(f"FROM scratch:{number}\n")
        assert actions(init(project, "--yes", "--json"))["Dockerfile"] == "kept"
        assert actions(init(project, "--force", "--json"))["Dockerfile"] == "replaced"
    assert (project / "Dockerfile.before").read_text() == "FROM scratch:1\n"
    assert (project / "Dockerfile.before-2").read_text() == "FROM scratch:2\n"
    assert (project / ".gitignore").read_bytes() == b"\xff.bin\nruns/\n"
    assert (project / ".gitignore").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["Makefile", "makefile", "GNUmakefile"])
def test_a_makefile_stays_and_the_lines_that_are_printed_complete_it(project: Path, name: str) -> None:
    (project / name).write_text("train:\n\t@echo mine\n")
    done = init(project, "--force")
    lines = re.search(rf"lines to add to {name}, as it is yours:\n\n(.*?)\n\nnext:", done.stdout, re.DOTALL)
    assert lines is not None
    assert (project / name).read_text() == "train:\n\t@echo mine\n"
    with (project / name).open("a") as file:
        file.write(f"\n{lines[1]}\n")
    assert actions(init(project, "--json"))[name] == "unchanged"
    shell = plain(PATH=f"{SAMEBITS.parent}:/usr/bin:/bin")
    made = subprocess.run(
        ["make", "-s", "train", "samebits-train"], cwd=project, env=shell, capture_output=True, text=True
    )
    assert (made.returncode, made.stdout, made.stderr) == (0, "mine\ntrained\n", "")


# ---------------------------------------------------------------- where it cannot


def test_wrong_use_is_one_line(project: Path) -> None:
    assert "'setup.py' is not one of" in one_line(init(project, "setup.py").stderr)
    done = init(Path("/proc"))  # nobody can write there, root neither
    assert done.returncode == 2
    assert "cannot write /proc/" in one_line(done.stderr)


@pytest.mark.parametrize("theirs", ["entrypoint", "Dockerfile"])
def test_what_cannot_be_completed_leaves_all_as_it_was(project: Path, theirs: str) -> None:
    """A disk with room for the small files only: after `entrypoint` it is full."""
    (project / theirs).write_text("mine\n")
    (project / ".gitignore").write_text("*.pyc\n")
    before = content(project)
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 1 && exec '{SAMEBITS}' init --force"],
        cwd=project, env=plain(PYTHONDONTWRITEBYTECODE="1"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot write" in one_line(done.stderr)
    assert content(project) == before
    assert {path.name for path in project.iterdir()} == {"fit.py", theirs, ".gitignore", ".git"}
