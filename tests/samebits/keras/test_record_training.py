"""What a recorder of Keras sees, where no command records it."""

import gc
import sys
import weakref
from types import SimpleNamespace

import pytest

tf = pytest.importorskip("tensorflow")

import keras  # noqa: E402

from samebits.keras import record_training  # noqa: E402
from samebits.keras.record_training import Evaluated, Training  # noqa: E402
from samebits.keras.record_values import Values  # noqa: E402
from samebits.record.values import NONE  # noqa: E402


@pytest.fixture
def lines():
    return []


@pytest.fixture
def training(lines):
    return Training(lines.append, lambda: True, Values(SimpleNamespace(values=NONE)))


def test_an_evaluation_that_another_thread_ends_is_written_once(training, lines, monkeypatch):
    training._evaluated = Evaluated("train.py:1", {})
    generators = {"python": "0" * 32}

    def read(during, frame):
        training._end_evaluation()  # as a step does that runs in a graph
        return generators

    monkeypatch.setattr(training, "_all_generators", read)
    training.after_function(sys._getframe())
    training._end_evaluation()
    assert [line["event"] for line in lines] == ["evaluation"]


def test_generators_of_layers_that_a_model_gets_late_are_seen(training):
    class Late(keras.Model):
        def build(self, shape):
            self.dropout = keras.layers.Dropout(0.5)
            self.built = True

    model = Late()
    assert "keras:dropout" not in training._states([model])
    model.build((None, 3))
    assert "keras:dropout" in training._states([model])


def test_what_a_graph_cannot_show_of_an_evaluation_is_named(training, lines):
    def graph(inputs):
        outputs = tf.exp(inputs)
        joined = tf.math.log(outputs) + 1.0
        training.evaluate("Net", False, inputs, {1: outputs, "name": None}, sys._getframe())
        return joined

    tf.function(graph, autograph=False).get_concrete_function(tf.ones((3, 3)))
    what = "the outputs of Net, which TensorFlow joins with the next operation"
    assert lines == [{"event": "unseen", "what": what}]


def test_what_a_graph_cannot_show_of_a_call_is_named(training, lines):
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build([])

    def graph(inputs):
        outputs = tf.exp(inputs)
        joined = tf.math.log(outputs) + 1.0
        call = {"module": "Net", "training": True, "arguments": inputs, "outputs": [outputs]}
        training._step(optimizer, {"calls": [call], "losses": [], "before": {}}, [], sys._getframe())
        return joined

    tf.function(graph, autograph=False).get_concrete_function(tf.ones((3, 3)))
    what = "the outputs of Net, which TensorFlow joins with the next operation"
    assert lines == [{"event": "unseen", "what": what}]


def test_a_model_with_the_identity_of_one_that_is_gone_is_another_one(training, monkeypatch):
    class Net:
        def __init__(self, buffers):
            self.buffers = buffers

    monkeypatch.setattr(record_training, "buffers", lambda model: model.buffers)
    optimizer, trained = keras.optimizers.SGD(0.1), record_training.Trained(0)
    optimizer.build([])
    model = Net([("mean", object())])
    training._parts_of(optimizer, trained, [model])
    before = id(model)
    del model
    kept = []
    while id(model := Net([("variance", object())])) != before:
        kept.append(model)
        assert len(kept) < 10_000
    _, buffers, _ = training._parts_of(optimizer, trained, [model])
    assert list(buffers) == ["variance"]


def test_a_model_that_is_gone_is_not_kept(training, monkeypatch):
    monkeypatch.setattr(training, "_write_settings", lambda: None)
    whole = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    part = keras.Model(whole.inputs, whole.layers[0].output)
    training.before_call(part, tf.ones((2, 3)), True, sys._getframe())
    (called,) = training.thread.seen.models
    assert (called.model, called.left()) == (part, {})
    gone = weakref.ref(part)
    del part
    gc.collect()
    assert gone() is None
    held = {id(variable._value) for variable in whole.non_trainable_variables}
    assert {id(buffer) for buffer in called.left().values()} == held  # the other model has them still
    assert len(held) == 2
