"""`samebits resume-proof`: what it shows, and that it can fail."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, ROOT, Started, one_line

Start = Callable[..., Started]
ENTRYPOINT = ROOT / "entrypoint"

in_torch = pytest.mark.skipif("torch" not in FRAMEWORKS, reason="its training is one in torch")

# A training that continues from what a checkpoint cannot hold.
LEAKY = """
import os
from dataclasses import dataclass
import torch
import samebits, samebits.torch

@dataclass(frozen=True)
class Settings(samebits.RunSettings):
    pass

def train(settings):
    samebits.torch.make_deterministic()
    samebits.seed_everything(settings.seed)
    with samebits.open_run(settings, framework="torch") as run:
        model = torch.nn.Linear(2, 1)
        run.checkpoint(model=model)
        memory = 0.0
        for epoch in run.epochs(2):
            for batch in run.batches([1.0, 2.0, 3.0, 4.0]):
                memory += batch
                with torch.no_grad():
                    model.weight += memory
            run.log()
        run.finish(model)

samebits.main(train, Settings)
"""


@in_torch
def test_a_training_that_keeps_something_for_itself_is_caught(start: Start, tmp_path: Path) -> None:
    (tmp_path / "leaky.py").write_text(LEAKY)
    command = [ENTRYPOINT, "python", tmp_path / "leaky.py"]
    done = start("samebits", "resume-proof", "--only", "damage", "--json", *command, cwd=tmp_path)
    assert done.returncode == 1
    assert "not the same bits: 2 of 3, the first where stopped, and a bit of state.json flips" in one_line(
        done.stderr
    )
    told = json.loads(done.stdout)
    assert told["same"] is False
    assert len({trial["sha256"] for trial in told["trials"]}) > 1
    assert Path(tmp_path, told["kept"]).is_dir()


@in_torch
def test_a_training_that_holds_nothing_is_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "leaky.py").write_text(LEAKY.replace("        run.checkpoint(model=model)\n", ""))
    command = [ENTRYPOINT, "python", tmp_path / "leaky.py"]
    done = start("samebits", "resume-proof", "--only", "stop", *command, cwd=tmp_path)
    assert done.returncode == 2
    assert "the training calls no `run.checkpoint(…)`" in one_line(done.stderr)


# A training as `samebits resume-proof` sees one, of a script that knows nothing of the starter.
FOREIGN = """
import json, os, sys
from pathlib import Path
from samebits._formats import FORMAT
from samebits.hashing.weights import Tensor, save_tensors

more = sys.argv[2:]
if more and sys.argv[1] == "strict":
    sys.exit(f"train.py: error: unrecognized arguments: {' '.join(more)}")
assert not more or sys.argv[1] == "deaf", sys.argv  # it takes no option
what, folder = sys.argv[1], Path(os.environ["SAMEBITS_RUN_FOLDER"])
if what == "nothing":
    sys.exit()
if "SAMEBITS_STOP_AT" in os.environ:
    sys.exit(75)
new = folder.with_name(f".{folder.name}.partial")  # as of `open_run`: a kill leaves no half of a run
new.mkdir(exist_ok=True)
weights = save_tensors({"w": Tensor("F32", (1,), lambda: bytes(4))}, new / "weights.safetensors")
manifest = {
    "format": FORMAT, "weights_sha256": weights, "settings": {"seed": 0},
    "steps": 0 if what == "no-steps" else 5, "chain": [] if what == "no-hold" else [{}],
}
if what in ("strict", "deaf"):  # settings that are no options
    manifest["settings"] |= {"workers": 0, "evaluate_every": 1, "checkpoint_every": 0}
if what == "epochs":
    manifest |= {"steps": 40, "metrics": {"epoch": 10}}
(new / "metrics.jsonl").write_text("")
(new / "manifest.json").write_text(json.dumps(manifest))
new.rename(folder)
"""


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (
            "nothing",
            "the training ended without an error but left no run, so nothing can be resumed",
        ),
        ("no-hold", "the training calls no `run.checkpoint(…)`"),
        ("no-steps", "samebits saw no step of the training: its batches must come from `run.batches(…)`"),
    ],
)
def test_a_training_that_cannot_be_resumed_is_one_line(
    start: Start, tmp_path: Path, what: str, says: str
) -> None:
    (tmp_path / "foreign.py").write_text(FOREIGN)
    done = start("samebits", "resume-proof", "python", "foreign.py", what, cwd=tmp_path)
    assert done.returncode == 2
    assert says in one_line(done.stderr)
    assert list(tmp_path.glob("runs/*")) == []


def test_what_a_training_has_no_option_for_is_skipped(start: Start, tmp_path: Path) -> None:
    """No --workers, no --evaluate-every, no --checkpoint-every, no --resume; and metrics without a line."""
    (tmp_path / "foreign.py").write_text(FOREIGN)
    options = ("--only", "stop", "--only", "evaluation", "--only", "kill", "--kills", "1")
    done = start("samebits", "resume-proof", *options, "python", "foreign.py", "good", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("skipped: the training has no setting workers") == 4, (
        "as it goes, and in the table"
    )
    assert done.stdout.count("skipped: the training has no setting evaluate_every") == 2
    assert "same bits: 5 trainings, 3 skipped, sha256 " in done.stdout


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("strict", "the command has no option --{}"),
        ("deaf", "the command does not read --{}: {} is {} with it, too"),
    ],
)
def test_a_setting_that_is_no_option_is_skipped(start: Start, tmp_path: Path, what: str, why: str) -> None:
    """The manifest has the settings, but the script has them from elsewhere; kills go without the option."""
    (tmp_path / "foreign.py").write_text(FOREIGN)
    options = ("--only", "stop", "--only", "evaluation", "--only", "kill", "--kills", "2", "--json")
    done = start("samebits", "resume-proof", *options, "python", "foreign.py", what, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = json.loads(done.stdout)["trials"]
    skipped = {trial["what"]: trial["says"] for trial in trials if trial["outcome"] == "skipped"}
    assert skipped == {
        "stopped mid-epoch, 4 workers after": why.format("workers", "workers", 0),
        "stopped mid-epoch, 4 workers before": why.format("workers", "workers", 0),
        "evaluated at the end only": why.format("evaluate-every", "evaluate_every", 1),
    }
    assert sum(trial["what"].startswith("kill -9") for trial in trials) == 2


def test_several_epochs_ends(start: Start, tmp_path: Path) -> None:
    (tmp_path / "foreign.py").write_text(FOREIGN)
    done = start("samebits", "resume-proof", "--only", "stop", "python", "foreign.py", "epochs", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for epoch in (1, 5, 9):
        assert f"stopped at the end of epoch {epoch} (step {4 * epoch}): " in done.stdout


def test_what_fails_by_itself_is_one_line(start: Start, tmp_path: Path) -> None:
    done = start("samebits", "resume-proof", ENTRYPOINT, "train", "--epoch", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert "ended with status 2 where 0 was expected; it said: samebits: No such option" in one_line(
        done.stderr
    )
    assert list(tmp_path.glob("runs/*")) == []
