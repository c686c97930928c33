"""The proofs on a training in Keras that knows nothing of samebits."""

import json
import subprocess

import pytest
from tests.conftest import SOMEBODY

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow

TRAINING = """
import os
import sys

import keras
import numpy as np

seeds = [word.partition("=")[2] for word in sys.argv if word.startswith("--seed=")]
keras.utils.set_random_seed(int(seeds[0]) if seeds else 0)
if os.path.exists("moving"):
    np.random.seed()
    keras.utils.set_random_seed(np.random.randint(9999))
inputs = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
inner = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
model = keras.Sequential([keras.Input((6,)), *inner])
model.compile("adam", "mse")
model.fit(inputs, inputs.sum(1), batch_size=8, epochs=2, verbose=0)
model.save("model.keras")
"""


@pytest.fixture(scope="module")
def place(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "train.py").write_text(TRAINING)
    (folder / ".gitignore").write_text("runs\nmoving\n*.keras\n")
    for words in (["init", "-q"], ["add", "."], [*SOMEBODY, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def moving(place):
    (place / "moving").touch()
    yield
    (place / "moving").unlink()


def test_smoke_compares_steps_and_what_was_saved(start, place):
    done = start("samebits", "smoke", "--files", "*.keras", "--", "python", "train.py", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same bits: 2 runs, 8 steps each, 1 file each" in done.stdout


def test_smoke_names_what_moves(start, place, moving):
    done = start("samebits", "smoke", "--json", "--", "python", "train.py", cwd=place)
    assert done.returncode == 1, done.stderr
    verdict = json.loads(done.stdout)["verdict"]
    assert verdict["first_difference"]["name"] == "dense/kernel"
    assert any("numpy.random.seed()" in cause["text"] for cause in verdict["causes"]), verdict


def test_each_seed_is_another_training(start, place):
    words = ("samebits", "seeds", "--count", 2, "--json", "--", "python", "train.py", "--seed={seed}")
    done = start(*words, cwd=place)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len({run["sha256"] for run in told["runs"]}) == 2
    losses = [run["metrics"]["loss"] for run in told["runs"]]  # of each epoch: that of a step is not seen
    assert told["metrics"]["loss"]["mean"] == pytest.approx(sum(losses) / 2)


def test_a_record_is_verified(start, place):
    made = start("samebits", "record", "-o", "runs/one", "--", "python", "train.py", cwd=place)
    assert made.returncode == 0, made.stderr
    done = start("samebits", "verify", "runs/one", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("same bits: 8 steps, weights ")


def test_the_matrix_tries_what_applies(start, place):
    only = [word for axis in ("process", "threads", "resumed") for word in ("--only", axis)]
    done = start("samebits", "matrix", "--json", *only, "--", "python", "train.py", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = {(trial["axis"], trial["outcome"]) for trial in json.loads(done.stdout)["trials"]}
    assert outcomes == {("process", "ok"), ("threads", "ok"), ("resumed", "skipped")}
