"""TensorFlow's switches: set whether it has started or not, read back, explained when they stop work."""

import json
import mmap
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import samebits.keras
from samebits.keras import explain

Start = Callable[..., subprocess.CompletedProcess[str]]

FIRST = """
import json, keras, samebits.keras, tensorflow as tf
before = samebits.keras.determinism()
samebits.keras.make_deterministic()
samebits.keras.make_deterministic(check=True)
print(json.dumps([before, samebits.keras.determinism()]))
keras.random.normal((2,))  # has a generator of its own
tf.random.normal((2,))
"""


def test_before_tensorflow_has_started(start: Start) -> None:
    done = start(
        "python",
        "-c",
        FIRST,
        SAMEBITS_THREADS="2",
        SAMEBITS_ALLOW="TF_DETERMINISTIC_OPS",
        TF_DETERMINISTIC_OPS="0",
    )
    before, after = json.loads(done.stdout)
    assert before["deterministic_operations"] is False
    assert before["tf32"] is True
    assert after == before | {
        "deterministic_operations": True,
        "tf32": False,
        "intra_op_threads": 2,
        "inter_op_threads": 1,
    }
    assert (after["backend"], after["floatx"], after["jit"]) == ("tensorflow", "float32", "")
    assert after["fill_uninitialized_memory"] is None
    # Nobody caught it: the traceback, then our line, once.
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "samebits: a random operation of TensorFlow draws without a seed; "
        "call samebits.seed_everything(seed) first, or use keras.random or tf.random.stateless_*"
    )
    assert done.stderr.count("samebits: a random operation") == 1


LATER = """
import json, keras, samebits.keras, tensorflow as tf
tf.random.normal((2,))  # TensorFlow has started, and nothing is refused
samebits.keras.make_deterministic()
result = {"state": samebits.keras.determinism(), "lines": []}
@tf.function
def in_a_graph():
    return tf.timestamp()
for draw in (
    lambda: tf.random.normal((2,)),
    lambda: tf.random.Generator.from_non_deterministic_state(),
    lambda: tf.image.sample_distorted_bounding_box([4, 4, 3], [[[0.0, 0, 1, 1]]]),
    lambda: tf.timestamp(),
    in_a_graph,
    lambda: tf.constant(1) + "a",
):
    try:
        draw()
        result["lines"].append("no error")
    except Exception as error:
        result["lines"].append(samebits.keras.explain(error))
keras.config.backend = lambda: "torch"
try:
    samebits.keras.make_deterministic()
except samebits.UsageError as error:
    result["backend"] = str(error)
print(json.dumps(result))
"""


def test_after_tensorflow_has_started(start: Start) -> None:
    done = start("python", "-c", LATER, SAMEBITS_ALLOW="TF_DETERMINISTIC_OPS", TF_DETERMINISTIC_OPS="0")
    result = json.loads(done.stdout)
    assert result["state"]["deterministic_operations"] is True
    assert result["state"]["tf32"] is False
    random, generator, box, eager_time, graph_time, other = result["lines"]
    assert random.startswith(
        "a random operation of TensorFlow draws without a seed; call samebits.seed_every"
    )
    assert generator.startswith("tf.random.Generator.from_non_deterministic_state draws without a seed; use ")
    assert "use tf.image.stateless_sample_distorted_bounding_box" in box
    assert eager_time == graph_time
    assert graph_time.startswith(
        "tf.timestamp has no deterministic kernel here; take the time outside of the"
    )
    assert other is None
    assert result["backend"].startswith("KERAS_BACKEND is 'torch', it must be 'tensorflow'")


IN_A_GRAPH = (
    "Graph execution error:\n\nDetected at node gradients/m/{} defined at (most recent call last):\n\n"
)


# TensorFlow raises these on a GPU only; the words are looked for in its library below.
@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "Deterministic GPU implementation of unsorted segment reduction op not available. [Op:Sum]",
            "tf.math.unsorted_segment_sum or a similar operation has no deterministic kernel here; multiply",
        ),
        (
            IN_A_GRAPH.format("Dilation")
            + "Determinism is not yet supported for Dilation2DBackpropInput.\n\t [[{{",
            "the gradient of tf.nn.dilation2d has no deterministic kernel here; run that part on the CPU",
        ),
        (
            IN_A_GRAPH.format("New_1")
            + "{{function_node a}} A deterministic GPU implementation of New is not "
            "currently available.",
            "New_1 has no deterministic kernel here (A deterministic GPU implementation of New is not "
            "currently available); use another operation, or run that part on the CPU (`with",
        ),
        (
            "{{function_node __wrapped__New_device}} Determinism is not yet supported for New. "
            "[Op:New] name: ",
            "New has no deterministic kernel here (Determinism is not yet supported for New); use another",
        ),
        ("matrix is not invertible", None),
        ("my own word on determinism", None),
    ],
    ids=["eager", "graph", "unknown-graph", "unknown-eager", "other", "not-tensorflow"],
)
def test_explain(message: str, line: str | None) -> None:
    explained = explain(RuntimeError(message))
    if line is None or explained is None:
        assert explained is line
    else:
        assert explained.startswith(line)
        assert "\n" not in explained


def test_tensorflow_still_says_what_is_explained() -> None:
    import importlib.util

    from samebits.keras.errors import NO_KERNEL

    spec: Any = importlib.util.find_spec("tensorflow")
    with open(Path(spec.origin).parent / "libtensorflow_cc.so.2", "rb") as file:
        library = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert [words for words, _, _ in NO_KERNEL if library.find(words.encode()) < 0] == []


def test_names_are_loaded_late(start: Start) -> None:
    done = start(
        "python", "-c", "import sys, samebits.keras; print('tensorflow' in sys.modules, dir(samebits.keras))"
    )
    assert done.stdout.startswith("False")
    assert "make_deterministic" in done.stdout
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        samebits.keras.nonsense  # noqa: B018
