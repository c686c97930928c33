"""`samebits seeds`: a run for each seed, what is reused, what fails, and the arithmetic."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import Started, one_line

from samebits.proof.seeds import name_of, split_seed, spread

Start = Callable[..., Started]

# A training as `samebits seeds` sees one: a process that leaves a run with its seed in the manifest.
TRAINING = """
import hashlib, json, os, sys
from pathlib import Path
from samebits.process.command_line import recorded
from samebits._formats import FORMAT
from samebits.run.folder import put_in_place
from samebits.hashing.weights import Tensor, save_tensors

seed, what = int(sys.argv[-1].rpartition("=")[2]), sys.argv[1]
if what == "nano" and "--seed" in sys.argv:
    assert False  # its parser takes --seed=1 only
if what == "bad" and seed == 5 or what == "worse":
    sys.exit("samebits: --rate is 7, must be at most 1")
if what == "broken" and seed == 5:
    raise ZeroDivisionError("in the third layer")
folder = Path(os.environ["SAMEBITS_RUN_FOLDER"])
working = folder.with_name("." + folder.name)
working.mkdir()
content = hashlib.sha256(f"{what} {seed}".encode()).digest()[:4]
weights = save_tensors({"w": Tensor("F32", (1,), lambda: content)}, working / "weights.safetensors")
facts = {"cpu": Path("cpu").read_text() if Path("cpu").exists() else "a CPU"}
manifest = {
    "format": FORMAT, "weights_sha256": weights, "seed": seed, "command": recorded(), "device": "cpu",
    "deciding_settings": {"seed": seed}, "fingerprint": facts, "code": {"commit": "c", "dirty": False},
    "metrics": {"epoch": 2, "loss": seed / 2, "val_accuracy": 0.5, "batches": "aa"},
}
(working / "manifest.json").write_text(json.dumps(manifest))
put_in_place(working, folder, weights)
"""


@pytest.fixture
def seeds(start: Start, tmp_path: Path) -> Start:
    (tmp_path / "training.py").write_text(TRAINING)

    def seeds(*words: str, **variables: str | None) -> Started:
        variables = {"SEEDS": "3", "JOBS": "2", "JSON": None, **variables}
        return start("samebits", "seeds", *words, cwd=tmp_path, **variables)

    return seeds


def trained(done: Started) -> list[int]:
    """The seeds that were not there already."""
    return [run["seed"] for run in json.loads(done.stdout)["runs"] if not run["reused"]]


def test_each_seed_is_a_run_and_the_metrics_scatter(seeds: Start, tmp_path: Path) -> None:
    done = seeds("--json", "python", "training.py", "good", "--seed", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert [run["seed"] for run in result["runs"]] == [4, 5, 6]
    assert len({run["sha256"] for run in result["runs"]}) == 3
    assert list(result["metrics"]) == ["loss", "val_accuracy"]
    loss = result["metrics"]["loss"]
    assert (loss["mean"], loss["standard_deviation"]) == (2.5, 0.5)
    # t(0.975, 2) = 4.302653 in the tables; times 0.5 / sqrt(3)
    assert loss["interval"] == pytest.approx([2.5 - 1.242072, 2.5 + 1.242072], abs=1e-5)
    assert result["metrics"]["val_accuracy"]["interval"] == [0.5, 0.5]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        f"training.py-good-seed-{seed}" for seed in (4, 5, 6)
    ]


def test_the_table_for_people(seeds: Start) -> None:
    done = seeds("--name", "mine", "python", "training.py", "good")
    assert done.returncode == 0, done.stderr
    assert "runs/mine-seed-2" in done.stdout
    assert done.stdout.splitlines()[-2] == (
        "loss: mean 0.5000, standard deviation 0.5000, 95 % interval of the mean -0.7421 … 1.7421 "
        "(3 seeds; Student's t has no bounds: it can leave 0 … 1)"
    )


def test_only_a_run_of_the_same_kind_is_reused(seeds: Start, tmp_path: Path) -> None:
    command = ("--json", "--name", "mine", "python", "training.py", "good")
    assert trained(seeds(*command)) == [0, 1, 2]
    assert trained(seeds(*command)) == [0], "the first tells what the others must be like"
    assert trained(seeds(*command[:1], "--again", *command[1:])) == [0, 1, 2]
    assert trained(seeds(*command, SEEDS="4")) == [0, 3]
    (tmp_path / "runs/mine-seed-1/weights.safetensors").write_bytes(b"damaged")
    assert trained(seeds(*command)) == [0, 1]
    assert trained(seeds(*command[:-1], "other")) == [0, 1, 2], "another command"
    (tmp_path / "cpu").write_text("another CPU")
    assert trained(seeds(*command[:-1], "other")) == [0, 1, 2], "another fingerprint"


@pytest.mark.parametrize("form", ["--seed={seed}", "--config=seed={seed}", "{seed}"])
def test_the_seed_goes_where_the_command_says(seeds: Start, tmp_path: Path, form: str) -> None:
    command = ("--json", "python", "training.py", "nano", "--epochs", "3", form)
    done = seeds(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len({run["sha256"] for run in json.loads(done.stdout)["runs"]}) == 3
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        f"training.py-nano-epochs-3-seed-{seed}" for seed in (0, 1, 2)
    ]
    assert trained(seeds(*command)) == [0], "what is there is of this kind"
    assert trained(seeds(*command[:1], "--name", "training.py-nano-epochs-3", *command[1:5], "4", form)) == [
        0, 1, 2,
    ], "and this is another"  # fmt: skip


def test_a_parser_that_takes_another_form_is_told_of(seeds: Start, tmp_path: Path) -> None:
    done = seeds("python", "training.py", "nano")
    assert done.returncode == 2
    line = one_line(done.stderr)
    assert "it was `python training.py nano --seed 0`" in line
    assert "write {seed} there, such as --seed={seed}" in line
    assert "AssertionError" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["training.py"], "no log, no runs/"


def test_runs_that_are_there_already_stay_when_the_first_fails(seeds: Start, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").touch()
    assert seeds("python", "training.py", "nano").returncode == 2
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("bad", "--rate is 7, must be at most 1"),
        ("broken", "ended with status 1; what it wrote is in training.py-broken-"),
        ("broken", "it was `python training.py broken --seed 5`"),
    ],
)
def test_one_that_fails_is_named_and_the_others_continue(
    seeds: Start, tmp_path: Path, what: str, says: str
) -> None:
    done = seeds("--json", "python", "training.py", what, "--seed", "4")
    assert done.returncode == 1
    assert one_line(done.stderr).startswith("samebits: 1 of 3 runs failed: seed 5")
    assert says in done.stderr
    result = json.loads(done.stdout)
    assert ([run["seed"] for run in result["runs"]], list(result["failed"])) == ([4, 6], ["5"])
    assert [path.name for path in (tmp_path / "runs").glob("*.log")] == [f"training.py-{what}-seed-5.log"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("python", "training.py", "worse"), "seed 0: --rate is 7"),
        (("python", "training.py", "--seed", "x"), "--seed is 'x'; it must be a whole number"),
        (("--count", "1", "true"), "1 is not in the range x>=2"),
        (("no-such-command",), "seed 0: no-such-command: there is no such command"),
    ],
)
def test_what_cannot_begin_is_one_line(
    seeds: Start, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    done = seeds(*words)
    assert done.returncode != 0
    assert says in one_line(done.stderr)
    assert not (tmp_path / "runs").exists()


def test_the_seed_and_the_name_of_a_command() -> None:
    assert split_seed(("python", "-m", "a.b", "--seed", "7", "-x")) == (7, ("python", "-m", "a.b", "-x"))
    assert split_seed(("python", "t.py", "--seed=7")) == (7, ("python", "t.py"))
    assert split_seed(("python", "t.py")) == (0, ("python", "t.py"))
    assert name_of(("/some/entrypoint", "python", "-m", "a.b", "--rate", "1e-3")) == "a.b-rate-1e-3"
    assert name_of(("python",)) == "run"


def test_the_interval_is_students() -> None:
    """Twenty values: t(0.975, 19) = 2.093024."""
    interval = spread([float(number) for number in range(20)])
    assert interval.mean == 9.5
    assert interval.deviation == pytest.approx(5.916080, abs=1e-6)
    assert interval.half == pytest.approx(2.093024 * 5.916080 / 20**0.5, abs=1e-5)


FOREIGN = """
import sys

import torch

torch.manual_seed(int(sys.argv[1].partition("=")[2]) if len(sys.argv) == 2 else 0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).square().mean().backward()
    optimizer.step()
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_training_that_knows_nothing_of_samebits(seeds: Start, tmp_path: Path) -> None:
    (tmp_path / "foreign.py").write_text(FOREIGN)
    (tmp_path / "runs/foreign.py-seed-1.record").mkdir(parents=True)
    (tmp_path / "runs/foreign.py-seed-1.record/1.jsonl").write_text("of a former training")
    told = json.loads(seeds("--count", "2", "--json", "--", "python", "foreign.py", "--seed={seed}").stdout)
    assert [run["folder"] for run in told["runs"]] == [f"runs/foreign.py-seed-{k}.record" for k in (0, 1)]
    assert told["runs"][0]["sha256"] != told["runs"][1]["sha256"]
    losses = [run["metrics"]["loss"] for run in told["runs"]]
    assert told["metrics"]["loss"]["mean"] == pytest.approx(sum(losses) / 2)
    unused = seeds("--count", "2", "--", "python", "foreign.py", "--config", "{seed}")
    assert unused.returncode == 1
    assert "the seeds 0 and 1 gave the same weights: the command does not use the number" in one_line(
        unused.stderr
    )
    refused = seeds("--count", "2", "--", "python", "foreign.py")
    assert refused.returncode == 2
    assert "or knows nothing of samebits, write {seed} there, such as --seed={seed}" in one_line(
        refused.stderr
    )


def test_no_record_stays_of_a_training_that_leaves_a_run(seeds: Start, tmp_path: Path) -> None:
    done = seeds("python", "training.py", "good", "--seed={seed}")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "runs").glob("*.record")] == []
    assert len(list((tmp_path / "runs").iterdir())) == 3
