"""Memory of torch's old constructors and of NumPy: a parameter that nobody writes is named by its line."""

import inspect
import json

import torch
from tests.samebits.chance.conftest import marked

from samebits.chance.unshown_memory import watch

PARAMETERS = """
import copy, pickle, sys
import numpy as np
import torch
from torch import nn

class Own(torch.Tensor):
    pass

N, WIDTH = 256, torch.Size([256])
in_a_run = "run" in sys.argv
if in_a_run:
    import samebits.torch

def watched():
    return ["__new__" in vars(torch.Tensor), hasattr(nn.Parameter.__new__, "__wrapped__")]

def used():
    # Frees memory that is not zero: a run leaves it as it is.
    del [[torch.full((N,), 7.0), np.full(N, 7.0, np.float32)] for _ in range(64)][:]

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.n, like = N, torch.ones(1)
        used()
        self.old = nn.Parameter(torch.Tensor(N))  #!
        self.typed = nn.Parameter(torch.FloatTensor(16, 16))  #!
        self.of_size = nn.Parameter(torch.FloatTensor(WIDTH))  #!
        self.product = nn.Parameter(data=torch.Tensor(2 * N))  #!
        self.named = nn.Parameter(torch.FloatTensor(self.n), requires_grad=True)  #!
        self.new = nn.Parameter(like.new(N))  #!
        self.new_empty = nn.Parameter(like.new_empty(N))  #!
        self.cast = nn.Parameter(torch.DoubleTensor(N).float().reshape(16, 16))  #!
        used()
        self.of_numpy = nn.Parameter(torch.from_numpy(np.empty(N, np.float32)))  #!
        rows = np.empty_like(np.ones(N, np.float32))
        self.rows = nn.Parameter(torch.tensor(rows))  #!
        self.list = nn.ParameterList([nn.Parameter(torch.Tensor(N)) for _ in range(2)])  #!
        kept = torch.Tensor(N)  #!
        self.kept = nn.Parameter(kept)
        self.values = nn.Parameter(torch.Tensor([1.0, 2.0]))
        self.of_values = nn.Parameter(torch.FloatTensor([[1.0, 2.0]]))
        self.new_values = nn.Parameter(like.new([3.0, 4.0]))
        written = np.empty(N, np.float32)
        written[:] = 3.0
        self.written = nn.Parameter(torch.from_numpy(written))
        self.later = nn.Parameter(torch.FloatTensor(N))
        nn.init.normal_(self.later)
        self.at_once = nn.Parameter(torch.Tensor(N).normal_())

def train():
    torch.manual_seed(0)
    assert watched() == [True, True]
    model = Net()
    again = copy.deepcopy(model), pickle.loads(pickle.dumps(model.old))
    assert type(again[1]) is nn.Parameter and torch.equal(again[0].later, model.later)
    assert isinstance(model.typed, torch.FloatTensor)
    assert isinstance(Own(3), Own) and repr(Own.__base__) == "<class 'torch.Tensor'>"
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimizer.step()
    assert watched() == [False, False]
    assert Own(3).shape == torch.Tensor(3).shape and torch.Tensor([1.0]).item() == 1.0
    return model

if in_a_run:
    with samebits.torch.open_run({"seed": 0}, folder="run") as run:
        run.finish(train())
else:
    train()
"""


def test_watch_names_each_parameter_that_nobody_wrote(watched) -> None:
    named = watched(PARAMETERS)
    places = [row["where"] for row in named]
    assert list(dict.fromkeys(places)) == marked(PARAMETERS)
    assert len(places) == len(set(places)) + 1  # two in a list
    assert {(row["kind"], row["certain"]) for row in named} == {("memory", True)}
    assert named[0]["source"] == "the parameter Net.old: memory that nobody wrote"


def test_a_run_names_them_where_the_memory_was_used_before(start, tmp_path) -> None:
    (tmp_path / "train.py").write_text(PARAMETERS)
    done = start("python", "train.py", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "run/manifest.json").read_text())["chance"]
    named = [row["where"] for row in rows]
    lines = marked(PARAMETERS)
    assert set(named) <= set(lines)
    # The kernel's fresh memory is zeros, and so may some of these be.
    assert {lines[0], lines[1], lines[8]} <= set(named)
    assert "samebits: chance that no seed decides: the parameter Net.old" in done.stderr


def parameters(function):
    """Those that torch._dynamo compares where it is imported: of `*args` and `**kwargs` no name."""
    said = inspect.signature(function).parameters.values()
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [(each.kind, "" if each.kind in several else each.name, each.default) for each in said]


def test_what_is_watched_has_the_parameters_that_it_had():
    constructors = torch.Tensor, torch.nn.Parameter
    before = [parameters(each.__new__) for each in constructors]
    end = watch(fill=False)
    try:
        assert [parameters(each.__new__) for each in constructors] == before
        assert torch.Tensor.__new__.__module__ == watch.__module__
    finally:
        end()
    assert [parameters(each.__new__) for each in constructors] == before
