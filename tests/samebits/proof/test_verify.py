"""`samebits verify`: a run repeated from its manifest, and each way in which that can fail."""

import hashlib
import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FRAMEWORKS, Started, one_line

from samebits import container_engine
from samebits._formats import FORMAT
from samebits.chance import of_run
from samebits.fingerprint import code_state
from samebits.proof import verify

pytestmark = pytest.mark.skipif("torch" not in FRAMEWORKS, reason="its training is one in torch")

Start = Callable[..., Started]
CODE = {"folder": ".", "commit": "c" * 40, "dirty": False, "diff": None, "files": {}}

# Where it is started, a file named `clock` makes it draw from the time, one named `more` from other data.
TRAINING = """
import random
import time
from dataclasses import dataclass
from pathlib import Path
import torch
import samebits, samebits.torch

@dataclass(frozen=True)
class Settings:
    seed: int = samebits.option(0, "seed")
    epochs: int = samebits.option(3, "epochs")
    device: str = samebits.option("auto", "device", affects_weights=False)

def train(settings):
    samebits.torch.make_deterministic()
    samebits.seed_everything(settings.seed)
    batches = [1.0, 2.0, 4.0] if Path("more").exists() else [1.0, 2.0, 3.0]
    with samebits.open_run(settings, framework="torch") as run:
        with run.stream("initialisation"):
            model = torch.nn.Linear(2, 1)
        run.checkpoint(model=model)
        for epoch in run.epochs(settings.epochs):
            for batch in run.batches(batches):
                with torch.no_grad():
                    model.weight += batch + torch.rand(())
                    if Path("clock").exists() and epoch == 2:
                        model.bias += time.time_ns() % 1000003 + random.Random().random()
            run.log(sum=float(model.weight.sum() + model.bias))
        run.finish(model)

samebits.main(train, Settings)
"""


def commit(folder: Path, *files: str) -> None:
    """Make the folder a checkout that tracks these files."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for words in (("init", "-q"), ("add", "--force", *files), (*who, "commit", "-q", "-m", "mine")):
        subprocess.run(["git", "-C", str(folder), *words], check=True)


@pytest.fixture(scope="module")
def made(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the training and a run of it, made under choices that a manifest must show."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "training.py").write_text(TRAINING)
    (folder / ".gitignore").write_text("*\n")  # the runs, and what tests put beside them
    commit(folder, "training.py")
    command = ("python", folder / "training.py", "--seed", "5")
    choices = {"SAMEBITS_RUN_FOLDER": "run", "SAMEBITS_THREADS": "2", "ATEN_CPU_CAPABILITY": "avx2"}
    stopped = start(*command, cwd=folder, SAMEBITS_STOP_AT="4", **choices)
    assert stopped.returncode == 75, stopped.stderr
    done = start(*command, cwd=folder, **choices)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same, for one test."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_manifest_tells_what_a_repetition_needs_and_no_folder(made: Path) -> None:
    manifest = json.loads((made / "run" / "manifest.json").read_text())
    assert manifest["command"] == ["python", "training.py", "--seed", "5"]
    assert (manifest["threads"], manifest["working_folder"]) == ("2", None)
    assert (manifest["resumes_within_epochs"], manifest["not_numbers"]) == (True, {})
    assert str(made) not in (made / "run" / "manifest.json").read_text()


def test_an_interrupted_run_is_repeated_as_one(start: Start, folder: Path) -> None:
    done = start("samebits", "verify", "run", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("repeating: python training.py --seed 5 --device=cpu\n")
    verdict = done.stdout.splitlines()[-1]
    assert verdict.startswith("same bits: sha256 ")
    assert verdict.endswith("; the environment is the same"), "threads and instructions are the run's"
    assert not (folder / "runs").exists()


def test_a_manifest_alone_from_elsewhere(start: Start, folder: Path) -> None:
    alone = folder / "manifest.json"
    shutil.copy(folder / "run" / "manifest.json", alone)
    fingerprint = json.loads(alone.read_text())["fingerprint"]
    edit(alone, code=CODE, chain=[], fingerprint=fingerprint | {"libc": "glibc 1.0"})
    refused = start("samebits", "verify", alone, cwd=folder)
    assert refused.returncode == 2
    assert "--anyway" in one_line(refused.stderr)
    done = start("samebits", "verify", "--anyway", alone, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "environment  libc: glibc 1.0 → glibc" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" 1 fact of the environment differs")


def test_a_training_that_asks_for_the_time_is_caught(start: Start, folder: Path) -> None:
    (folder / "clock").touch()
    done = start("samebits", "verify", "--json", "run", cwd=folder)
    assert done.returncode == 1
    says = one_line(done.stderr)
    assert "not the same bits: other weights; code and environment are the same: the data changed" in says
    result = json.loads(done.stdout)
    assert result["same"] is False
    assert result["sha256"]["run"] != result["sha256"]["repetition"]
    assert result["difference"]["tensor"]["name"] == "bias"
    assert (result["difference"]["metric"]["line"], result["difference"]["batches"]) == (2, None)
    assert result["verdict"]["first_difference"]["text"].startswith("the weights after epoch 2 (step 6)")
    assert result["verdict"]["causes"][0]["kind"] == "chance generator"
    (chance,) = result["chance"]
    assert chance.startswith("random.Random() without a seed (training.py:")
    assert (folder / result["kept"] / "repetition" / "weights.safetensors").exists()


def test_a_manifest_alone_tells_that_the_data_are_others(start: Start, folder: Path) -> None:
    (folder / "more").touch()
    shutil.copy(folder / "run" / "manifest.json", folder)
    done = start("samebits", "verify", "manifest.json", cwd=folder)
    assert done.returncode == 1
    weights, metrics, batches = done.stdout.splitlines()[-3:]
    assert (weights, batches) == ("weights  another hash", "batches  other data in the last line")
    assert metrics.startswith("metrics  another hash; the last line has sum: ")


def test_what_a_manifest_alone_does_not_have_is_not_called_the_same() -> None:
    lines = verify.Verdict("a", "b", True, (), None, {"epoch": 2}, {"epoch": 2}, {}).lines()
    assert list(lines) == ["weights  another hash", "metrics  none were logged"]
    lines = verify.Verdict("a", "b", False, (), None, {"loss": 1}, {"loss": 2}, {}).lines()
    assert list(lines)[2] == "batches  none were recorded in the last line"


def test_the_same_run_has_the_same_weights_and_the_same_metrics() -> None:
    same = {
        (repeat, metrics): verify.Verdict("a", repeat, metrics, (), None, {}, {}, {}).same
        for repeat in "ab"
        for metrics in (True, False)
    }
    assert same == {("a", True): True, ("a", False): False, ("b", True): False, ("b", False): False}


def test_weights_that_are_no_numbers_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = verify.Verdict("a", "a", True, (), None, {}, {}, {"bias": 2})
    verify.report(verdict, None, as_json=False)
    first, last = capsys.readouterr().out.splitlines()
    assert (first, last) == (
        "the weights hold NaN in bias (2 values)",
        "same bits: sha256 a; the environment is the same",
    )


def test_equal_bits_with_files_that_were_there_before_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"kind": "data", "source": "data not declared: a.csv", "where": "train.py:3", "fix": "declare it"}
    other = {**row, "kind": "seed", "source": "a seed"}
    manifests = [{"chance": [row, other]}]
    files, chance = (of_run.lines_of(manifests, kinds) for kinds in (("file", "data"), ()))
    for same, named in (("a", ["data not declared"]), ("b", ["data not declared", "a seed"])):
        verify.report(
            verify.Verdict("a", same, True, (), None, {}, {}, {}, chance, files), None, as_json=False
        )
        printed = capsys.readouterr().out
        assert ["data not declared", "a seed"][: printed.count("chance   ")] == named


def test_metrics_that_were_edited_by_hand(start: Start, folder: Path) -> None:
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"sum": 0.5})
    (folder / "run" / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    refused = start("samebits", "verify", "run", cwd=folder)
    assert refused.returncode == 2
    assert "run/metrics.jsonl is damaged: its sha256 is not the manifest's" in one_line(refused.stderr)
    assert refused.stdout == "", "nothing was trained"
    sha256 = hashlib.sha256((folder / "run" / "metrics.jsonl").read_bytes()).hexdigest()
    edit(folder / "run" / "manifest.json", metrics_sha256=sha256)
    done = start("samebits", "verify", "run", cwd=folder)
    assert done.returncode == 1
    assert "\nfirst difference: line 2 of metrics.jsonl, sum: 0.5 in A, " in done.stdout
    command = next(line for line in done.stdout.splitlines() if line.endswith("` says more")).split("`")[1]
    said = subprocess.run(shlex.split(command), cwd=folder, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (1, "")
    assert "the same weights, but not the same run" in one_line(done.stderr)


def test_damaged_weights_are_named_before_the_training(start: Start, folder: Path) -> None:
    weights = folder / "run" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = start("samebits", "verify", "run", cwd=folder)
    assert (done.returncode, done.stdout) == (2, ""), "nothing was trained"
    line = one_line(done.stderr)
    assert "run/weights.safetensors is damaged: its sha256 is not the manifest's" in line
    hint = line.split("`")[1].split()
    assert start(*hint, cwd=folder).returncode == 0, "the hint runs as printed"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"format": 99}, f"has format 99, this version of samebits reads {FORMAT}"),
        ({"format": 1}, f"reads {FORMAT}: samebits' last commit that reads it is e251841"),
        ({"code": CODE, "chain": []}, f"was made on commit {'c' * 40}, "),
        pytest.param(
            {"code": None, "chain": [], "device": "cuda"},
            "was trained on a GPU and no NVIDIA driver",
            marks=pytest.mark.skipif(bool(container_engine.driver()), reason="a GPU is there"),
        ),
        ({"code": CODE, "chain": [{"code": CODE | {"commit": "d" * 40}}]}, "resumed on another commit"),
        (
            {
                "code": CODE | {"files": {"a": "1" * 64}},
                "chain": [{"code": CODE | {"files": {"a": "2" * 64}}}],
            },
            "resumed with other code (a): --anyway",
        ),
        ({"code": None, "chain": [], "command": None}, "does not say which command"),
        ({"code": None, "chain": [], "command": ["python", "-m", "ipykernel_launcher"]}, "in a notebook"),
        ({"code": None, "chain": [], "command": ["/opt/bin/python3", "-"]}, "typed in or piped in"),
    ],
)
def test_what_cannot_be_repeated_is_one_line(
    start: Start, folder: Path, values: dict[str, Any], says: str
) -> None:
    edit(folder / "run" / "manifest.json", **values)
    done = start("samebits", "verify", "run", cwd=folder, PATH="/usr/bin:/bin")
    assert done.returncode == 2
    assert says in one_line(done.stderr)
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("setting", "command", "added"),
    [
        ("auto", "python train.py", ["--device=cuda"]),
        ("auto", "python train.py --device auto", []),
        ("auto", "python train.py --device=auto", []),
        ("auto", "python train.py --device-memory=4", ["--device=cuda"]),
        ("cuda", "python train.py", []),  # its default, or a configuration file's
        ("cuda", "python train.py config/gpu.py --device=cuda", []),  # nanoGPT takes no other form
        (None, "python train.py", []),
    ],
)
def test_a_device_is_added_where_auto_chose_it(setting: str | None, command: str, added: list[str]) -> None:
    settings = {} if setting is None else {"device": setting}
    assert verify._device({"device": "cuda", "settings": settings}, command.split()) == added


def test_changes_that_no_commit_has_must_be_those_of_today(start: Start, folder: Path) -> None:
    now = code_state.here()
    if now["commit"] is None:
        pytest.skip("no git checkout")
    code = now | {"folder": "${SAMEBITS_ROOT}", "dirty": True, "diff": "e" * 64}
    edit(folder / "run" / "manifest.json", code=code, chain=[])
    done = start("samebits", "verify", "run", cwd=folder)
    assert done.returncode == 2
    assert "was made with changes that no commit has (eeeeeeee" in one_line(done.stderr)


def test_what_is_no_run_is_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    for name, says in (("nothing", "is not a finished run"), ("list.json", "is not a run's manifest")):
        done = start("samebits", "verify", name, cwd=tmp_path)
        assert done.returncode == 2
        assert says in one_line(done.stderr)
