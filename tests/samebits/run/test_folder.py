"""The run folder: put in place whole, no former run is lost, and one process at a time writes it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, one_line

from samebits import UsageError
from samebits._formats import FORMAT
from samebits.checkpoint.files import STATE, write
from samebits.fingerprint.manifest import read_manifest
from samebits.run.folder import LOCK, WorkingFolder, choose_folder, put_in_place
from samebits.run.metrics import Metrics
from samebits.run.resume import find_checkpoint
from starter.settings import Settings


def finished(folder, weights, format_=FORMAT):
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"format": format_, "weights_sha256": weights}))
    return folder


def test_equal_weights_replace_the_former_run(tmp_path):
    finished(tmp_path / "run", "a" * 64)
    said = put_in_place(finished(tmp_path / ".work", "a" * 64), tmp_path / "run", "a" * 64)
    assert said == "the same bits as the run that was here before"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_other_weights_keep_the_former_run_under_its_hash(tmp_path):
    finished(tmp_path / "run", "a" * 64)
    said = put_in_place(finished(tmp_path / ".work", "b" * 64), tmp_path / "run", "b" * 64)
    assert "run.aaaaaaaa" in said
    assert read_manifest(tmp_path / "run")["weights_sha256"] == "b" * 64
    assert read_manifest(tmp_path / "run.aaaaaaaa")["weights_sha256"] == "a" * 64


def test_a_former_run_of_an_older_format_is_kept_as_well(tmp_path):
    finished(tmp_path / "run", "a" * 64, format_=1)
    said = put_in_place(finished(tmp_path / ".work", "b" * 64), tmp_path / "run", "b" * 64)
    assert "run.aaaaaaaa" in said
    assert read_manifest(tmp_path / "run")["weights_sha256"] == "b" * 64
    with pytest.raises(UsageError, match=r"has format 1, .* last commit that reads it is e251841"):
        read_manifest(tmp_path / "run.aaaaaaaa")


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=r"manifest\.json"):
        read_manifest(tmp_path)


@dataclasses.dataclass
class Text:
    seed: int = 0
    model: str = ""


def test_the_folder_is_named_after_what_is_not_at_its_default(monkeypatch):
    monkeypatch.delenv("SAMEBITS_RUN_FOLDER", raising=False)
    assert str(choose_folder(Settings(), "torch", None)) == "runs/torch"
    assert str(choose_folder(Settings(seed=7, epochs=5), "torch", None)) == "runs/torch-seed=7-epochs=5"
    for name in ("meta/llama", "../../etc"):  # a run stays in runs/, whatever a setting says
        assert choose_folder(Text(model=name), "torch", None).parent == Path("runs")
    with monkeypatch.context() as patch:
        patch.setattr("samebits.process.started.profile", lambda: "portable")
        assert str(choose_folder(Settings(seed=7), "torch", None)) == "runs/torch-portable-seed=7"
    monkeypatch.setenv("SAMEBITS_RUN_FOLDER", "/elsewhere/1")
    assert str(choose_folder(Settings(seed=7), "torch", None)) == "/elsewhere/1"
    assert str(choose_folder(Settings(resume="force"), "torch", "runs/x")) == "/elsewhere/1"


TRAINING = """
import samebits.{0}
from helper import model
with samebits.{0}.open_run({{"seed": 0}}) as run:
    print("open")
    run.finish(model())
"""
MODELS = {
    "torch": "import torch\ndef model(): return torch.nn.Linear(2, 2)\n",
    "keras": "from keras import Input, Sequential, layers\n"
    "def model(): return Sequential([Input([2]), layers.Dense(2)])\n",
}


def test_two_scripts_with_one_seed_do_not_share_a_folder(start, tmp_path):
    framework = FRAMEWORKS[0]
    (tmp_path / "b").mkdir()
    for folder in (tmp_path, tmp_path / "b"):  # the script's name alone does not tell them apart
        (folder / "wine.py").write_text(TRAINING.format(framework))
        (folder / "helper.py").write_text(MODELS[framework])
    first = start("python", "wine.py", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    refused = start("python", "b/wine.py", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    line = one_line(refused.stderr)
    assert f"runs/{framework}-seed=0 has a finished run of another script, wine.py: name another" in line
    again = start("python", "wine.py", cwd=tmp_path)
    assert "the same bits as the run that was here before" in again.stdout
    manifest = tmp_path / "runs" / f"{framework}-seed=0" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["code"]["script"] = "renamed.py"  # it is not there any more: this may be the same script
    manifest.write_text(json.dumps(content))
    assert start("python", "wine.py", cwd=tmp_path).returncode == 0


def test_an_interrupted_run_keeps_its_name_and_what_is_worth_it(tmp_path):
    working = WorkingFolder(tmp_path / "run")
    assert not working.leave()
    assert list(tmp_path.iterdir()) == []  # no checkpoint: nothing to resume

    working = WorkingFolder(tmp_path / "run")
    (working.checkpoints / "step-00000001").mkdir(parents=True)
    assert working.leave()
    again = WorkingFolder(tmp_path / "run")
    assert again.run == working.run
    aside = again.set_aside()
    assert [path.name for path in aside.iterdir()] == ["checkpoints"]
    assert again.run != working.run
    assert list(again.checkpoints.parent.glob("[!.]*")) == []


def test_a_name_that_was_lost_comes_back_with_the_checkpoints(tmp_path):
    working = WorkingFolder(tmp_path / "run")
    content = {"run": working.run, **Metrics(working.metrics, working.folder).saved()}
    write(working.checkpoints, 1, content, {})
    lock = working.path / LOCK
    working.leave()
    lock.write_text("")
    again = WorkingFolder(tmp_path / "run")
    assert again.run != working.run
    assert find_checkpoint(again, "auto").content["step"] == 1
    assert again.run == working.run
    again.leave()
    third = WorkingFolder(tmp_path / "run")
    assert third.run == working.run


def test_what_is_damaged_is_never_deleted(tmp_path):
    working = WorkingFolder(tmp_path / "run")
    content = {"run": working.run, **Metrics(working.metrics, working.folder).saved()}
    (write(working.checkpoints, 1, content, {}) / STATE).write_text("{}")
    for wanted in ("previous", "auto", "force"):
        with pytest.raises(
            UsageError, match=r"no checkpoint in .* is complete: `--resume never` starts from the beginning"
        ):
            find_checkpoint(working, wanted)
    assert find_checkpoint(working, "never") is None
    assert (tmp_path / "run.interrupted-1/checkpoints/step-00000001.damaged" / STATE).read_text() == "{}"


HOLD = """
import os, sys, time
from pathlib import Path
from samebits._formats import FORMAT
from samebits.run.folder import WorkingFolder
working = WorkingFolder(Path(sys.argv[1]))
if os.fork() == 0:
    time.sleep(60)  # a data worker, which outlives the process for a while
print("mine", flush=True)
time.sleep(60)
"""


def test_two_processes_never_write_one_folder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "mine\n"
        second = subprocess.run(command, capture_output=True, text=True)
        assert "run is being trained by another process" in second.stderr
        first.kill()
        first.wait()
        third = WorkingFolder(tmp_path / "run")  # at once, though the worker is still there
        os.killpg(first.pid, signal.SIGKILL)
    assert not third.leave()
