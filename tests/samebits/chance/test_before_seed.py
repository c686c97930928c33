"""What was drawn before a run gave its seeds is in its manifest, and so is what nobody saw."""

import json

EARLY = """
import numpy as np
import torch
import helper
import samebits.torch
import random
from samebits import RunSettings, main
from random import shuffle

was = random.random
random.random()  #!
shuffle([1, 2])  #!
np.random.rand()  #!
model = torch.nn.Linear(4, 1)  #!

class Layer(torch.nn.Linear):
    pass

def train(settings):
    with samebits.torch.open_run(settings) as run:
        random.random(), np.random.rand(), torch.rand(3), shuffle([1, 2])
        parts = {Layer(2, 2), Layer(2, 2), Layer(2, 2)}
        model = torch.nn.Sequential(*[part for part in parts])  #!
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in run.epochs(1):
            for x in run.batches([torch.ones(2, 2)]):
                assert random.random is not was and np.random.rand.__self__ is np.random.mtrand._rand
                model(x).sum().backward()
                optimizer.step()
        run.finish(model)

main(train, RunSettings)
"""
HELPER = """
import numpy as np

table = np.random.rand(3)
"""


def test_a_run_names_what_came_before_its_seed(start, tmp_path):
    (tmp_path / "train.py").write_text(EARLY)
    (tmp_path / "helper.py").write_text(HELPER)
    done = start("python", "train.py", "--run", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    named = [(row["kind"], row["where"]) for row in manifest["chance"]]
    lines = [number for number, line in enumerate(EARLY.splitlines(), 1) if line.endswith("#!")]
    kinds = ["global generator"] * 4 + ["set"]
    assert named == [(kind, f"train.py:{line}") for kind, line in zip(kinds, lines, strict=True)]
    assert manifest["chance_not_looked_at"] == {
        "what": ["what helper.py did when it was imported, before samebits was imported"],
        "command": "samebits watch -- python train.py --run run",
    }


UNSEEN = """
import numpy as np
import torch
np.random.rand(), torch.rand(1)
import samebits.torch
from samebits.chance.records import RECORDS

with samebits.torch.open_run({"seed": 1}, folder="run") as run:
    for source in RECORDS.counts:
        print(source.source, source.line, source.certain, sep=", ")
    run.finish(torch.nn.Linear(1, 1))
with samebits.torch.open_run({"seed": 1}, folder="again") as run:
    run.finish(torch.nn.Linear(1, 1))
"""


def test_what_was_drawn_before_samebits_came_is_told_by_the_generators(start, tmp_path):
    (tmp_path / "train.py").write_text(UNSEEN)
    done = start("python", "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:3] == [
        "NumPy's global generator before it had a seed, 8, False",
        "torch's global generator before it had a seed, 8, False",
    ]
    assert "chance" not in done.stderr, "it may decide nothing"
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["chance_not_looked_at"]["what"] == [
        "what train.py did above its line 5, before samebits was imported"
    ]
