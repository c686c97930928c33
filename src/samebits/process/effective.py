"""What the libraries made of the variables, read back from those that are imported."""

import json
import locale
import re
import sys
import time
from types import ModuleType
from typing import Any

from samebits.process import cpu_kernels, started


def values() -> dict[str, object]:
    """What the libraries made of the variables, read back from those that are already imported.

    Libraries accept nonsense silently, so what was set is one thing and what is in force another.
    """
    values: dict[str, object] = {
        "python": {
            "hash_randomization": bool(sys.flags.hash_randomization),
            "ignores_environment": bool(sys.flags.ignore_environment),
            "user_site": not sys.flags.no_user_site,
        },
        "locale": locale.setlocale(locale.LC_CTYPE),
        "time_zone": time.tzname[0],
    }
    if torch := imported("torch", "get_num_threads"):
        values["torch"] = {
            "threads": torch.get_num_threads(),
            "mkl_threads": mkl_threads(torch),
            "interop_threads": torch.get_num_interop_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        }
    if numpy := imported("numpy", "_core"):
        features = numpy._core._multiarray_umath.__cpu_features__
        values["numpy"] = {"cpu_features": sorted(name for name, there in features.items() if there)}
        kept = ("internal_api", "version", "architecture", "threading_layer", "num_threads")
        pools = [{key: pool[key] for key in kept if key in pool} for pool in cpu_kernels.thread_pools()]
        values["thread_pools"] = [json.loads(pool) for pool in sorted(set(map(json.dumps, pools)))]
    if tensorflow := imported("tensorflow", "config"):
        values["tensorflow"] = {
            "intra_op_threads": tensorflow_threads(tensorflow, "intra"),
            "inter_op_threads": tensorflow_threads(tensorflow, "inter"),
            "op_determinism": tensorflow_determinism(),
        }
    if keras := imported("keras", "config"):
        values["keras"] = {
            "backend": keras.config.backend(),
            "floatx": keras.config.floatx(),
            "epsilon": keras.config.epsilon(),
            "image_data_format": keras.config.image_data_format(),
        }
    return values


def mkl_threads(torch: ModuleType) -> int | None:
    found = re.search(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())
    return int(found[1]) if found else None


def tensorflow_threads(tensorflow: ModuleType, kind: str) -> int:
    """TensorFlow says 0 for a number that it takes from the environment (and heeds, but does not tell)."""
    number: int = getattr(tensorflow.config.threading, f"get_{kind}_op_parallelism_threads")()
    text = started.environment().get(f"TF_NUM_{kind.upper()}OP_THREADS", "0")
    return number or (int(text) if text.isdecimal() else 0)


def tensorflow_determinism() -> bool | None:
    config = sys.modules.get("tensorflow.python.framework.config")
    return bool(config.is_op_determinism_enabled()) if config else None


def imported(name: str, attribute: str) -> Any:
    """A module that is imported, and far enough to have `attribute`; else None."""
    module = sys.modules.get(name)
    return module if hasattr(module, attribute) else None
