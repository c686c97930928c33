"""The command: what it prints, its exit statuses, the processes that it sees."""

import json

import pytest
from tests.conftest import ROOT, one_line

UNSEEDED = "import random\nrandom.Random().random()\n"
SEEDED = "import random\nprint(random.Random(3).random())\n"
CHILDREN = """
import multiprocessing, os, subprocess, sys
import numpy as np

def draw(_):
    return np.random.default_rng().random()

def kept(_):
    return rng.random()

if __name__ == "__main__":
    rng = np.random.default_rng()
    subprocess.run([sys.executable, "child.py"], check=True)
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            pool.map(draw, range(8))
            pool.close()
            pool.join()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(kept, range(2))
        pool.close()
        pool.join()
"""


def test_it_names_and_says_nothing_else(start, tmp_path):
    (tmp_path / "unseeded.py").write_text(UNSEEDED)
    (tmp_path / "seeded.py").write_text(SEEDED)
    done = start("samebits", "watch", "--", "python", "unseeded.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[1].split() == [
        *("random.Random()", "without", "a", "seed", "unseeded.py:2", "1", "random.Random(seed)")
    ]
    done = start("samebits", "watch", "--strict", "python", "unseeded.py", cwd=tmp_path)
    assert done.returncode == 1
    assert one_line(done.stderr) == "samebits: no seed decides 1 of the sources of chance that were used"
    done = start("samebits", "watch", "--strict", "--", "python", "seeded.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["no chance was used that no seed decides"]


def test_the_exit_status_is_the_commands(start, tmp_path):
    done = start("samebits", "watch", "--", "python", "-c", "raise SystemExit(7)", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.endswith("decides, until the command ended with status 7\n")
    done = start("samebits", "watch", "--json", "python", "-c", "print('its own')", cwd=tmp_path)
    assert (json.loads(done.stdout), done.stderr) == ([], "its own\n")
    done = start("samebits", "watch", "--", "true", cwd=tmp_path)
    assert done.returncode == 2
    assert "no process was watched: `true` started no Python" in one_line(done.stderr)


def test_children_are_watched_however_they_are_started(watched, tmp_path):
    (tmp_path / "child.py").write_text(UNSEEDED)
    named = {row["where"]: row["count"] for row in watched(CHILDREN)}
    # `draw` runs 8 times in each of two pools; what the parent made and a worker used is there once.
    assert named == {"child.py:2": 1, "train.py:6": 16, "train.py:12": 1}


def test_isolated_python_is_watched_and_one_without_site_is_named(watched, start, tmp_path):
    (tmp_path / "child.py").write_text(UNSEEDED)
    script = "import subprocess, sys\nsubprocess.run([sys.executable, '-I', 'child.py'], check=True)\n"
    assert [row["where"] for row in watched(script)] == ["child.py:2"]
    done = start("samebits", "watch", "--", "python", "-S", "child.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "or it started Python with -S; this is " in one_line(done.stderr)


def test_the_users_own_sitecustomize_runs(start, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('its own')\n")
    (tmp_path / "one.py").write_text(UNSEEDED)
    allowed = {"PYTHONPATH": str(tmp_path), "SAMEBITS_ALLOW": "PYTHONPATH"}
    done = start("samebits", "watch", "--", "python", "one.py", cwd=tmp_path, **allowed)
    assert "its own\n" in done.stdout, done.stderr
    assert "one.py:2" in done.stdout


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "another project"])
def test_a_process_that_is_watched_is_as_it_was_without(start, tmp_path, elsewhere):
    """A second entrypoint leaves it alone, a run's check accepts it, and no manifest has it."""
    ask = "from samebits.process import check, started\n"
    ask += "print(started.variables()['PYTHONPATH'], check.faults(), started.replaced())"
    inside = [ROOT / "entrypoint"]
    if elsewhere:  # the folder that watches is none of its own
        (tmp_path / "pyproject.toml").touch()
        inside = ["env", "-u", "SAMEBITS_ROOT", ROOT / "src/samebits/entrypoint"]
    command = ("samebits", "watch", "--", *inside, "python", "-c", ask)
    done = start(*command, cwd=tmp_path, PYTHONPATH=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["None [] []", "no chance was used that no seed decides"]
