"""`samebits record` on trainings in Keras that know nothing of samebits."""

import json
from pathlib import Path

import pytest

from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER, DIGITS, MISSING

TRAININGS = Path(__file__).parent / "record_trainings.py"
# Under it Keras compiles nothing by XLA.
NOT_DETERMINISTIC = {"TF_DETERMINISTIC_OPS": "0", "SAMEBITS_ALLOW": "TF_DETERMINISTIC_OPS"}
ODD = """
import keras
import tensorflow as tf

class Gate(keras.layers.Layer):
    def call(self, inputs, training=None):
        return tf.cond(training, lambda: inputs * 2.0, lambda: inputs)

class Table(keras.layers.Layer):
    def call(self, inputs):
        return inputs["a"] + inputs[1]

gate = Gate()
step = tf.function(lambda inputs, training: gate(inputs, training=training))
print(step(tf.ones(2), tf.constant(True)).numpy())
print(Table()({"a": tf.ones(2), 1: tf.ones(2)}).numpy())
"""
QUICK = ("clipped", "convolutional", "function", "half", "joined")


def steps(events):
    return [event for event in events if event["event"] == "step"]


def tables(events):
    return {event["id"]: event for event in events if event["event"] == "names"}


def train(start, folder, *names, **variables):
    """What the trainings print without and with a record, and the record's events."""
    plain = start("python", TRAININGS, *names, cwd=folder, **variables)
    assert plain.returncode == 0, plain.stderr
    recorded = start(
        "samebits", "record", "-o", "made", "--", "python", TRAININGS, *names, cwd=folder, **variables
    )
    assert recorded.returncode == 0, recorded.stderr
    (path,) = (folder / "made").glob("*.jsonl")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in steps(events):
        known = tables(events)
        for kind in ("parameters", "buffers", "state"):
            assert len(event[kind]) == DIGITS * len(known[event["names"][kind]]["names"])
    *lines, said = recorded.stdout.splitlines()
    assert lines == plain.stdout.splitlines()
    assert said.startswith("recorded in made: 1 process")
    assert "the record lacks something" not in recorded.stderr
    return events


@pytest.fixture(scope="module")
def quick(start, tmp_path_factory):
    return train(start, tmp_path_factory.mktemp("quick"), *QUICK)


def of(events, number):
    """The steps of the optimiser that stepped as this one, from 0."""
    return [event for event in steps(events) if event["optimizer"] == number]


def test_a_step_in_a_graph_is_recorded(quick):
    seen = of(quick, 0)
    assert [step["step"] for step in seen] == [1, 2, 3, 4]
    assert [set(step["gradients"]) for step in seen] == [{AFTER_BACKWARD, AT_OPTIMIZER}] * 4  # clipped
    for name in ("parameters", "state", "losses"):
        assert len({str(step[name]) for step in seen}) == 4
    (call,) = seen[0]["calls"]
    assert (call["module"], call["training"], call["shapes"]) == ("Sequential", True, [[8, 6], [8]])
    assert len(call["rows"]) == 8 * 16
    assert len(call["outputs"]) == DIGITS
    assert seen[0]["lrs"] == [pytest.approx(0.01)]
    known = tables(quick)[seen[0]["names"]["parameters"]]
    assert known["names"] == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    assert known["shapes"][0] == [6, 16]
    assert "dense/kernel.momentums" in tables(quick)[seen[0]["names"]["state"]]["names"]
    assert "model.fit" in line(seen[0])


def line(step):
    number = int(step["line"].rpartition(f"{TRAININGS.name}:")[2])
    return TRAININGS.read_text().splitlines()[number - 1]


def test_what_a_layer_draws_is_seen(quick):
    for step in of(quick, 1):
        before, after = (step["generators"][when] for when in ("before", "after"))
        assert {name for name in after if before[name] != after[name]} == {
            "keras:dropout",
            "keras:random_flip",
        }
        assert {"python", "numpy", "tensorflow seeds"} <= set(before)
    first, second = of(quick, 1)[:2]
    assert first["generators"]["after"] == second["generators"]["before"]
    assert first["buffers"] != second["buffers"]  # of batch normalisation


def test_evaluation_is_no_step(quick):
    seen = [event for event in quick if event["event"] == "evaluation"]
    assert [(event["after"], event["count"], event["training"]) for event in seen[:2]] == [
        ({"0": 4, "1": 4}, 1, [False]),
        ({"0": 4, "1": 8}, 3, [False]),  # of the second epoch, `evaluate` and `predict`
    ]


def test_a_function_of_the_user_is_recorded(quick):
    seen = of(quick, 2)
    assert [step["class"] for step in seen] == ["AdamW"] * 4
    assert [len(step["losses"]) for step in seen] == [1] * 4
    assert "step(inputs, targets)" in line(seen[0])  # not a file that AutoGraph has written
    (initial,) = [e for e in quick if e["event"] == "initial" and e["line"] == seen[0]["line"]]
    assert len(initial["parameters"]) == 4 * DIGITS


def test_a_step_that_is_skipped_is_a_record(quick):
    seen = of(quick, 3)
    assert [step["class"] for step in seen] == ["LossScaleOptimizer"] * 4
    assert all(step["skipped"] for step in seen)
    assert len({step["parameters"] for step in seen}) == 1
    assert not any(step["skipped"] for step in of(quick, 4))


def test_what_tensorflow_joins_is_left_alone_and_named(quick):
    """Reading the gradient of gamma in between would change the last bits of the weights."""
    seen, clipped = of(quick, 5), of(quick, 6)
    names = tables(quick)[seen[0]["names"]["parameters"]]["names"]
    gradients = seen[0]["gradients"][AFTER_BACKWARD]
    digests = [gradients[at : at + DIGITS] for at in range(0, len(gradients), DIGITS)]
    (lacking,) = [name for name, each in zip(names, digests, strict=True) if each == MISSING]
    assert lacking.endswith("batch_normalization/gamma")
    assert MISSING not in clipped[0]["gradients"][AFTER_BACKWARD]  # the norm needs them, too
    assert not clipped[0]["gradients"][AT_OPTIMIZER].strip(".")
    told = [event["what"] for event in quick if event["event"] == "unseen"]
    assert f"the gradient of `{lacking}`, which TensorFlow joins with the next operation" in told


@pytest.mark.slow
def test_recording_changes_no_bit(start, tmp_path):
    names = ["plain", "several", "accumulated", "eager", "recurrent", "hand", "range", "dataset", "batches"]
    events = train(start, tmp_path, *names, "adversarial")
    assert [len(of(events, number)) for number in range(11)] == [4] * 7 + [1] + [4] * 3
    plain, eager = of(events, 0), of(events, 3)
    for step, other in zip(plain, eager, strict=True):
        for name in ("losses", "parameters", "gradients", "lrs"):
            assert step[name] == other[name]
    assert [step["lrs"][0] for step in of(events, 4)] == sorted(
        (step["lrs"][0] for step in of(events, 4)), reverse=True
    )
    told = {event["what"] for event in events if event["event"] == "unseen"}
    told.remove("a loop over a dataset in a graph: loss, gradients and outputs of Sequential")
    assert all(what.endswith(", which TensorFlow joins with the next operation") for what in told), told
    critic, generator = of(events, 9), of(events, 10)
    assert [call["module"] for call in critic[0]["calls"]] == ["Adversarial", "Sequential", "Sequential"]
    assert [len(step["losses"]) for step in critic + generator] == [1] * 8


@pytest.mark.slow
def test_what_xla_compiles_is_seen_from_outside(start, tmp_path):
    events = train(start, tmp_path, "xla", "xla several", "xla function", **NOT_DETERMINISTIC)
    assert [len(of(events, number)) for number in range(3)] == [4] * 3
    for step in steps(events):
        assert step["gradients"] == {}
        assert len(step["calls"]) == 1
        assert step["calls"][0]["shapes"][0] == [8, 6]
    assert {event["what"] for event in events if event["event"] == "unseen"} == {
        "jit_compile=True: loss, gradients and outputs of Sequential"
    }


def test_arguments_that_cannot_be_asked_end_no_program(start, tmp_path):
    (tmp_path / "odd.py").write_text(ODD)
    done = start("samebits", "record", "-o", "made", "--", "python", "odd.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[2. 2.]\n[2. 2.]\n")
    assert "the record lacks something" not in done.stderr
