"""`samebits matrix`: each axis does what it says, and each broken promise is seen."""

import json
import os
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FRAMEWORKS, ROOT, Started, one_line

Start = Callable[..., Started]
CLEAN = dict.fromkeys(["ONLY", "STRESS", "REPEATS", "JOBS", "JSON", "DEVICE", "FRAMEWORK", "NET"])

# A training as `samebits matrix` sees one: a process that leaves a run. It writes down where it finds itself.
TRAINING = """
import argparse, hashlib, json, os, sys
from pathlib import Path
from samebits._formats import FORMAT
from samebits.hashing.weights import Tensor, save_tensors

parser = argparse.ArgumentParser()
parser.add_argument("what")
for name, default in (("seed", 0), ("workers", 0), ("checkpoint-every", 0), ("learning-rate", 0.5)):
    parser.add_argument(f"--{name}", type=type(default), default=default)
settings = parser.parse_args()
if settings.what in ("unread", "strict") and sys.argv[2:]:
    settings = parser.parse_args(sys.argv[1:2])
    if settings.what == "strict":
        parser.error(f"unrecognized arguments: {' '.join(sys.argv[2:])}")
folder = Path(os.environ["SAMEBITS_RUN_FOLDER"])
seen = {
    "place": os.getcwd(), "user": os.getuid(), "cores": len(os.sched_getaffinity(0)), "command": sys.argv,
    "replaced": os.environ.get("SAMEBITS_REPLACED", ""), "threads": os.environ["SAMEBITS_THREADS"],
    "hash": sys.flags.hash_randomization, "stop": os.environ.get("SAMEBITS_STOP_AT"),
}
with open(folder.parent / f"{folder.name}.seen", "a") as file:
    file.write(json.dumps(seen) + "\\n")
if seen["stop"]:
    sys.exit(75)
decides = [settings.seed, settings.learning_rate]
if settings.what == "deaf":
    decides = [0]
if settings.what == "clock":
    decides.append(os.urandom(8).hex())
if settings.what == "workers":
    decides.append(settings.workers)
if settings.what == "fails" and settings.workers == 4:
    raise ZeroDivisionError("in the third layer")
content = hashlib.sha256(str(decides).encode()).digest()
folder.mkdir()
weights = save_tensors({"w": Tensor("F32", (8,), lambda: content)}, folder / "weights.safetensors")
(folder / "metrics.jsonl").touch()
manifest = {
    "format": FORMAT, "weights_sha256": weights, "seed": settings.seed, "framework": "torch", "device": "cpu",
    "settings": vars(settings), "command": sys.argv, "steps": 9, "chain": [{}],
}
(folder / "manifest.json").write_text(json.dumps(manifest))
"""


@pytest.fixture
def matrix(start: Start, tmp_path: Path) -> Start:
    (tmp_path / "training.py").write_text(TRAINING)

    def matrix(what: str, only: str, *options: str) -> Started:
        variables = {**CLEAN, "ONLY": only, "JOBS": "2"}
        command = ("python", "training.py", what)
        return start("samebits", "matrix", "--json", *options, *command, cwd=tmp_path, **variables)

    return matrix


def outcomes(done: Started) -> dict[str, str]:
    """What came out of each trial of each axis."""
    trials = json.loads(done.stdout)["trials"]
    return {f"{trial['axis']}: {trial['value']}": trial["outcome"] for trial in trials}


def test_every_promise_holds(matrix: Start, tmp_path: Path) -> None:
    only = "process locale time-zone hash-seed shell-threads workers checkpoints resumed seed learning-rate"
    done = matrix("good", f"{only} evaluation container cpu data")
    assert done.returncode == 0, done.stdout + done.stderr
    table = json.loads(done.stdout)
    assert table["ok"] is True
    by_axis: dict[str, list[dict[str, Any]]] = {}
    for trial in table["trials"]:
        by_axis.setdefault(trial["axis"], []).append(trial)
    for axis in only.split():
        other = axis in ("seed", "learning-rate")
        assert by_axis[axis], axis
        for trial in by_axis[axis]:
            assert trial["outcome"] == "ok"
            assert (trial["sha256"] == table["reference"]) is not other
    skipped = {axis: by_axis[axis][0]["says"] for axis in ("evaluation", "container", "cpu", "data")}
    assert skipped["evaluation"] == "the training has no setting evaluate_every"
    assert skipped["cpu"] == "only PROFILE=portable promises it"
    assert skipped["data"] == "the command is not `python -m MODULE`"
    assert (tmp_path / "runs/matrix/matrix.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "runs/matrix/matrix.json").read_text()) == table
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["matrix"], "the runs are gone"


def test_each_axis_changes_what_it_says(matrix: Start, tmp_path: Path) -> None:
    """The seed is deaf, so the runs are kept, and with them what each training found."""
    done = matrix(
        "deaf", "seed folder user locale time-zone hash-seed shell-threads workers cores resumed threads"
    )
    assert done.returncode == 1
    folder = tmp_path / json.loads(done.stdout)["runs"]
    seen = {
        str(path.relative_to(folder)): [json.loads(line) for line in path.read_text().splitlines()]
        for path in folder.rglob("*.seen")
    }
    reference = seen.pop("reference.seen")[0]
    assert reference["replaced"] == "", "as from a shell that entrypoint has not been in"

    def trial(name: str) -> list[dict[str, Any]]:
        (lines_of_trial,) = [lines for path, lines in seen.items() if name in path]
        return lines_of_trial

    assert trial("started-in-another")[0]["place"] != reference["place"]
    assert trial("LC-ALL")[0]["replaced"] == "LC_ALL"
    assert trial("Tokyo")[0]["replaced"] == "TZ"
    assert trial("PYTHONHASHSEED=random")[0] | {"command": ""} == reference | {
        "command": "",
        "replaced": "PYTHONHASHSEED",
    }
    assert "OMP_NUM_THREADS" in trial("shell-threads")[0]["replaced"]
    assert trial("workers-4")[0]["command"][-2:] == ["--workers", "4"]
    assert trial("cores-1")[0]["cores"] == 1
    assert [run["stop"] for run in trial("step-7")] == ["7", None]
    threads = trial("threads-SAMEBITS")[0]
    assert (threads["threads"], threads["replaced"]) == ("2", ""), "two threads from the start"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user(start: Start, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as open_folder:
        os.chmod(open_folder, 0o755)
        command = ("samebits", "matrix", "--json", "--only", "user", "python", "training.py", "deaf")
        for folder in (tmp_path, Path(open_folder)):
            (folder / "training.py").write_text(TRAINING)
            done = start(*command, cwd=folder, **CLEAN)
            assert done.returncode == 0, done.stdout + done.stderr
            says = json.loads(done.stdout)["trials"][0]["says"]
            if folder == tmp_path:
                assert says.startswith("that user cannot reach the environment")
    if not says.startswith("that user"):  # it may be out of reach as a whole
        assert says == "the same bits"


OTHER_BITS = "other bits: the final weights, w"


@pytest.mark.parametrize(
    ("what", "only", "broken"),
    [
        ("clock", "process", {"process: another one": f"{OTHER_BITS}: 8 of 8 elements differ"}),
        ("deaf", "process seed", {"seed: 1": "the same bits, but they must differ"}),
        ("workers", "workers process", dict.fromkeys(["workers: 2", "workers: 4"], OTHER_BITS)),
        ("fails", "workers process", {"workers: 4": "ended with status 1; what it wrote is in "}),
    ],
)
def test_a_broken_promise_is_named(
    matrix: Start, tmp_path: Path, what: str, only: str, broken: dict[str, str]
) -> None:
    done = matrix(what, only)
    assert done.returncode == 1
    assert {name for name, outcome in outcomes(done).items() if outcome == "fail"} == set(broken)
    line = one_line(done.stderr)
    assert f"{len(broken)} of {len(outcomes(done))} promises broken: " in line
    for name, says in broken.items():
        assert f"{name}: {says}" in line
    assert (tmp_path / json.loads(done.stdout)["runs"] / "reference" / "weights.safetensors").exists()
    assert (tmp_path / "runs/matrix/matrix.png").exists()


def test_resuming_is_tried_within_an_epoch_and_at_several_ends(matrix: Start, tmp_path: Path) -> None:
    training = tmp_path / "training.py"
    training.write_text(TRAINING.replace('"steps": 9,', '"steps": 40, "metrics": {"epoch": 5},'))
    done = matrix("good", "resumed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(outcomes(done)) == [f"resumed: stopped after step {at} of 40" for at in (1, 8, 19, 32)]
    training.write_text(TRAINING.replace('"chain": [{}]', '"chain": []'))
    (trial,) = json.loads(matrix("good", "resumed").stdout)["trials"]
    assert (trial["outcome"], trial["says"]) == (
        "skipped",
        "the run makes no checkpoints: call run.checkpoint(…)",
    )


def test_stress_repeats_under_load_and_jitter(matrix: Start) -> None:
    done = matrix("good", "stress", "--repeats", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(outcomes(done).values()) == ["ok", "ok"]
    assert len(outcomes(matrix("good", "process", "--stress", "--repeats", "1"))) == 2


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("unread", "the command does not read --{}: {} is {} with it, too"),
        ("strict", "the command has no option --{}"),
    ],
)
def test_a_setting_that_is_no_option_is_skipped(matrix: Start, what: str, why: str) -> None:
    """Also a seed: weights that stay the same break no promise where nothing was changed."""
    done = matrix(what, "process workers seed")
    assert done.returncode == 0, done.stdout + done.stderr
    says = {trial["axis"]: trial["says"] for trial in json.loads(done.stdout)["trials"]}
    wanted = {name: why.format(name, name, 0) for name in ("workers", "seed")}
    assert says == {"process": "the same bits", **wanted}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--only", "moon", "true"), "there is no axis 'moon'; there are process, folder"),
        (("no-such-command",), "reference: as it is: no-such-command: there is no such command"),
        ((), "Missing argument 'COMMAND...'"),
    ],
)
def test_wrong_use_is_one_line(start: Start, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = start("samebits", "matrix", *words, cwd=tmp_path, **CLEAN)
    assert done.returncode != 0
    assert says in one_line(done.stderr)


@pytest.mark.parametrize("command", ["training.py good", "-m training starter.train_torch"])
def test_threads_may_give_the_same_bits(start: Start, tmp_path: Path, command: str) -> None:
    """Small sums are made by one thread: with a small model the starter's own axis could never hold."""
    (tmp_path / "training.py").write_text(TRAINING)
    words = ("samebits", "matrix", "--json", "--only", "threads", "python", *command.split())
    done = start(*words, cwd=tmp_path, **CLEAN)
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = json.loads(done.stdout)["trials"]
    assert (trial["expected"], trial["outcome"], trial["says"]) == ("may differ", "ok", "the same bits")


ALL = "data logging prefetch evaluation checkpoints workers resumed threads learning-rate seed user cores"


@pytest.mark.parametrize(
    ("framework", "only"),
    [
        (FRAMEWORKS[0], "data logging threads"),
        *(pytest.param(framework, ALL, marks=pytest.mark.slow) for framework in FRAMEWORKS),
    ],
)
def test_the_starter(start: Start, tmp_path: Path, framework: str, only: str) -> None:
    variables = {**CLEAN, "FRAMEWORK": framework, "DEVICE": "cpu", "ONLY": only, "JSON": "1"}
    done = start("matrix", "--epochs", "1", cwd=tmp_path, timeout=1800, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {outcome for name, outcome in outcomes(done).items() if not name.startswith("user")} == {"ok"}
    if (ROOT / "cookiecutter.json").exists():  # the template's own starter: its sums are long enough
        (threads,) = [trial for trial in json.loads(done.stdout)["trials"] if trial["axis"] == "threads"]
        assert threads["says"] == "other bits, which is allowed"


FOREIGN = """
import os

import torch

torch.manual_seed(0)
if os.environ.get("WHAT") == "moving":
    torch.seed()
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).square().mean().backward()
    optimizer.step()
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_training_that_knows_nothing_of_samebits(start: Start, tmp_path: Path) -> None:
    (tmp_path / "foreign.py").write_text(FOREIGN)
    only = [word for axis in ("process", "workers", "resumed") for word in ("--only", axis)]
    command = ("samebits", "matrix", "--json", *only, "--", "python", "foreign.py")
    done = start(*command, cwd=tmp_path, **CLEAN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(done) == {
        "process: another one": "ok",
        "workers: 0": "skipped",
        "workers: 2": "skipped",
        "workers: 4": "skipped",
        "resumed: stopped within an epoch": "skipped",
    }
    moving = start(*command, cwd=tmp_path, **CLEAN, WHAT="moving")
    assert moving.returncode == 1
    assert "process: another one: other bits: the initial parameter `weight`" in one_line(moving.stderr)
    trial = json.loads(moving.stdout)["trials"][0]
    assert trial["verdict"]["causes"][0]["text"] == "torch.seed()"
    assert trial["verdict"]["more"][0].endswith(".record")
