"""A run: its manifest names the chance in it, it warns of the user's own, and refuses it if strict."""

import json

import pytest

from samebits.chance.of_run import lines_of

SCRIPT = """
import os, sys
from dataclasses import dataclass
import torch
import samebits.torch
from samebits import RunSettings, main, option
import helper
from torch.utils.data import DataLoader, Dataset
import numpy as np

class Data(Dataset):
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.tensor([self.rng.random()])

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        # frees memory that is not zero
        del [torch.full((256,), 7.0) for _ in range(64)][:]
        self.gate = torch.nn.Parameter(torch.empty(256))

    def forward(self, x):
        return (x * self.gate).sum()

@dataclass(frozen=True)
class Settings(RunSettings):
    fault: bool = option(False, "draw without a seed")

def train(settings):
    with samebits.torch.open_run(settings) as run:
        # The kernel gives so much memory as zeros, and a run leaves it alone.
        assert not torch.empty(2**24).any()
        model = Net() if settings.fault else torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.checkpoint(model=model, optimizer=optimizer)
        loader = DataLoader(Data(None if settings.fault else 3), batch_size=4, num_workers=1)
        for epoch in run.epochs(2):
            for x in run.batches(loader):
                optimizer.zero_grad()
                model(x).sum().backward()
                optimizer.step()
            if settings.fault and epoch == 1 and "STOP" in os.environ:
                os.kill(os.getpid(), 9)
        helper.draw(settings.fault)
        sys.path.append(os.path.abspath("site-packages"))
        import installed
        installed.draw()
        run.finish(model)

main(train, Settings)
"""
HELPER = """
import random
kept = random.Random()

def draw(fault):
    if fault:
        kept.random()
"""

INSTALLED = "import random\n\ndef draw():\n    random.Random().random()\n"


@pytest.fixture
def train(start, tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages/installed.py").write_text(INSTALLED)

    def train(*options, **variables):
        return start("python", "train.py", "--run", "run", *options, cwd=tmp_path, **variables)

    return train


def test_a_run_names_its_chance_though_it_was_interrupted(train, tmp_path):
    assert train("--fault", STOP="1").returncode != 0
    done = train("--fault")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    named = {row["where"]: row["source"] for row in manifest["chance"] if not row["library"]}
    assert named == {
        "helper.py:3": "random.Random() without a seed",
        "train.py:13": "numpy.random.default_rng() without a seed",
        "train.py:26": "the parameter Net.gate: memory that nobody wrote",
    }
    lines = [line for line in done.stderr.splitlines() if "chance" in line]
    assert lines[0] == (
        "samebits: chance that no seed decides: random.Random() without a seed (helper.py:3): "
        "random.Random(seed)"
    )
    assert len(lines) == 3
    assert not list((tmp_path / "run").glob(".*")), "what the processes wrote is gone"


def test_a_strict_run_refuses_chance_and_a_seeded_one_has_none(train, tmp_path):
    done = train("--strict")
    assert (done.returncode, [line for line in done.stderr.splitlines() if "chance" in line]) == (0, [])
    named = json.loads((tmp_path / "run/manifest.json").read_text())["chance"]
    assert {row["library"] for row in named} == {"installed"}, "a library's is only named in the manifest"
    done = train("--fault", SAMEBITS_STRICT="1")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("samebits: chance that no seed decides: ")
    assert "(train.py:13)" in last or "(train.py:26)" in last


EPOCHS = """
import numpy as np
import samebits.torch
import torch
from samebits.chance import sets

class Each:
    pass

first, second = {Each(), Each()}, {Each(), Each()}
np.array([one for one in first], dtype=object)
for number, folder in enumerate(("run", "again")):
    with samebits.torch.open_run({"seed": 1}, folder=folder) as run:
        for epoch in run.epochs(2):
            for batch in run.batches([torch.ones(1)] * 8):
                pass
            print(epoch, len(sets.slots))
            if epoch == 1:
                np.array([one for one in first], dtype=object)
            else:
                np.array([one for one in second], dtype=object)
        run.finish(torch.nn.Linear(1, 1))
"""


def test_after_the_first_steps_python_is_as_it_was(start, tmp_path):
    (tmp_path / "train.py").write_text(EPOCHS)
    done = start("python", "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line[0] in "12"] == ["1 0", "2 0"] * 2
    for folder in ("run", "again"):
        manifest = json.loads((tmp_path / folder / "manifest.json").read_text())
        assert [(row["kind"], row["count"]) for row in manifest["chance"]] == [("set", 1)]
        assert "the order of sets, after the first 8 steps" in manifest["chance_not_looked_at"]["what"]


def test_of_several_runs_each_source_has_one_line():
    """As `verify` and `smoke` print them; a manifest from before has no list."""
    old = {"source": "joblib's Memory: c/joblib is older than the run", "where": "a.py:3", "fix": "delete it"}
    drawn = {"source": "random.Random() without a seed", "where": "a.py:7", "fix": "random.Random(seed)"}
    assert lines_of([{}, {"chance": [old]}, {"chance": [old, drawn]}]) == (
        "joblib's Memory: c/joblib is older than the run (a.py:3): delete it",
        "random.Random() without a seed (a.py:7): random.Random(seed)",
    )
