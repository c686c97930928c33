"""`samebits add`: environment.yml, the lock and the environment have the package, or nothing has changed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.conftest import ROOT, one_line
from tests.packages import served
from tests.samebits.lock.conftest import Project

from samebits.bootstrap.environment_yml import read
from samebits.errors import UsageError
from samebits.lock.edit import added


def test_the_newest_that_fits_is_written_locked_and_installed(thin: Project) -> None:
    """more 2.0 needs another tiny; loner is locked already, by what needs it."""
    thin.make_environment()
    before = thin.text("environment.yml")
    done = thin.run("add", "more", "Loner<2")
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1]
        == "more==1.1, loner==1.5: in environment.yml, requirements.lock and .venv"
    )
    new = "      - more==1.1\n      - loner==1.5\n"
    assert thin.text("environment.yml") == before.replace("# small\n", f"# small\n{new}")
    assert thin.rows() == ["./vendor/ours-1.0-py3-none-any.whl", "loner==1.5", "more==1.1", "tiny==1.0"]
    assert thin.python("import more; print(more.VERSION)") == "1.1\n"
    assert thin.run("lock", "--check").returncode == 0
    assert thin.make_environment() == ""  # nothing is left to do


def test_a_version_and_another_conda_half(thin: Project) -> None:
    """What the conda half asks for, and no channel answers, is no reason not to add a wheel."""
    thin.make_environment()
    thin.edit("- conda-forge", "- http://127.0.0.1:9/conda-forge")
    done = thin.run("add", "more==1.0")
    assert done.returncode == 0, done.stderr
    assert "more==1.0" in thin.rows()
    assert "environment.yml is newer than conda-lock.yml: run `make lock`" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["no-such-thing"], 2, "no-such-thing: there is no package of this name on http://127.0.0.1"),
        (["more", "nothing==1"], 2, "nothing: there is no package of this name"),
        (["more==9"], 2, "more==9: there is no such version on http://127.0.0.1"),
        (["stranger"], 1, "stranger does not fit tiny==1.0 of environment.yml: "),
        (["more==2.0"], 1, "more==2.0 does not fit tiny==1.0 of environment.yml: "),
        (["sourceonly"], 2, "sourceonly has no wheel for this project's Python and platform"),
        (["sourceonly==1.0"], 2, "sourceonly==1.0 has no wheel for this"),
        (["tiny"], 2, "tiny is in environment.yml already, as tiny==1.0: "),
        (["Tiny==2.0"], 2, "tiny is in environment.yml already, as tiny==1.0: "),
        (["ours"], 2, "ours is in environment.yml already, as ./vendor/ours-1.0-py3-none-any.whl: "),
        (["more", "more==1.0"], 2, "more is asked for twice"),
        (["./vendor/ours-1.0-py3-none-any.whl"], 2, "is a file, expected a package's name: put its wheel"),
        (["notes.txt"], 2, "notes.txt is a file, expected a package's name"),
        (["https://example.org/more-1.0-py3-none-any.whl"], 2, "is an address, expected a package's name"),
        (["more>"], 2, "`more>` is not a package: expected NAME or NAME==VERSION"),
        (["more; python_version<'3'"], 2, "has more than a version: expected NAME"),
        ([], 2, "Missing argument 'PACKAGE...'"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    thin: Project, words: list[str], status: int, says: str
) -> None:
    (thin.folder / "notes.txt").touch()
    before = thin.files()
    done = thin.run("add", *words)
    assert done.returncode == status, done.stderr
    assert says in one_line(done.stderr)
    assert thin.files() == before


def test_an_index_that_does_not_answer_changes_nothing(thin: Project) -> None:
    before = thin.files()
    done = thin.run("add", "more", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", UV_NO_CACHE="1")
    assert done.returncode == 1
    assert "asked was http://127.0.0.1:9/simple" in one_line(done.stderr)
    assert thin.files() == before


def test_an_environment_that_cannot_be_made_changes_nothing(thin: Project) -> None:
    """The wheel is listed and not there: solved it is, and not installed."""
    thin.make_environment()
    before = thin.files()
    for wheel in (thin.folder.parent / "served/pypi/more").glob("*.whl"):
        wheel.unlink()
    done = thin.run("add", "more==1.0", UV_NO_CACHE="1")
    assert done.returncode == 1
    assert "environment.yml and the locks are as they were" in done.stderr.splitlines()[-1]
    assert thin.files() == before
    assert thin.make_environment() == ""  # and .venv is ready


def test_ctrl_c_changes_nothing(thin: Project) -> None:
    """While the wheels are fetched; what was ready is so still."""
    thin.make_environment()
    before, waiting = thin.files(), thin.folder.parent / "waiting"
    uv = thin.folder / ".venv-uv/bin/uv"
    real = uv.readlink()
    uv.unlink()
    stub = f'case "$*" in *"pip sync"*) touch {waiting}; exec sleep 3 ;; *) exec {real} "$@" ;; esac'
    uv.write_text(f"#!/bin/sh\n{stub}\n")
    uv.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-m", "samebits", "add", "more"],
        cwd=thin.folder,
        env={**os.environ, "UV_DEFAULT_INDEX": thin.index, "PYTHON": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # `pytest &` ignores it
    ) as started:
        for _ in range(600):
            if waiting.exists():
                break
            time.sleep(0.05)
        assert "more==1.1" in thin.text("environment.yml")
        os.killpg(started.pid, signal.SIGINT)
        assert started.stderr
        said = started.stderr.read()
        assert started.wait(20) == 130
    assert said.splitlines()[-1] == "samebits: interrupted"
    assert thin.files() == before
    uv.unlink()
    uv.symlink_to(real)
    assert thin.make_environment() == ""


def test_an_edit_meanwhile_is_not_lost(thin: Project) -> None:
    """Somebody's editor saves environment.yml while packages are solved for."""

    def asked(path: str) -> None:
        if path.startswith("/pypi/more/") and "# ours" in thin.text("environment.yml"):
            thin.edit("# ours", "# mine")

    with served(thin.folder.parent / "served", asked) as address:
        done = thin.run("add", "more", UV_DEFAULT_INDEX=f"{address}/pypi")
    assert done.returncode == 1
    assert "environment.yml was changed while this ran" in done.stderr
    assert "# mine" in thin.text("environment.yml")
    assert "more" not in thin.text("environment.yml") + thin.text("requirements.lock")


def test_dry_run_and_json(thin: Project) -> None:
    before = thin.files()
    done = thin.run("add", "more", "--dry-run", "--json")
    change = {"name": "more", "old": None, "new": "1.1"}
    assert json.loads(done.stdout) == {"locks": {"requirements.lock": [change]}, "decides_bits": []}
    assert thin.files() == before


# ---------------------------------------------------------------- environment.yml, edited


@pytest.mark.parametrize(
    "text",
    [
        (ROOT / "environment.yml").read_text(),
        "dependencies:\n- pip:\n  - a==1\n",
        "dependencies:\n- pip:\n- uv=1\n",
        "dependencies:\n  - pip:\n      - a==1  # why\n\n      # a remark\n  # another\n  - uv=1\nname: b",
        "dependencies:\n  - pip:\n      - a==1",
    ],
)
def test_an_entry_more_moves_no_other_line(text: str) -> None:
    after = added(text, ["new==1", "newer==2"])
    lines = after.splitlines()
    assert [line for line in lines if "new" not in line or line in text] == text.splitlines()
    before = read(text)
    assert read(after) == {**before, "pip": [*before["pip"], "new==1", "newer==2"]}


def test_without_a_list_it_is_said_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"write `- new==1` into its `pip:` list by hand"):
        added("dependencies:\n  - uv=1\n", ["new==1"])
