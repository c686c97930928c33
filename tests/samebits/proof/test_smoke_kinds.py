"""`samebits smoke` on real trainings: state that no checkpoint holds, and memory that nobody wrote."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, Started, one_line

pytestmark = pytest.mark.skipif("torch" not in FRAMEWORKS, reason="its training is one in torch")

Start = Callable[..., Started]

# A training that is right, and has the fault that its option names.
TRAINING = """
from dataclasses import dataclass
import numpy, torch
from torch.utils.data import DataLoader, TensorDataset
import samebits, samebits.torch

@dataclass(frozen=True)
class Settings(samebits.RunSettings):
    fault: str = samebits.option("", "what is wrong")

class Net(torch.nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.empty(48) if fault == "parameter" else torch.ones(48))
        self.inner = torch.nn.Sequential(torch.nn.Linear(48, 24), torch.nn.Tanh(), torch.nn.Dropout(0.1))
        self.outer = torch.nn.Linear(24, 1)

    def forward(self, x):
        return self.outer(self.inner(x * self.scale))

def data(fault):
    x = numpy.empty((96, 48), dtype="float32")
    x[: -1 if fault == "batch" else None] = numpy.random.default_rng(7).standard_normal(48)
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(x).sum(1))

def warmup(optimizer):
    calls = 0
    def step():
        nonlocal calls
        calls += 1
        optimizer.param_groups[0]["lr"] = 0.01 * min(1, calls / 20)
    return step

def train(settings):
    fault = settings.fault
    with samebits.torch.open_run(settings) as run:
        own = run.loader(data(fault), batch_size=8, shuffle=True)
        loader = DataLoader(data(fault), batch_size=8) if fault == "no place" else own
        model = Net(fault)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        warm = warmup(optimizer)
        run.checkpoint(model=model, optimizer=optimizer)
        for epoch in run.epochs(2):
            seen = 0
            for number, (x, y) in enumerate(run.batches(loader)):
                if fault == "closure":
                    warm()
                loss = (model(x)[:, 0] - y).pow(2).mean()
                loss.backward()
                if fault != "enumerate" or number % 3 == 2:
                    optimizer.step()
                    optimizer.zero_grad()
                seen += len(x)
                run.average(loss=loss)
            run.log(seen=seen if fault == "sum" else 0)
        run.finish(model)

samebits.main(train, Settings)
"""
FORGETS = "samebits: not the same bits: repeats, but does not resume: "
MOVES = "samebits: not the same bits: does not repeat: 3 runs, "


@pytest.mark.parametrize(
    ("fault", "says", "shows"),
    [
        ("closure", FORGETS, "between run 1 and run 2, stopped after step "),
        *(
            pytest.param(*values, marks=pytest.mark.slow)
            for values in (
                ("parameter", MOVES, "the parameter Net.scale: memory that nobody wrote (train.py:"),
                ("enumerate", FORGETS, "first difference: "),
                ("sum", FORGETS, "first difference: line 2 of metrics.jsonl, seen: 96 in A, "),
                ("batch", MOVES, "all runs but the first agree: memory that nobody wrote "),
                ("", "", "after step 19, and again after step 23 and resumed, sha256 "),
                ("no place", "", "and again after step 23 and resumed after step 12, sha256 "),
            )
        ),
    ],
)
def test_a_kind_of_fault(start: Start, tmp_path: Path, fault: str, says: str, shows: str) -> None:
    (tmp_path / "train.py").write_text(TRAINING)
    command = ("samebits", "smoke", "python", "train.py", "--fault", fault, "--device", "cpu")
    done = start(*command, cwd=tmp_path, RUNS=None, JOBS=None, NO_RESUME=None)
    assert done.returncode == (1 if says else 0), done.stdout + done.stderr
    assert not says or one_line(done.stderr).startswith(says)
    assert shows in done.stdout
