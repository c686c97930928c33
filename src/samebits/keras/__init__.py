"""samebits for Keras 3 on TensorFlow. Names are loaded when they are first used, TensorFlow with them."""

from typing import TYPE_CHECKING

from samebits import _extras
from samebits._lazy import lazy
from samebits.chance.begin import begin
from samebits.keras.libraries import load_cusolver

_extras.need("tensorflow", "keras")

if TYPE_CHECKING:  # for type checkers and editors; at run time the table below serves
    from samebits.keras.callback import RunLog
    from samebits.keras.device import choose_device, device_facts, processes
    from samebits.keras.errors import explain
    from samebits.keras.keras2 import require_keras3
    from samebits.keras.kernels import determinism, make_deterministic, switch_on
    from samebits.keras.loading import dataset
    from samebits.keras.run import Run, open_run
    from samebits.keras.state import build
    from samebits.keras.weights import hash_weights, save_weights, tensors

load_cusolver()  # before TensorFlow looks for a GPU

begin()  # before the user's own modules make what they keep

__all__ = [
    "Run",
    "RunLog",
    "build",
    "choose_device",
    "dataset",
    "determinism",
    "device_facts",
    "explain",
    "hash_weights",
    "make_deterministic",
    "open_run",
    "processes",
    "require_keras3",
    "save_weights",
    "switch_on",
    "tensors",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Run": "run",
        "RunLog": "callback",
        "build": "state",
        "choose_device": "device",
        "dataset": "loading",
        "determinism": "kernels",
        "device_facts": "device",
        "explain": "errors",
        "hash_weights": "weights",
        "make_deterministic": "kernels",
        "open_run": "run",
        "processes": "device",
        "require_keras3": "keras2",
        "save_weights": "weights",
        "switch_on": "kernels",
        "tensors": "weights",
    },
)
