"""What TensorFlow and Keras made of the process's variables. Importing this imports neither."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from samebits.process import started
from samebits.process.effective import InForce, imported


def values() -> dict[str, dict[str, Any]]:
    """Numbers of threads and settings; what `samebits.framework.Effective` says of it."""
    facts: dict[str, dict[str, Any]] = {}
    if tensorflow := imported("tensorflow", "config"):
        facts["tensorflow"] = {
            "intra_op_threads": _threads(tensorflow, "intra"),
            "inter_op_threads": _threads(tensorflow, "inter"),
            "op_determinism": _determinism(),
        }
    if keras := imported("keras", "config"):
        facts["keras"] = {
            "backend": keras.config.backend(),
            "floatx": keras.config.floatx(),
            "epsilon": keras.config.epsilon(),
            "image_data_format": keras.config.image_data_format(),
        }
    return facts


def in_force() -> Iterator[InForce]:
    """TensorFlow's numbers of threads."""
    if tensorflow := imported("tensorflow", "config"):
        for kind in ("intra", "inter"):
            name = f"TF_NUM_{kind.upper()}OP_THREADS"
            what = f"tf.config.threading.get_{kind}_op_parallelism_threads()"
            yield InForce(name, what, _threads(tensorflow, kind), started.environment().get(name))


def cpu_facts() -> dict[str, str]:
    """Nothing: neither Eigen nor oneDNN, as TensorFlow has them built in, tells what it chose."""
    return {}


def is_data_worker() -> bool:
    """TensorFlow's data workers are threads."""
    return False


def _threads(tensorflow: ModuleType, kind: str) -> int:
    """TensorFlow says 0 for a number that it takes from the environment (and heeds, but does not tell)."""
    number: int = getattr(tensorflow.config.threading, f"get_{kind}_op_parallelism_threads")()
    text = started.environment().get(f"TF_NUM_{kind.upper()}OP_THREADS", "0")
    return number or (int(text) if text.isdecimal() else 0)


def _determinism() -> bool | None:
    config = sys.modules.get("tensorflow.python.framework.config")
    return bool(config.is_op_determinism_enabled()) if config else None
