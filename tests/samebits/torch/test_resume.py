"""A training with all that has a state, interrupted anywhere: the same bits of weights and metrics."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started, one_line

SCRIPT = Path(__file__).with_name("everything.py")
STEPS = 28  # four epochs of seven
Start = Callable[..., Started]


def results(folder: Path) -> tuple[str, str]:
    """The weights' hash and the lines of metrics, which hold the digests of the batches in their order."""
    weights = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    return weights, (folder / "metrics.jsonl").read_text()


@pytest.fixture
def train(forked: Start, tmp_path: Path) -> Callable[..., Started]:
    def train(name: str, *options: object, status: int = 0, **variables: str | None) -> Started:
        done = forked("--run", tmp_path / name, *options, **variables)
        assert done.returncode == status, done.stderr
        return done

    return train


@pytest.fixture(scope="module")
def whole(start: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The results of a run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert start("python", SCRIPT, "--run", folder).returncode == 0
    return results(folder)


@pytest.mark.parametrize(
    ("step", "before", "after"), [(0, 0, 0), (5, 0, 4), (7, 4, 0), (13, 4, 4), (STEPS, 0, 2)]
)
def test_a_run_that_was_stopped_resumes_to_the_same_bits(
    train: Start, whole: object, tmp_path: Path, step: int, before: int, after: int
) -> None:
    """Before the first step, mid-epoch, at an epoch's end, after the last; with other workers afterwards."""
    stopped = train("run", "--workers", before, status=75, SAMEBITS_STOP_AT=str(step))
    saved = f"saved after step {step}" if step else "nothing to save yet"
    assert (
        one_line(stopped.stderr)
        == f"samebits: SAMEBITS_STOP_AT: {saved}; run the same command again to resume"
    )
    resumed = train("run", "--workers", after)
    assert f"{STEPS - step} steps in this process" in resumed.stdout
    assert results(tmp_path / "run") == whole
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_manifest_has_the_chain_of_what_ran_where(train: Start, whole: object, tmp_path: Path) -> None:
    train("run", status=75, SAMEBITS_STOP_AT="3")
    train("run", status=75, SAMEBITS_STOP_AT="20")
    train("run", SAMEBITS_CURVES=None)
    assert results(tmp_path / "run") == whole
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["steps"] == STEPS
    assert [part["from_step"] for part in manifest["chain"]] == [0, 3, 20]
    assert [part["forced"] for part in manifest["chain"]] == [[], [], []]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints",
        "curves.png",
        "manifest.json",
        "metrics.jsonl",
        "record.jsonl",
        "weights.safetensors",
    ]
    kept = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert kept == ["step-00000005", "step-00000021", "step-00000028"]  # one is asked for


@pytest.mark.parametrize("options", [("--evaluate", 0), ("--evaluate", -1), ("--more",)])
def test_what_does_not_train_changes_nothing(
    train: Start, whole: tuple[str, str], tmp_path: Path, options: tuple[object, ...]
) -> None:
    """Evaluated never or every step, more metrics, another model before: all draw from global generators."""
    train("run", *options)
    assert results(tmp_path / "run")[0] == whole[0]
    assert not (tmp_path / "run/curves.png").exists(), "SAMEBITS_CURVES is 0"


def test_killed_at_random_instants(train: Start, whole: object, tmp_path: Path) -> None:
    """A sample of `make resume-proof`: kill -9, often while a checkpoint is written, as one is every step."""
    command = [str(ROOT / "entrypoint"), "python", str(SCRIPT), "--checkpoint-every", "1"]
    rng = random.Random(1)
    for number in range(2):  # a third is in README.md's test
        folder = tmp_path / f"run-{number}"
        with subprocess.Popen([*command, "--run", str(folder)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.7))
            process.kill()
        train(folder.name, "--checkpoint-every", 1)
        assert results(folder) == whole


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves(
    train: Start, whole: object, tmp_path: Path, number: signal.Signals
) -> None:
    """To the whole process group, data workers included, as a terminal and some schedulers send it."""
    command = [str(ROOT / "entrypoint"), "python", str(SCRIPT), "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--run", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 2"):
            break
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert f"samebits: {number.name}: saved after step " in one_line(errors)
    train("run", "--workers", 2)
    assert results(tmp_path / "run") == whole


@pytest.fixture(scope="module")
def interrupted(forked: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves that was stopped after step 16, and has a checkpoint of step 14 besides."""
    folder = tmp_path_factory.mktemp("interrupted")
    done = forked("--run", folder / "run", SAMEBITS_STOP_AT="16")
    assert done.returncode == 75
    return folder / ".run.partial"


@pytest.fixture
def left(interrupted: Path, tmp_path: Path) -> Path:
    """A copy of it to be spoilt."""
    shutil.copytree(interrupted, tmp_path / ".run.partial")
    return tmp_path / ".run.partial"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("name", "damage"),
    [("state.json", flip), ("tensors.safetensors", truncate), ("tensors.safetensors", Path.unlink)],
)
def test_damage_is_named_and_the_one_before_is_used_when_asked(
    train: Start, whole: object, tmp_path: Path, left: Path, name: str, damage: Callable[[Path], object]
) -> None:
    damage(left / "checkpoints/step-00000016" / name)
    before = snapshot(left)
    refused = train("run", status=2)
    assert f"step-00000016/{name} " in one_line(refused.stderr)
    assert "--resume previous" in refused.stderr
    assert snapshot(left) == before
    if damage is flip:  # once is enough
        resumed = train("run", "--resume", "previous")
        assert "resumes after step 14, after epoch 2" in resumed.stdout
        assert results(tmp_path / "run") == whole
        assert (tmp_path / "run/checkpoints/step-00000016.damaged").is_dir()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_metrics_that_somebody_changed_are_damage(train: Start, left: Path) -> None:
    (left / "metrics.jsonl").write_text("{}\n")
    assert "metrics.jsonl is not what it was at step-00000016" in one_line(train("run", status=2).stderr)


def test_another_runs_checkpoint_is_refused(train: Start, tmp_path: Path, left: Path) -> None:
    train("other", status=75, SAMEBITS_STOP_AT="20")
    shutil.copytree(tmp_path / ".other.partial/checkpoints/step-00000020", left / "checkpoints/step-00000020")
    shutil.copy(tmp_path / ".other.partial/metrics.jsonl", left)
    assert "step-00000020 belongs to another run" in one_line(train("run", status=2).stderr)


def test_another_versions_checkpoint_is_refused(train: Start, left: Path) -> None:
    path = left / "checkpoints/step-00000016/state.json"
    content = json.loads(path.read_text())["content"] | {"format": 99}
    digest = hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, "content": content}))
    refused = one_line(train("run", status=2).stderr)
    assert (
        "has format 99, this version of samebits reads 2; `--resume never` starts from the beginning"
        in refused
    )


def test_other_settings_are_refused_unless_forced(train: Start, tmp_path: Path, left: Path) -> None:
    refused = train("run", "--epochs", 5, status=2)
    assert "setting epochs was 4 and is 5" in one_line(refused.stderr)
    train("run", "--epochs", 5, "--resume", "force")
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["chain"][-1]["forced"] == ["setting epochs was 4 and is 5"]


def test_another_lock_and_another_device_are_refused(train: Start, left: Path) -> None:
    path = left / "checkpoints/step-00000016/state.json"
    content = json.loads(path.read_text())["content"]
    content["fingerprint"]["locks.requirements.lock"] = "0" * 64
    content["device"] = "cuda"
    digest = hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, "content": content}))
    said = one_line(train("run", status=2).stderr)
    assert "device was cuda and is cpu; locks.requirements.lock was 000000" in said


def test_another_model_is_refused_even_when_forced(train: Start, left: Path) -> None:
    said = one_line(train("run", "--width", 17, "--resume", "force", status=2).stderr)
    assert "model has changed: 0.weight is F32 [17, 8] here, and F32 [16, 8] in the checkpoint" in said


def test_a_beginning_anew_keeps_what_was_there(
    train: Start, whole: object, tmp_path: Path, left: Path
) -> None:
    before = {path.name for path in left.iterdir()} - {".lock"}
    done = train("run", "--resume", "never")
    assert "run.interrupted-1" in one_line(done.stderr)
    assert {path.name for path in (tmp_path / "run.interrupted-1").iterdir()} == before
    assert results(tmp_path / "run") == whole
