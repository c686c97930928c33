"""Deterministic kernels, no TF32, and what the process really runs with."""

import contextlib
import os
from typing import Any

from samebits._excepthook import explain_uncaught
from samebits.errors import UsageError
from samebits.keras import portable
from samebits.keras.errors import explain
from samebits.process.switches import Switch, watched

INTRA, INTER = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"


def make_deterministic(*, check: bool = False) -> None:
    """Make TensorFlow's operations deterministic; call it before anything is computed.

    `open_run` does it too, and looks before each step whether it is still so. A script needs it where it
    computes something before, or without, a run. What SAMEBITS_ALLOW names stays as it is.

    From here on an operation that has no deterministic kernel, or draws random numbers without a seed,
    raises an error when it runs; `samebits.keras.explain` makes it one line that says what to use instead.

    Args:
        check: as for `samebits.torch.make_deterministic`. TensorFlow has no switch that fills uninitialised
            memory, so nothing is different while checking.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
    """
    import keras

    from samebits.process.check import this_process

    this_process(strict=False)
    if keras.config.backend() != "tensorflow":
        raise UsageError(
            f"KERAS_BACKEND is {keras.config.backend()!r}, it must be 'tensorflow': "
            "samebits.keras knows no other (for torch there is samebits.torch)"
        )
    import tensorflow as tf

    portable.route()
    explain_uncaught(explain)
    for switch in watched(switches()).values():  # before or after TensorFlow has set itself up
        switch.set(switch.must)
    # TensorFlow obeys these variables without telling; said once more, they can be read back.
    for variable, set_threads in (
        (INTRA, tf.config.threading.set_intra_op_parallelism_threads),
        (INTER, tf.config.threading.set_inter_op_parallelism_threads),
    ):
        if os.environ.get(variable, "").isdecimal():
            # Once TensorFlow has set itself up, it has obeyed, and takes no other number.
            with contextlib.suppress(RuntimeError):
                set_threads(int(os.environ[variable]))


def switch_on() -> dict[str, Switch]:
    """What `open_run` does: `make_deterministic`.

    Returns:
        The switches that must stay as they are now. They have names as in determinism.env.
    """
    make_deterministic()
    return watched({**switches(), **_threads()})


def switches() -> dict[str, Switch]:
    """What decides whether TensorFlow computes the same bits again, by name."""
    import tensorflow as tf
    from tensorflow.python.framework import config  # the public API can set this, not read it

    experimental = tf.config.experimental
    return {
        "tf.config.experimental.enable_op_determinism": Switch(
            True, config.is_op_determinism_enabled, lambda _: experimental.enable_op_determinism()
        ),
        "tf.config.experimental.enable_tensor_float_32_execution": Switch(
            False,
            experimental.tensor_float_32_execution_enabled,
            experimental.enable_tensor_float_32_execution,
        ),
    }


def _threads() -> dict[str, Switch]:
    """The numbers of threads: until TensorFlow sets itself up, a script can change them."""
    import tensorflow as tf

    threading = tf.config.threading
    switches = {}
    for name, kind in ((INTRA, "intra"), (INTER, "inter")):
        get = getattr(threading, f"get_{kind}_op_parallelism_threads")
        put = getattr(threading, f"set_{kind}_op_parallelism_threads")
        switches[name] = Switch(get(), get, put, f"tf.config.threading.get_{kind}_op_parallelism_threads()")
    return switches


def determinism() -> dict[str, Any]:
    """What is in effect, read back from TensorFlow and Keras, for the manifest.

    Returns:
        Whether operations are deterministic, TF32 and jit are on; the threads (0: TensorFlow was not told by
        `make_deterministic` before it started); `None` for filling uninitialised memory, which TensorFlow
        cannot do; and what a `keras.json` may have changed: floatx, epsilon, the image data format.
    """
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import config  # the public API can set this, not read it

    return {
        "deterministic_operations": config.is_op_determinism_enabled(),
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "portable_kernels": portable.routed(),
        "jit": tf.config.optimizer.get_jit(),
        "fill_uninitialized_memory": None,
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "backend": keras.config.backend(),
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
        "image_data_format": keras.config.image_data_format(),
    }
