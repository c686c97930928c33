"""The starter, used as its user would: real commands, separate processes, both frameworks."""

import gzip
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from tests.conftest import FRAMEWORKS, ROOT, one_line

import samebits
from samebits.checkpoint import files
from samebits.run.signals import SAVED
from starter.data import load_digits, shipped_file

# Where a test costs minutes, one framework is enough; `make proof` does the other, too.
OTHERS = [pytest.param(framework, marks=pytest.mark.slow) for framework in FRAMEWORKS[1:]]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def trained(request, start, tmp_path_factory):
    """A run with all settings at their default, and what it printed."""
    cwd = tmp_path_factory.mktemp(request.param)
    done = start("train", cwd=cwd, FRAMEWORK=request.param, SAMEBITS_CURVES=None)
    assert done.returncode == 0, done.stderr
    return request.param, cwd / "runs" / request.param, done.stdout


def test_it_learns(trained):
    _, folder, _ = trained
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["val_accuracy"] >= 0.97


def test_the_hash_on_the_screen_is_sha256sum_of_the_weights(trained):
    _, folder, printed = trained
    command = ["sha256sum", str(folder / "weights.safetensors")]
    sha256 = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    assert f"sha256 {sha256}  runs/" in printed
    assert json.loads((folder / "manifest.json").read_text())["weights_sha256"] == sha256


def test_the_run_folder_says_what_made_it(trained):
    framework, folder, _ = trained
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "curves.png",
        "manifest.json",
        "metrics.jsonl",
        "record.jsonl",
        "weights.safetensors",
    ]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["framework"] == framework
    assert manifest["settings"]["epochs"] == len((folder / "metrics.jsonl").read_text().splitlines())
    metrics = (folder / "metrics.jsonl").read_bytes()
    assert manifest["metrics_sha256"] == hashlib.sha256(metrics).hexdigest()
    facts = manifest["fingerprint"]
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    assert facts["locks"]["requirements.lock"] == lock
    assert facts["variables"]["PYTHONHASHSEED"] == "0"
    assert facts["libraries"][framework] == importlib.metadata.version(framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_portable_gives_the_golden_hash_on_every_machine(start, tmp_path, framework):
    done = start("train", cwd=tmp_path, FRAMEWORK=framework, PROFILE="portable")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / f"runs/{framework}-portable/manifest.json").read_text())
    assert manifest["profile"] == manifest["fingerprint"]["profile"] == "portable"
    assert manifest["fingerprint"]["determinism"]["portable_kernels"] is True
    assert manifest["golden"] == "matches the golden hash"


def test_it_says_whether_it_matches_the_golden_hash(trained):
    _, folder, printed = trained
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["golden"] in printed
    # On a machine of a kind that has a golden hash it must match; on another one the reason is named.
    assert manifest["golden"] == "matches the golden hash" or ", as expected: " in manifest["golden"]


@pytest.mark.parametrize("trained", [FRAMEWORKS[0], *OTHERS], indirect=True)
def test_the_same_command_again_gives_the_same_bits(trained, start):
    framework, folder, _ = trained
    before = json.loads((folder / "manifest.json").read_text())
    done = start("train", cwd=folder.parents[1], FRAMEWORK=framework)
    assert "the same bits as the run that was here before" in done.stdout
    assert json.loads((folder / "manifest.json").read_text())["weights_sha256"] == before["weights_sha256"]
    assert [path.name for path in folder.parent.iterdir()] == [framework]


@pytest.mark.parametrize("framework", [FRAMEWORKS[0], *OTHERS])
def test_workers_and_evaluation_do_not_move_the_weights(start, tmp_path, framework):
    hashes = set()
    for name, options in {"plain": [], "other": ["--workers", "2", "--evaluate-every", "0"]}.items():
        folder = tmp_path / name
        done = start("train", "--epochs", 2, "--run", folder, *options, FRAMEWORK=framework)
        assert done.returncode == 0, done.stderr
        hashes.add(json.loads((folder / "manifest.json").read_text())["weights_sha256"])
    assert len(hashes) == 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_wrong_option_is_one_line(start, tmp_path, framework):
    done = start("train", "--epoch", "5", cwd=tmp_path, FRAMEWORK=framework)
    assert done.returncode == 2
    assert "--epoch" in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_data_file_is_one_line(start, tmp_path):
    done = start("train", "--data", "nowhere.csv.gz", cwd=tmp_path)
    assert done.returncode == 2
    assert "nowhere.csv.gz" in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_as_the_data_file_is_one_line(start, tmp_path):
    """Before anything in it is read."""
    done = start("train", "--data", "/proc", cwd=tmp_path)
    assert done.returncode == 2
    assert one_line(done.stderr) == "samebits: --data /proc is a folder; expected the digits' file"
    assert list(tmp_path.iterdir()) == []


def test_a_changed_data_file_is_one_line(start, tmp_path):
    changed = tmp_path / "digits.csv.gz"
    shutil.copy(shipped_file(), changed)
    with open(changed, "ab") as file:
        file.write(b"\0")
    done = start("train", "--data", changed, cwd=tmp_path)
    assert done.returncode == 2
    assert "has changed" in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == [changed]


def test_a_folder_that_is_no_run_is_left_alone(start, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    done = start("train", "--run", tmp_path / "thesis")
    assert done.returncode == 2
    assert "is not a run" in one_line(done.stderr)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_an_unwritable_folder_is_one_line(start):
    done = start("train", "--run", "/proc/runs/x")
    assert done.returncode == 2
    assert "cannot write /proc/runs/x" in one_line(done.stderr)


def test_a_full_disk_is_one_line(start, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        done = start("train", "--epochs", 1, "--run", disk / "run")
        assert done.returncode == 2
        assert "No space left on device" in one_line(done.stderr)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_sigterm_saves_and_the_same_command_resumes(tmp_path, start):
    command = [str(ROOT / "entrypoint"), "train", "--epochs", "10"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(" on cpu, seed 0\n")
        process.stdout.readline()  # the first epoch is done
        assert [path.name[0] for path in (tmp_path / "runs").iterdir()] == ["."]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == SAVED
    assert [path.name[0] for path in (tmp_path / "runs").iterdir()] == ["."]
    resumed = start(*command[1:], cwd=tmp_path)
    whole = start(*command[1:], "--run", tmp_path / "whole")
    assert "resumes after step" in resumed.stdout
    (sha256,) = set(re.findall("^sha256 ([0-9a-f]{64})", resumed.stdout + whole.stdout, re.MULTILINE))
    assert len(sha256) == 64


def test_sigterm_at_the_very_start_leaves_nothing_either(tmp_path):
    command = [str(ROOT / "entrypoint"), "train", "--epochs", "1000"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the run is open, and nothing has been trained
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (SAVED, 128 + signal.SIGTERM)
    for folder in (tmp_path / "runs").iterdir():  # none, unless the signal came after the first step
        assert [files.read(path) for path in files.find(folder / "checkpoints")]


def test_a_killed_run_is_cleared_away_by_the_next(tmp_path, start):
    command = [str(ROOT / "entrypoint"), "train", "--epochs", "1000", "--run", "runs/x"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    time.sleep(0.1)
    assert len(list((tmp_path / "runs").iterdir())) == 1
    assert start("train", "--epochs", 1, "--run", "runs/x", cwd=tmp_path).returncode == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["x"]


def test_a_process_that_bypassed_the_entrypoint_is_told_the_right_command(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    module = f"starter.train_{FRAMEWORKS[0]}"
    environment["PATH"] = "/usr/bin:/bin"  # a shell that knows nothing of .venv
    done = subprocess.run(
        [sys.executable, "-m", module, "--epochs", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"{ROOT}/entrypoint python -m {module} --epochs 1" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1,2,3\n",
        b"nan," * 65 + b"\n",
        b"0," * 64 + b"x\n",
        b"\x1f\x8b\x08",  # the beginning of a gzip file
        gzip.compress(b"0," * 64 + b"0\n", mtime=0),
        gzip.compress(bytes(1 << 24), mtime=0),
    ],
)
def test_other_data_is_refused_before_it_is_parsed(tmp_path, content):
    (tmp_path / "digits.csv.gz").write_bytes(content)
    with pytest.raises(samebits.UsageError, match="has changed: its sha256 is"):
        load_digits(tmp_path / "digits.csv.gz")
