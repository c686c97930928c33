"""samebits for PyTorch. The names are loaded when they are first used, as in `samebits` itself."""

from typing import TYPE_CHECKING

from samebits import _extras
from samebits._lazy import lazy
from samebits.chance.begin import begin

_extras.need("torch")

if TYPE_CHECKING:  # for type checkers and editors; at run time the table below serves
    from samebits.torch.base_loader import Loader
    from samebits.torch.device import choose_device, device_facts, processes
    from samebits.torch.errors import explain
    from samebits.torch.kernels import determinism, make_deterministic, switch_on
    from samebits.torch.loading import loader
    from samebits.torch.run import Run, open_run
    from samebits.torch.weights import hash_weights, save_weights, tensors

begin()  # before the user's own modules make what they keep

__all__ = [
    "Loader",
    "Run",
    "choose_device",
    "determinism",
    "device_facts",
    "explain",
    "hash_weights",
    "loader",
    "make_deterministic",
    "open_run",
    "processes",
    "save_weights",
    "switch_on",
    "tensors",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Loader": "base_loader",
        "Run": "run",
        "choose_device": "device",
        "determinism": "kernels",
        "device_facts": "device",
        "explain": "errors",
        "hash_weights": "weights",
        "loader": "loading",
        "make_deterministic": "kernels",
        "open_run": "run",
        "processes": "device",
        "save_weights": "weights",
        "switch_on": "kernels",
        "tensors": "weights",
    },
)
