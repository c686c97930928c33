"""The portable profile in TensorFlow: only operations that were shown to give one result on every CPU.

Eigen, which computes most of TensorFlow's operations on a CPU, begins reciprocals and reciprocal square roots
with the CPU's own approximations (`rcpps`, `rsqrtps`), which Intel and AMD do not make alike, and cuts some
products by the size of the CPU's caches. What layers and optimisers take for granted is made of others here.
One that `portable_shown` does not list is refused by name, where it is called or where a function is traced;
so is XLA.
"""

import functools
import math
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from samebits import process
from samebits.keras.portable_shown import EXACT, SHOWN

NOT_PORTABLE = " has no kernel in the profile portable"
INSTEAD = {
    "Erfc": "take 1 - tf.math.erf(x)",
    "Inv": "take 1 / x",
    "XLA": "take jit_compile=False; Keras compiles convolutions with groups, and those of volumes with the "
    "channels first, whatever you ask for",
}
ELSE = "take another, or FRAMEWORK=torch, where more are portable"
_routed = False


def route() -> None:
    """From now on, refuse operations that were not shown to be portable, and make some out of others; once.

    Does nothing in the profile `run`.
    """
    global _routed
    if _routed or process.profile() != "portable":
        return
    import tensorflow as tf
    from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
    from tensorflow.python.framework import op_callbacks, ops
    from tensorflow.python.ops import gen_linalg_ops, gen_math_ops, gen_nn_ops, math_ops, nn_ops

    # Grappler turns 1 / x back into Reciprocal, and 1 / sqrt(x) into Rsqrt.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    _replace(gen_math_ops.rsqrt, lambda x, name=None: tf.divide(1, tf.sqrt(x), name))
    for reciprocal in (gen_math_ops.reciprocal, math_ops.reciprocal):
        _replace(reciprocal, lambda x, name=None: tf.divide(1, x, name))
    _replace(gen_nn_ops.softmax, _softmax)
    _replace(gen_linalg_ops.qr, _qr)
    _replace(gen_linalg_ops.matrix_inverse, _inverse)
    _replace(nn_ops.gelu, functools.partial(_gelu, nn_ops.gelu))
    op_callbacks.add_op_callback(_look)
    ops.Graph._add_new_tf_operations = _imported(ops.Graph._add_new_tf_operations)
    Function.__call__ = _interpreted(Function.__call__)
    _routed = True


def routed() -> bool:
    """Whether `route` is in force."""
    return _routed


def explain(error: BaseException) -> str | None:
    """One line about an operation that the profile `portable` refuses; None if the error is about another."""
    found = re.search(rf"([A-Z]\w*)( of \w+)?{NOT_PORTABLE}", str(error))
    if found is None:
        return None
    return (
        f"TensorFlow's {found[1]}{found[2] or ''} was not shown to give the same bits on other CPUs: "
        f"PROFILE=portable refuses it; {INSTEAD.get(found[1], ELSE)}"
    )


def _replace(original: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Wherever TensorFlow's modules hold that function, under whichever name."""
    for module in [module for name, module in sys.modules.items() if name.startswith("tensorflow.")]:
        for name in [name for name, value in vars(module).items() if value is original]:
            setattr(module, name, function)


def _softmax(logits: Any, name: str | None = None) -> Any:
    import tensorflow as tf

    powers = tf.exp(logits - tf.stop_gradient(tf.reduce_max(logits, -1, keepdims=True)))
    return tf.divide(powers, tf.reduce_sum(powers, -1, keepdims=True), name)


def _gelu(
    original: Callable[..., Any], features: Any, approximate: bool = False, name: str | None = None
) -> Any:
    """x Φ(x) by erf; TensorFlow takes erfc, whose kernel divides by an approximation."""
    import tensorflow as tf

    if approximate:
        return original(features, True, name)
    features = tf.convert_to_tensor(features)
    return tf.multiply(0.5 * features, 1 + tf.math.erf(features * math.sqrt(0.5)), name)


def _qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
    """Orthogonal initialisers need it."""
    import tensorflow as tf
    from tensorflow.python.ops import gen_linalg_ops

    def compute(matrix: Any) -> Any:
        return tuple(np.linalg.qr(matrix, "complete" if full_matrices else "reduced"))

    input = tf.convert_to_tensor(input)
    *batch, rows, columns = input.shape
    known = rows is not None and columns is not None
    inner = rows if full_matrices else min(rows, columns) if known else None
    results = _by_numpy("Qr", compute, input, [(*batch, rows, inner), (*batch, inner, columns)], name)
    return gen_linalg_ops._QrOutput(*results)


def _inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Layers that turn and zoom images need it."""
    import tensorflow as tf

    def compute(matrix: Any) -> Any:
        inverse = np.linalg.inv(matrix)
        return (np.swapaxes(inverse, -1, -2).conj() if adjoint else inverse,)

    input = tf.convert_to_tensor(input)
    return _by_numpy("MatrixInverse", compute, input, [input.shape], name)[0]


def _by_numpy(
    kind: str, compute: Callable[..., Any], matrix: Any, shapes: list[Any], name: str | None
) -> Any:
    """What NumPy computes, whose LAPACK is pinned: a list of as many results as shapes, without gradients."""
    import tensorflow as tf

    @tf.custom_gradient
    def function(matrix: Any) -> Any:
        def gradient(*_: Any) -> Any:
            raise RuntimeError(f"{kind}Grad{NOT_PORTABLE}")

        types = [matrix.dtype] * len(shapes)
        results = tf.nest.flatten(tf.numpy_function(compute, [matrix], types, stateful=False, name=name))
        return [tf.ensure_shape(*pair) for pair in zip(results, shapes, strict=True)], gradient

    return function(matrix)


# ---------------------------------------------------------------- what was not shown is refused


def _look(kind: bytes | str, inputs: Iterable[Any], attributes: Any, outputs: Any, *_: Any, **__: Any) -> Any:
    """Called by TensorFlow for each operation: when it is run, or when it becomes part of a function.

    Returns:
        A list of the outputs as they are: what TensorFlow goes on with, and what the next such callback gets.
    """
    name = kind.decode() if isinstance(kind, bytes) else kind
    if name in EXACT or name.startswith("__"):  # a function of the program: its parts have been looked at
        return list(outputs)
    for tensor in (*inputs, *outputs):
        if tensor.dtype.is_floating or tensor.dtype.is_complex:
            dtype = tensor.dtype.name
            if (name if dtype == "float32" else f"{name}.{dtype}") not in SHOWN:
                raise RuntimeError(f"{name} of {dtype}{NOT_PORTABLE}")
    return list(outputs)


def _imported(add: Callable[..., Any]) -> Callable[..., Any]:
    """What comes out of a file (a SavedModel) is looked at, too."""

    @functools.wraps(add)
    def checked(graph: Any, *args: Any, **named: Any) -> Any:
        operations = add(graph, *args, **named)
        for operation in operations:
            _look(operation.type, operation.inputs, None, operation.outputs)
        return operations

    return checked


def _interpreted(call: Callable[..., Any]) -> Callable[..., Any]:
    """XLA compiles for the very CPU that it runs on."""

    @functools.wraps(call)
    def checked(function: Any, *args: Any, **named: Any) -> Any:
        if function._jit_compile:
            raise RuntimeError(f"XLA{NOT_PORTABLE}")
        return call(function, *args, **named)

    return checked
