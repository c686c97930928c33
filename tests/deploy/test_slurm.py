"""deploy/slurm.sh, run for real.

What a cluster would bring, srun and apptainer, is a stand-in that tells how it was called.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT, copy_entrypoint, one_line

STAND_IN = """#!/bin/sh
[ -z "$SLURM_TEST_STATUS" ] || exit "$SLURM_TEST_STATUS"
case ${0##*/} in
    srun) exec "$@" ;;
    scontrol) echo "scontrol $*" ;;
    *) printf '%s\\n' "$@"; env | grep '^APPTAINERENV_' | sort ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that jobs are submitted from, with the stand-ins beside it."""
    (tmp_path / "bin").mkdir()
    for name in ("srun", "apptainer", "scontrol"):
        (tmp_path / "bin" / name).write_text(STAND_IN)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "clone").mkdir()
    return tmp_path / "clone"


def submit(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As Slurm does: a copy of the script, in a folder of Slurm's own."""
    spool = clone.parent / "slurm_script"
    shutil.copy(ROOT / "deploy/slurm.sh", spool)
    path = f"{clone.parent / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SLURM_SUBMIT_DIR": str(clone), "SLURM_TEST_STATUS": ""}
    for name in ("FRAMEWORK", "DEVICE", "NET", "RUNS", "JOBS", "CUDA_VISIBLE_DEVICES", "SAMEBITS_ENTRYPOINT"):
        environment.pop(name, None)
    environment |= {"SAMEBITS_THREADS": "", "SAMEBITS_ALLOW": "", **variables}
    return subprocess.run(
        [spool, *arguments], cwd=clone.parent, env=environment, capture_output=True, text=True
    )


def test_the_image_gets_the_command_and_the_variables(clone: Path) -> None:
    (clone / "samebits.sif").touch()
    variables = {"FRAMEWORK": "keras", "CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "64"}
    done = submit(clone, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert told[0] == "run"
    assert {"--nv", "--containall", f"{clone}:/workspace", "/workspace"} <= set(told)
    assert told[-3:] == [
        "samebits.sif",
        "APPTAINERENV_CUDA_VISIBLE_DEVICES=0",
        "APPTAINERENV_FRAMEWORK=keras",
    ]


def test_without_an_image_the_clone_runs_through_its_entrypoint(clone: Path) -> None:
    """Slurm's own thread count is replaced, in one line."""
    (clone / ".venv").mkdir()
    (clone / ".venv/.ready").touch()
    copy_entrypoint(clone)
    done = submit(clone, "sh", "-c", 'echo "$OMP_NUM_THREADS"; exit 7', OMP_NUM_THREADS="64")
    assert (done.returncode, done.stdout) == (7, "1\n")
    assert "OMP_NUM_THREADS (64 -> 1)" in one_line(done.stderr)


def test_the_status_is_the_jobs(clone: Path) -> None:
    (clone / "samebits.sif").touch()
    assert submit(clone, SLURM_TEST_STATUS="143").returncode == 143


def test_a_training_that_was_saved_goes_back_into_the_queue(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv/.ready").touch()
    (clone / "entrypoint").write_text('#!/bin/sh\nexit "$1"\n')
    (clone / "entrypoint").chmod(0o755)
    for status, said in ((75, "scontrol requeue 4711\n"), (1, ""), (143, "")):
        done = submit(clone, str(status), SLURM_JOB_ID="4711")
        assert (done.returncode, done.stdout) == (status, said)


def test_nothing_to_run_is_one_line(clone: Path) -> None:
    done = submit(clone)
    assert done.returncode == 2
    assert "make env" in one_line(done.stderr)


def test_several_tasks_are_refused_and_a_single_one_runs(clone: Path) -> None:
    (clone / "samebits.sif").touch()
    done = submit(clone, SLURM_NTASKS="2")
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).startswith("samebits: SLURM_NTASKS is 2, and a run is of one process: ")
    assert submit(clone, SLURM_NTASKS="1", SLURM_PROCID="0").returncode == 0


def test_slurm_reads_every_option() -> None:
    """Slurm ignores #SBATCH lines below the first command, and says nothing."""
    lines = (ROOT / "deploy/slurm.sh").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert options[-1] < first
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", lines[number]) for number in options)
    assert "#SBATCH --signal=TERM@120" in lines
