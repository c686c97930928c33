"""`samebits record --values` in Keras: the tensors are those of the digests, and no bit changes."""

import json
from pathlib import Path

import pytest
from tests.samebits.record.stored import check

from samebits.diff.command import compare
from samebits.record.values import file_name

TRAININGS = Path(__file__).parent / "record_trainings.py"
# In one process: a graph, a graph with parts that nobody can read, and eager steps.
KINDS = ("plain", "half", "adversarial", "hand")
# Equal but for the last bits of the second one's third batch.
SCRIPT = """
import sys
import keras
import numpy as np

keras.utils.set_random_seed(3)
rows = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
eager = "eager" in sys.argv
if "other" in sys.argv:
    rows[17, :3] = np.nextafter(rows[17, :3], np.float32(9))
model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=eager)
model.fit(rows, rows.sum(1), batch_size=8, shuffle=False, verbose=0)
"""


def events_of(folder):
    (jsonl,) = folder.glob("*.jsonl")
    events = [json.loads(line) for line in jsonl.read_text().splitlines()]
    return jsonl, events, {event["id"]: event for event in events if event["event"] == "names"}


def record(start, folder, name, steps, *words):
    done = start("samebits", "record", "--values", steps, "-o", name, "--", "python", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "samebits" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_the_tensors_of_the_asked_steps_have_the_recorded_digests(start, tmp_path):
    plain = start("python", TRAININGS, *KINDS, cwd=tmp_path)
    *printed, said = record(start, tmp_path, "made", "2:2", TRAININGS, *KINDS)
    assert printed == plain.stdout.splitlines()
    jsonl, events, tables = events_of(tmp_path / "made")
    asked = [event for event in events if event["event"] == "step" and event["step"] == 2]
    names = {file_name(jsonl.stem, event["optimizer"], 2): event for event in asked}
    assert {path.name for path in (tmp_path / "made").glob("*.safetensors")} == set(names)
    assert f"; tensors of {len(asked)} steps, " in said
    seen = [check(tmp_path / "made" / name, event, tables) for name, event in names.items()]
    # Four parameters with a gradient each; the batch, its targets, output and loss; SGD's own count of steps.
    assert seen[0] == 4 * 2 + 4 + 1
    assert min(seen) > 4


@pytest.mark.parametrize("eager", [(), pytest.param(("eager",), marks=pytest.mark.slow)])
def test_diff_says_how_many_elements_differ(start, tmp_path, eager):
    (tmp_path / "train.py").write_text(SCRIPT)
    record(start, tmp_path, "first", "2:3", "train.py", *eager)
    record(start, tmp_path, "second", "2:3", "train.py", *eager, "other")
    result = compare(tmp_path / "first", tmp_path / "second")
    assert result.verdict.startswith("first difference: step 3")
    assert result.verdict.endswith("; 3 of 48 elements differ, by at most 1 ULP"), result.verdict


@pytest.mark.slow
def test_no_bit_of_any_kind_of_training_changes(start, tmp_path):
    plain = start("python", TRAININGS, cwd=tmp_path)
    *printed, _ = record(start, tmp_path, "made", "1:3", TRAININGS)
    assert printed == plain.stdout.splitlines()
    assert len(list((tmp_path / "made").glob("*.safetensors"))) > 40
