"""The portable profile in TensorFlow: only operations that were shown to give one result on every CPU.

Eigen, which computes most of TensorFlow's operations on a CPU, begins reciprocals and reciprocal square roots
with the CPU's own approximations (`rcpps`, `rsqrtps`), which Intel and AMD do not make alike, and cuts some
products by the size of the CPU's caches. What layers and optimisers take for granted is made of others here.
One that `portable_shown` does not list is refused by name, where it is called or where a function is traced;
so is XLA.
"""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import numpy as np

from samebits.keras.portable_allowlist import EXACT, SHOWN
from samebits.process import started
from samebits.process.portable_versions import refuse_unshown

VERSIONS = {"tensorflow": ("2.21.0",), "keras": ("3.15.1",)}  # with which the profile was shown
NOT_PORTABLE = " has no kernel in the profile portable"
INSTEAD = {
    "Inv": "take 1 / x",
    "XLA": "take jit_compile=False; Keras compiles convolutions with groups, and those of volumes with the "
    "channels first, whatever you ask for",
}
ELSE = "take another, or FRAMEWORK=torch, where more are portable"
# Where the CPUs differ, or the C library's versions do: of float32, computed in float64 and rounded once.
WIDENED = {
    "gen_math_ops": """
        tan sinh cosh asin acos atan asinh acosh atanh atan2 log1p xlog1py lgamma igamma erfc erfinv
        cumulative_logsumexp
    """,
    "gen_special_math_ops": "bessel_i0e bessel_i1e",
    "gen_nn_ops": "softplus",
}
OPTIONS = ("axis", "exclusive", "reverse")
_signature = functools.cache(inspect.signature)  # asked for at every eager call
_routed = False


def route() -> None:
    """From now on, refuse operations that were not shown to be portable, and make some out of others; once.

    Does nothing in the profile `run`.

    Raises:
        UsageError: the profile was not shown with the installed version of TensorFlow, Keras or NumPy.
    """
    global _routed
    if _routed or started.profile() != "portable":
        return
    refuse_unshown(VERSIONS)
    import tensorflow as tf
    from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
    from tensorflow.python.framework import op_callbacks, ops

    # Grappler turns 1 / x back into Reciprocal, and 1 / sqrt(x) into Rsqrt.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    _replace(
        {
            **{(module, name): _widened for module, names in WIDENED.items() for name in names.split()},
            ("gen_math_ops", "rsqrt"): lambda _, x, name=None: tf.divide(1, tf.sqrt(x), name),
            ("gen_math_ops", "reciprocal"): lambda _, x, name=None: tf.divide(1, x, name),
            ("gen_nn_ops", "softmax"): _softmax,
            ("gen_linalg_ops", "qr"): _qr,
            ("gen_linalg_ops", "matrix_inverse"): _inverse,
        }
    )
    op_callbacks.add_op_callback(_look)
    ops.Graph._add_new_tf_operations = _imported(ops.Graph._add_new_tf_operations)
    Function.__call__ = _interpreted(Function.__call__)
    _routed = True


def routed() -> bool:
    """Whether `route` is in force."""
    return _routed


def explain(error: BaseException) -> str | None:
    """One line about an operation that the profile `portable` refuses; None if the error is about another."""
    match = re.search(rf"([A-Z]\w*)( of \w+)?{NOT_PORTABLE}", str(error))
    if match is None:
        return None
    return (
        f"TensorFlow's {match[1]}{match[2] or ''} was not shown to give the same bits on other CPUs: "
        f"PROFILE=portable refuses it; {INSTEAD.get(match[1], ELSE)}"
    )


def _replace(functions: dict[tuple[str, str], Callable[..., Any]]) -> None:
    """Call each, with the original first, wherever TensorFlow's modules hold the original, under any name."""
    replacements = {}
    for (module, name), function in functions.items():
        generated = import_module(f"tensorflow.python.ops.{module}")
        original = getattr(generated, name)
        replacements[id(original)] = _in_place_of(original, function)
        # The same once more, for types that dispatch to functions of their own.
        exported = getattr(import_module("tensorflow.python.ops.math_ops"), name, original)
        if exported.__module__ == generated.__name__:
            replacements[id(exported)] = replacements[id(original)]
    for loaded in [loaded for known, loaded in sys.modules.items() if known.split(".")[0] == "tensorflow"]:
        for name in [name for name, value in vars(loaded).items() if id(value) in replacements]:
            setattr(loaded, name, replacements[id(getattr(loaded, name))])


def _in_place_of(original: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)  # by its name layers are saved, and AutoGraph leaves TensorFlow's own alone
    def replacement(*given: Any, **named: Any) -> Any:
        return function(original, *given, **named)

    return replacement


def _widened(original: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Of float32: in float64, and rounded once."""
    import tensorflow as tf

    arguments = _signature(original).bind(*given, **named).arguments
    name, first = arguments.pop("name", None), next(iter(arguments))
    arguments[first] = tf.convert_to_tensor(arguments[first])
    if arguments[first].dtype != tf.float32:
        return original(**arguments, name=name)
    wide = {key: x if key in OPTIONS else tf.cast(x, tf.float64) for key, x in arguments.items()}
    return tf.cast(original(**wide), tf.float32, name=name)


def _softmax(_: Any, logits: Any, name: str | None = None) -> Any:
    import tensorflow as tf

    powers = tf.exp(logits - tf.stop_gradient(tf.reduce_max(logits, -1, keepdims=True)))
    return tf.divide(powers, tf.reduce_sum(powers, -1, keepdims=True), name)


def _qr(_: Any, input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
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


def _inverse(_: Any, input: Any, adjoint: bool = False, name: str | None = None) -> Any:
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
        A list of the outputs as they are: what TensorFlow continues with, and what the next such callback
        gets.
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
