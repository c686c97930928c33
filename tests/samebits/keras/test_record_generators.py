"""Who drew from a generator in a training in Keras, and in which line of the user's code."""

import json

import pytest

from samebits.diff.command import compare

SCRIPT = """
import random, sys
import keras
import numpy as np

class Draws(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if "callback" in sys.argv and epoch:
            np.random.rand()

class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, at):
        if "data" in sys.argv and at == 2:
            random.random()
        return INPUTS[8 * at : 8 * at + 8], TARGETS[8 * at : 8 * at + 8]

keras.utils.set_random_seed(3)
keras.random.normal((2,))  # Keras makes its global generator
INPUTS = np.random.rand(24, 6).astype("float32")
TARGETS = INPUTS.sum(1, keepdims=True)
inner = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.3), keras.layers.Dense(1)]
model = keras.Sequential([keras.Input((6,)), *inner])
model.compile("sgd", "mse", run_eagerly="eager" in sys.argv)
model.fit(Rows(), shuffle=False, epochs=2, verbose=0, callbacks=[Draws()])
model.train_on_batch(INPUTS + np.random.rand(24, 6), TARGETS)
model.train_on_batch(INPUTS * random.random() + keras.random.normal((24, 6)), TARGETS)
"""
FIT = next(at for at, line in enumerate(SCRIPT.splitlines(), 1) if line.startswith("model.fit"))


@pytest.fixture(scope="module")
def record(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "train.py").write_text(SCRIPT)

    def made(name, *words):
        done = start("samebits", "record", "-o", name, "--", "python", "train.py", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "the record lacks something" not in done.stderr, done.stderr
        return folder / name

    return made


@pytest.fixture(scope="module")
def clean(record):
    return record("clean")


def test_a_callback_that_draws_is_named(record, clean):
    result = compare(clean, record("callback", "callback"))
    assert result.place is not None
    assert (result.place.what, result.place.step) == ("batch", 7)
    cause = result.causes[0]
    assert cause.text.startswith("numpy's generator moved")
    assert cause.where == f"train.py:{FIT}"
    where = f"only in B it moved in code at train.py:{FIT}"
    assert cause.evidence == (f"it is equal after step 3, and differs at the start of step 4: {where}",)


def test_draws_between_steps_have_their_lines(clean):
    (path,) = clean.glob("*.jsonl")
    steps = [
        event for line in path.read_text().splitlines() if (event := json.loads(line))["event"] == "step"
    ]
    moves = [[(name, during, line) for name, _, during, line in step["moves"]] for step in steps]
    lines = [f"train.py:{FIT + number}" for number in range(3)]
    assert moves[:6] == [[]] * 6  # a layer's own generator moves in each step
    assert moves[6:] == [
        [("numpy", f"code from {lines[0]} to {lines[1]}", lines[1])],
        [(name, f"code from {lines[1]} to {lines[2]}", lines[2]) for name in ("python", "keras")],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("words", [("data",), ("data", "eager")])
def test_data_that_draw_are_named(record, clean, words):
    first = record("eager", "eager") if "eager" in words else clean
    result = compare(first, record("-".join(words), *words))
    assert result.place is not None
    assert (result.place.what, result.place.step) == ("batch", 8)
    said = result.causes[0].evidence[0]
    assert "python's generator moved" in result.causes[0].text
    during = "in code at" if "eager" in words else "during a step in a graph, or the batch for it"
    assert f"only in B it moved {during}" in said
