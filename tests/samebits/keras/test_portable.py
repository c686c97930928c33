"""The portable profile in TensorFlow: what it computes otherwise, what it refuses, and what it knows."""

import json

import pytest

from samebits.keras import portable
from samebits.keras.portable_shown import EXACT, SHOWN

SCRIPT = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import samebits.keras, keras, numpy as np, tensorflow as tf
from tensorflow.python.framework import op_callbacks
plain = {name: getattr(tf.nn if name in ("softmax", "gelu") else tf.math, name)
         for name in ("rsqrt", "reciprocal", "softmax", "gelu")}
x = tf.constant(np.linspace(0.01, 5, 700, dtype="float32").reshape(7, 100))
matrices = tf.constant(np.random.default_rng(7).normal(size=(2, 9, 5)).astype("float32"))
before = {name: function(x).numpy() for name, function in plain.items()}
before["qr"] = tf.linalg.qr(matrices).r.numpy()
before["inverse"] = tf.linalg.inv(matrices[:, :5], adjoint=True).numpy()
samebits.keras.make_deterministic()
samebits.keras.make_deterministic()
kinds = set()

def collect(kind, inputs, attributes, outputs, *_, **__):
    kinds.add(kind.decode() if isinstance(kind, bytes) else kind)
    return outputs

op_callbacks.add_op_callback(collect)
"""

SAME = (
    SCRIPT
    + """
after = {name: getattr(tf.nn if name in ("softmax", "gelu") else tf.math, name)(x).numpy() for name in plain}
after["qr"] = tf.linalg.qr(matrices).r.numpy()
after["inverse"] = tf.linalg.inv(matrices[:, :5], adjoint=True).numpy()
print(json.dumps({name: float(np.abs(np.abs(after[name]) - np.abs(before[name])).max()) for name in after}))

@tf.function
def gradients(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.math.log(x) + tf.math.rsqrt(x) + tf.nn.softmax(x) + keras.activations.gelu(x)
        y += keras.layers.LayerNormalization()(x)
    return tape.gradient(y, x)

keras.layers.LSTM(4)(x[None])
with tf.init_scope():
    layer = keras.layers.BatchNormalization()
    layer(x, training=True)
whole = tf.function(lambda x: tf.linalg.qr(x, full_matrices=True).q)(matrices)
print(json.dumps([whole.shape.as_list(), bool(np.isfinite(whole).all())]))
print(json.dumps(sorted(kinds)))
print(json.dumps(samebits.keras.determinism()["portable_kernels"]))
"""
)


@pytest.mark.parametrize("profile", ["portable", "run"])
def test_what_is_computed_otherwise_is_right(start, profile):
    done = start("python", "-c", SAME, PROFILE=profile)
    assert done.returncode == 0, done.stderr
    differences, finite, kinds, routed = map(json.loads, done.stdout.splitlines())
    assert set(differences) == {"rsqrt", "reciprocal", "softmax", "gelu", "qr", "inverse"}
    assert max(differences.values()) < 1e-5
    assert finite == [[2, 9, 9], True]
    assert routed is (profile == "portable")
    approximate = {"Rsqrt", "Reciprocal", "Softmax", "Erfc", "Qr", "MatrixInverse"}
    assert approximate & set(kinds) == (set() if routed else approximate)


REFUSED = (
    SCRIPT
    + """
import tempfile

class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None,))])
    def __call__(self, x):
        return tf.atan(x)

def saved():
    with tempfile.TemporaryDirectory() as folder:
        allowed, samebits.keras.portable.SHOWN = samebits.keras.portable.SHOWN, {"Atan", "ShardedFilename"}
        try:
            tf.saved_model.save(Model(), folder)
        finally:
            samebits.keras.portable.SHOWN = allowed
        tf.saved_model.load(folder)

def differentiated(function):
    with tf.GradientTape() as tape:
        tape.watch(matrices)
        y = function(matrices[:, :5])
    tape.gradient(y, matrices)

tried = {
    "Atan of float32": lambda: tf.atan(x),
    "Atan2 of float32": lambda: tf.function(tf.atan2)(x, x),
    "Erfc of float32": lambda: tf.function(lambda: keras.layers.Lambda(tf.math.erfc)(x))(),
    "MatMul of float64": lambda: tf.matmul(tf.ones((3, 3), "float64"), tf.ones((3, 3), "float64")),
    "MatMul of bfloat16": lambda: tf.function(lambda x: tf.matmul(x, x))(tf.ones((3, 3), "bfloat16")),
    "Atan of float32, from a file": saved,
    "XLA": lambda: tf.function(tf.sin, jit_compile=True)(x),
    "XLA of Keras": lambda: keras.layers.Conv2D(4, 3, groups=2)(tf.ones((1, 5, 5, 2))),
    "Rsqrt of float32": lambda: plain["rsqrt"](x) if plain["rsqrt"].__module__.endswith("gen_math_ops")
        else tf.raw_ops.Rsqrt(x=x),
    "QrGrad": lambda: differentiated(lambda m: tf.linalg.qr(m).r),
    "MatrixInverseGrad": lambda: differentiated(tf.linalg.inv),
}
for name, function in tried.items():
    try:
        function()
        line = None
    except Exception as error:
        line = samebits.keras.explain(error)
    print(json.dumps([name, line]))
tf.atan(x)
"""
)


def test_what_was_not_shown_is_refused_by_name(start):
    done = start("python", "-c", REFUSED, PROFILE="portable")
    lines = dict(map(json.loads, done.stdout.splitlines()))
    assert len(lines) == 11, done.stderr
    for name, line in lines.items():
        expected = f"TensorFlow's {name.removesuffix(' of Keras').removesuffix(', from a file')}"
        assert line is not None, name
        assert line.startswith(expected), (name, line)
        assert " was not shown to give the same bits on other CPUs: PROFILE=portable refuses it; " in line
    assert "1 - tf.math.erf(x)" in lines["Erfc of float32"]
    assert "jit_compile=False" in lines["XLA"]
    # Nobody caught the last one.
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("samebits: TensorFlow's Atan of float32 was not shown")


TABLE = """
import json, warnings
warnings.filterwarnings("ignore")
import samebits.keras, samebits.keras.portable as portable, samebits.portable.operations as operations
look, kinds = portable._look, set()

def collect(kind, inputs, attributes, outputs, *_, **__):
    result = look(kind, inputs, attributes, outputs)
    name = kind.decode() if isinstance(kind, bytes) else kind
    for tensor in (*inputs, *outputs):
        if tensor.dtype.is_floating or tensor.dtype.is_complex:
            kinds.add((name, tensor.dtype.name))
    return result

portable._look = collect
rows = dict(operations.digests("keras"))
print(json.dumps([sorted(kinds), rows]))
"""


def test_what_is_let_through_is_what_the_table_runs(start):
    """A row of the table for each: `make portable-proof` compares those rows on other CPUs."""
    done = start("python", "-c", TABLE, PROFILE="portable")
    assert done.returncode == 0, done.stderr
    kinds, rows = json.loads(done.stdout)
    used = {kind if dtype == "float32" else f"{kind}.{dtype}" for kind, dtype in kinds if kind not in EXACT}
    assert {name for name in used if not name.startswith("__")} == SHOWN
    assert len(rows) > 300
    failed = {
        name: told
        for name, told in rows.items()
        if not (len(told) == 64 and set(told) <= set("0123456789abcdef"))
    }
    refused = (
        "tf.atan2",
        "tf.math.atan",
        "tf.math.bessel",
        "tf.math.erfc",
        "tf.math.erfinv",
        "keras Conv2D groups",
    )
    assert {name for name in failed if not name.startswith(refused)} == set(), failed


def test_other_errors_are_not_ours():
    assert portable.explain(RuntimeError("something else")) is None
