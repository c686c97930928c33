"""Each proof, on a real training with a fault, ends with where and why, and a command that says more."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Started
from tests.samebits.diff.test_runs import WEIGHTS, finished
from tests.samebits.fingerprint.test_golden import manifest

from samebits.diff.place import Place
from samebits.diff.records import Result
from samebits.proof.trainings import Training
from samebits.proof.why import Why, between, why

pytest.importorskip("torch")
Start = Callable[..., Started]
NOTHING = Result(None, "", (), 0, "", {}, ())


def test_the_paths_follow_the_folder_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = Why(Path("runs/torch"), Path("runs/.verify-1/repetition"), NOTHING)
    moved = said.moved(Path("runs/.verify-1"), Path("runs/verify-1"))
    assert moved.more.endswith("samebits diff runs/torch runs/verify-1/repetition")
    assert said.moved(Path("runs/.verify-1"), None).more.endswith("diff runs/torch runs/.verify-1/repetition")


def test_one_command_says_more() -> None:
    place = Place("gradient", 3, "step 3, gradient of `0.weight`")
    result = Result(place, "", (), 2, "", {}, (), more=("samebits record --values 3:3 -- python train.py",))
    said = list(Why(Path("runs/a"), Path("runs/b"), result).lines())
    assert said[0] == "first difference: step 3, gradient of `0.weight`"
    assert [line for line in said if "samebits record" in line] == []
    assert said[-1].endswith("samebits diff runs/a runs/b` says more")


def test_what_cannot_be_compared_has_no_verdict(tmp_path: Path) -> None:
    assert between(tmp_path / "a", tmp_path / "b") is None


def test_runs_that_are_the_same_have_no_verdict(tmp_path: Path) -> None:
    """A trial of resume-proof may fail for another reason than its bits."""
    first, again, other = (Training(name, ["python"], tmp_path / name) for name in "abc")
    for training, weights in ((first, WEIGHTS), (again, WEIGHTS), (other, WEIGHTS + 1)):
        finished(training.folder, manifest(), weights=weights)
    assert why(first, again) is None
    assert why(first, other) is not None


@pytest.fixture
def place(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).with_name("failing.py"), tmp_path)
    return tmp_path


def said(done: Started, place: Path) -> str:
    """What the command that a failed proof names prints."""
    assert done.returncode == 1, done.stdout + done.stderr
    command = next(line for line in done.stdout.splitlines() if line.endswith("` says more")).split("`")[1]
    more = subprocess.run(shlex.split(command), cwd=place, capture_output=True, text=True)
    assert more.returncode == 1, more.stderr
    return more.stdout


@pytest.mark.slow
def test_smoke_says_which_step_and_which_line(start: Start, place: Path) -> None:
    done = start("samebits", "smoke", "--no-resume", "python", "failing.py", cwd=place, FAULT="noise")
    assert "\nfirst difference: step 1 (epoch 1), the batch: weights and generators equal\n" in done.stdout
    assert re.search(
        r"^1\. a seed from time\.time_ns\(\) for torch \(failing\.py:\d+\)$", done.stdout, re.MULTILINE
    )
    assert said(done, place).startswith("first difference: step 1 (epoch 1), the batch: ")


@pytest.mark.slow
def test_smoke_says_after_which_step_state_was_lost(start: Start, place: Path) -> None:
    done = start("samebits", "smoke", "--json", "python", "failing.py", cwd=place, FAULT="forgets")
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["repeats"], told["resumes"]) == (True, False)
    place_ = told["verdict"]["first_difference"]
    assert (place_["what"], place_["step"]) == ("learning rate", told["resumed_after"] + 1)
    assert told["verdict"]["causes"][0]["kind"] == "resume"


@pytest.mark.slow
def test_verify_says_what_differs_from_the_run(start: Start, place: Path) -> None:
    made = start("python", "failing.py", "--run", "runs/one", cwd=place, FAULT="data")
    assert made.returncode == 0, made.stderr
    command = ("samebits", "verify", "--command", "python failing.py", "runs/one")
    done = start(*command, cwd=place, FAULT="data")
    assert "\nfirst difference: step 1, the batch: weights and generators equal\n" in done.stdout
    assert re.search(
        r"^1\. a seed from time\.time_ns\(\) for torch \(failing\.py:\d+\)$", done.stdout, re.MULTILINE
    )
    assert said(done, place).startswith("first difference: step 1, the batch: ")


@pytest.mark.slow
def test_matrix_says_of_a_trial_what_differs(start: Start, place: Path) -> None:
    done = start("samebits", "matrix", "--only", "process", "python", "failing.py", cwd=place, FAULT="noise")
    text = "first difference: step 1, parameter `0.weight` (and "
    assert f"\nprocess: another one:\n{text}" in done.stdout
    assert said(done, place).startswith(text)
    (trial,) = json.loads((place / "runs/matrix/matrix.json").read_text())["trials"]
    assert trial["verdict"]["first_difference"]["step"] == 1


@pytest.mark.slow
def test_resume_proof_says_after_which_step_state_was_lost(start: Start, place: Path) -> None:
    command = ("samebits", "resume-proof", "--kills", "0", "--only", "stop", "python", "failing.py")
    done = start(*command, cwd=place, FAULT="forgets")
    assert "\nfirst difference: step " in done.stdout
    assert "1. the checkpoint does not hold the schedule's state" in done.stdout
    assert "unsaved and changing: rate.steps (int, " in done.stdout
    assert said(done, place).startswith("first difference: step ")


@pytest.mark.parametrize("command", ["resume-proof"])
def test_a_training_that_makes_no_run_is_told_what_is_needed(start: Start, place: Path, command: str) -> None:
    (place / "foreign.py").write_text("print('trained')\n")
    done = start("samebits", command, "python", "foreign.py", cwd=place)
    assert done.returncode == 2
    assert "resume-proof needs checkpoints" in done.stderr
    assert len(done.stderr.splitlines()) == 1
