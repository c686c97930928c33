"""The portable profile in TensorFlow: what it computes otherwise, what it refuses, and what it knows."""

import json

import pytest

from samebits.keras import portable
from samebits.keras.portable_allowlist import EXACT, SHOWN
from samebits.proof.portable.libraries import DIGITS

SCRIPT = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import samebits.keras, keras, numpy as np, tensorflow as tf
from tensorflow.python.framework import op_callbacks
NAMES = "rsqrt reciprocal softmax gelu tan atan erfc lgamma softplus bessel_i1e cumulative_logsumexp".split()
plain = {name: getattr(tf.math, name, None) or getattr(tf.nn, name) for name in NAMES}
x = tf.constant(np.linspace(0.01, 5, 700, dtype="float32").reshape(7, 100))
matrices = tf.constant(np.random.default_rng(7).normal(size=(2, 9, 5)).astype("float32"))
before = {name: function(x).numpy() for name, function in plain.items()}
before["qr"] = tf.linalg.qr(matrices).r.numpy()
before["inverse"] = tf.linalg.inv(matrices[:, :5], adjoint=True).numpy()
samebits.keras.make_deterministic()
samebits.keras.make_deterministic()
kinds = set()

def collect(kind, inputs, attributes, outputs, *_, **__):
    if any(tensor.dtype == tf.float32 for tensor in outputs):
        kinds.add(kind.decode() if isinstance(kind, bytes) else kind)
    return outputs

op_callbacks.add_op_callback(collect)
"""

SAME = (
    SCRIPT
    + """
after = {name: (getattr(tf.math, name, None) or getattr(tf.nn, name))(x).numpy() for name in NAMES}
after["tan"] -= tf.tan(x) - tf.math.tan(x=x, name="tan")  # under every name, in every form of a call
after["qr"] = tf.linalg.qr(matrices).r.numpy()
after["inverse"] = tf.linalg.inv(matrices[:, :5], adjoint=True).numpy()
print(json.dumps({name: float(np.abs(np.abs(after[name]) - np.abs(before[name])).max()) for name in after}))

normalisation = keras.layers.LayerNormalization()
normalisation.build(x.shape)

@tf.function
def gradients(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.math.log(x) + tf.math.rsqrt(x) + tf.nn.softmax(x) + keras.activations.gelu(x)
        y += normalisation(x) + tf.math.log1p(x)
    return tape.gradient(y, x)

assert np.isfinite(gradients(x)).all()
keras.layers.LSTM(4)(x[None])
with tf.init_scope():
    layer = keras.layers.BatchNormalization()
    layer(x, training=True)
whole = tf.function(lambda x: tf.linalg.qr(x, full_matrices=True).q)(matrices)
print(json.dumps([whole.shape.as_list(), bool(np.isfinite(whole).all())]))
print(json.dumps(sorted(kinds)))
rounded = [np.float32(1) / x.numpy(), np.float32(1) / np.sqrt(x.numpy())]  # what Grappler would undo
divided = tf.function(lambda x: [1 / x, 1 / tf.sqrt(x)])(x)
print(json.dumps([bool((a == b.numpy()).all()) for a, b in zip(rounded, divided)]))
print(json.dumps(samebits.keras.determinism()["portable_kernels"]))
"""
)


@pytest.mark.parametrize("profile", ["portable", "run"])
def test_what_is_computed_otherwise_is_right(start, profile):
    done = start("python", "-c", SAME, PROFILE=profile)
    assert done.returncode == 0, done.stderr
    differences, finite, kinds, exact, routed = map(json.loads, done.stdout.splitlines())
    assert {"rsqrt", "gelu", "tan", "qr", "inverse"} < set(differences)
    assert {name for name, difference in differences.items() if difference > 1e-5} <= {"tan"}
    assert differences["tan"] < 1e-2  # near its poles
    assert finite == [[2, 9, 9], True]
    assert routed is (profile == "portable")
    assert exact == [True, True] or not routed
    approximate = {"Rsqrt", "Reciprocal", "Softmax", "Erfc", "Tan", "Log1p", "Qr", "MatrixInverse"}
    assert approximate & set(kinds) == (set() if routed else approximate)


REFUSED = (
    SCRIPT
    + """
import tempfile

class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None,))])
    def __call__(self, x):
        return tf.math.ndtri(x)

def saved():
    with tempfile.TemporaryDirectory() as folder:
        allowed, samebits.keras.portable.SHOWN = samebits.keras.portable.SHOWN, {"Ndtri", "ShardedFilename"}
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
    "Cholesky of float32": lambda: tf.linalg.cholesky(tf.eye(3)),
    "LRN of float32": lambda: tf.function(tf.nn.lrn)(x[None, None]),
    "Ndtri of float32": lambda: keras.layers.Lambda(tf.math.ndtri)(x),
    "MatMul of float64": lambda: tf.matmul(tf.ones((3, 3), "float64"), tf.ones((3, 3), "float64")),
    "MatMul of bfloat16": lambda: tf.function(lambda x: tf.matmul(x, x))(tf.ones((3, 3), "bfloat16")),
    "Ndtri of float32, from a file": saved,
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
tf.linalg.cholesky(tf.eye(3))
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
    assert "jit_compile=False" in lines["XLA"]
    # Nobody caught the last one.
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("samebits: TensorFlow's Cholesky of float32 was not shown")


TABLE = """
import json, warnings
warnings.filterwarnings("ignore")
import samebits.keras, samebits.keras.portable as portable, samebits.proof.portable.operations as operations
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
        if not (len(told) == DIGITS and set(told) <= set("0123456789abcdef"))
    }
    assert set(failed) == {"keras Conv2D groups"}, failed


def test_other_errors_are_not_ours():
    assert portable.explain(RuntimeError("something else")) is None
