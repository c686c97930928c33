"""`samebits record` on fastai's and pytorch-tabnet's own loops.

Neither is in a lock: the test installs them into a folder of its own, beside the environment's torch.
"""

import re
import subprocess

import pytest
from tests.samebits.torch.test_fastai import PACKAGES, UV
from tests.samebits.torch.test_record import read, steps

from samebits.diff.command import compare

FASTAI = """
import hashlib, os, random, sys
sys.path.append(os.environ["PACKAGES"])
import torch
from torch import nn
from fastai.callback.schedule import Learner
from fastai.data.core import DataLoaders
from fastai.metrics import accuracy

torch.manual_seed(1)
random.seed(1)  # fastai shuffles by it
inputs = torch.randn(32, 4)
data = list(zip(inputs, (inputs.sum(1) > 0).long()))
loaders = DataLoaders.from_dsets(data[:24], data[24:], bs=8, device=torch.device("cpu"), num_workers=0)
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 2))
learner = Learner(loaders, model, nn.CrossEntropyLoss(), metrics=accuracy)
with learner.no_bar(), learner.no_logging():
    learner.fit_one_cycle(2, 0.02 if "fault" in sys.argv else 0.01)
print(hashlib.sha256(model[0].weight.detach().numpy().tobytes()).hexdigest())
"""

TABNET = """
import hashlib, os, sys
sys.path.append(os.environ["PACKAGES"])
import numpy as np
from pytorch_tabnet.tab_model import TabNetClassifier

inputs = np.random.default_rng(1).standard_normal((64, 5)).astype("f4")
labels = (inputs.sum(1) > 0).astype(int)
if "fault" in sys.argv:
    labels[3] = 1 - labels[3]
network = TabNetClassifier(n_d=4, n_a=4, n_steps=2, seed=1, verbose=0, device_name="cpu")
network.fit(
    inputs, labels, eval_set=[(inputs, labels)], max_epochs=2, batch_size=16, virtual_batch_size=8
)
weights = network.network.state_dict()
print(hashlib.sha256(b"".join(value.numpy().tobytes() for value in weights.values())).hexdigest())
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed") / "site-packages"  # by its name, this is no user's code
    command = [UV, "pip", "install", "--quiet", "--no-deps", "--target", folder, *PACKAGES]
    installed = subprocess.run([*command, "pytorch-tabnet==4.1.0"], capture_output=True, text=True)
    if installed.returncode != 0:
        pytest.skip(f"they cannot be installed here: {installed.stderr.strip().splitlines()[-1:]}")
    return str(folder)


def recorded(start, folder, packages, script):
    """The events of a training that has the same bits without a record, and what its fault is told as."""
    (folder / "train.py").write_text(script)
    plain = start("python", "train.py", cwd=folder, PACKAGES=packages)
    (expected,) = re.findall("^[0-9a-f]{64}$", plain.stdout, re.MULTILINE)
    for name, *words in (("made",), ("again",), ("faulty", "fault")):
        command = ("samebits", "record", "-o", name, "--", "python", "train.py", *words)
        done = start(*command, cwd=folder, PACKAGES=packages)
        assert done.returncode == 0, done.stderr
        assert "lacks something" not in done.stderr
        assert ([expected] == re.findall("^[0-9a-f]{64}$", done.stdout, re.MULTILINE)) == (not words)
    (events,) = read(folder / "made")
    assert compare(folder / "made", folder / "again").place is None
    return events, compare(folder / "made", folder / "faulty")


def at(script, words):
    return next(f"train.py:{at}" for at, text in enumerate(script.splitlines(), 1) if words in text)


@pytest.mark.slow
def test_fastai(start, tmp_path, packages):
    """Its optimisers inherit nothing from torch's."""
    events, result = recorded(start, tmp_path, packages, FASTAI)
    seen = steps(events)
    assert [step["epoch"] for step in seen] == [1, 1, 1, 2, 2, 2]
    for step in seen:
        assert [call["module"] for call in step["calls"]] == ["Sequential", "CrossEntropyLoss"]
        assert step["line"] == at(FASTAI, "fit_one_cycle(")
        assert set(step["gradients"]) == {"after backward"}
    assert seen[0]["state"] != seen[1]["state"] != ""
    during = {move[2] for event in events for move in event.get("moves", ())}
    assert "iter() of a data loader" in during
    assert (result.place.what, result.place.step) == ("learning rate", 1)
    assert (result.causes[0].kind, result.causes[0].where) == ("schedule", at(FASTAI, "fit_one_cycle("))


@pytest.mark.slow
def test_pytorch_tabnet(start, tmp_path, packages):
    events, result = recorded(start, tmp_path, packages, TABNET)
    seen = steps(events)
    assert len(seen) == 8
    assert {step["line"] for step in seen} == {at(TABNET, "network.fit(")}
    # It evaluates with gradients, and on a loader of its own: nobody knows which of the two gives the epoch.
    assert [step["epoch"] for step in seen] == [1, 1, 1, 1, None, 2, 2, 2]
    assert [call["training"] for call in seen[4]["calls"]] == [False] * 4 + [True]
    assert (result.place.what, result.causes[0].kind) == ("loss", "loss")
    assert result.place.equal[0] == "the model's output"
