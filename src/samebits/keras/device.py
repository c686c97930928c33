"""Which device trains, and what about it can change bits."""

import contextlib
import json
import os
from collections.abc import Iterator

import tensorflow as tf

from samebits import container_engine
from samebits.errors import UsageError
from samebits.process.command_line import hint


def choose_device(wanted: str) -> str:
    """Return "cpu" or "cuda"; `auto` means a GPU when TensorFlow sees one. Call it before anything computes.

    Raises:
        UsageError: a GPU was asked for and there is none, or it is used already and must not be.
    """
    with _without("failed call to cuInit"):
        if wanted == "cpu":
            try:  # or TensorFlow would put operations there all the same
                tf.config.set_visible_devices([], "GPU")
            except RuntimeError:
                raise UsageError(
                    "TensorFlow uses the GPU already, and the run is to use the CPU: open the run before "
                    "anything computes"
                ) from None
            return "cpu"
        if tf.config.list_physical_devices("GPU"):
            return "cuda"
    if wanted == "cuda":
        how = hint("samebits", "doctor", "--host")
        raise UsageError(f"--device cuda: TensorFlow sees no GPU here; `{how}` says what is missing")
    return "cpu"


def processes() -> int:
    """How many processes TF_CONFIG says that TensorFlow connects, this one included."""
    try:
        tasks = json.loads(os.environ.get("TF_CONFIG", "{}"))["cluster"].values()
    except (ValueError, LookupError, TypeError, AttributeError):  # TensorFlow, too, then connects nobody
        return 1
    return max(1, sum(len(addresses) for addresses in tasks))


@contextlib.contextmanager
def _without(text: str) -> Iterator[None]:
    """Leave out lines of stderr with this text, where there is no NVIDIA GPU: TensorFlow calls that an error.

    TF_CPP_MIN_LOG_LEVEL would silence real errors, too. Whatever else is written meanwhile comes afterwards.
    """
    if container_engine.driver() or container_engine.gpu_without_driver():
        yield
        return
    stderr, kept = os.dup(2), os.memfd_create("stderr")
    os.dup2(kept, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        with open(kept, "rb") as file:
            file.seek(0)
            said = b"".join(line for line in file if text.encode() not in line)
        if said:
            os.write(2, said)


def device_facts(kind: str) -> dict[str, str]:
    """The device's facts for the fingerprint: its model, compute capability, CUDA and cuDNN as built for."""
    if kind != "cuda":
        return {"kind": kind}
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    build = tf.sysconfig.get_build_info()
    return {
        "kind": kind,
        "model": details.get("device_name", "unknown"),
        "capability": ".".join(map(str, details.get("compute_capability", ()))),
        "cuda": str(build.get("cuda_version")),
        "cudnn": str(build.get("cudnn_version")),
    }
