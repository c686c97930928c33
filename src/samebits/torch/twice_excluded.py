"""Which of torch's operations `samebits twice` does not execute a second time, and why."""

import functools

import torch

from samebits.torch.operations import COMPILED, Given, Named, Operation
from samebits.torch.twice_copies import tensors_in

# Namespaces whose operations do no more than their schema says. Others may print, count or send.
KNOWN = ("aten", "mkldnn", "onednn", "prims", "quantized", "torchaudio", "torchvision")
# Where the numbers lie is what these give or change, and a copy lies elsewhere.
PLACES = ("_pin_memory", "record_stream", "set_data")
NOTHING = ""  # there is nothing to compare
COMPILED_REGIONS = "regions that torch.compile has compiled"


def why_not(operation: Operation, given: Given, named: Named) -> str | None:
    """Why a call is not executed a second time.

    Returns:
        What it belongs to, in words; `NOTHING` where there is nothing to compare; None: it is executed twice.
    """
    if operation.name == COMPILED:
        return COMPILED_REGIONS
    if (reason := _why_not(operation)) is not None:
        return reason
    for tensor in tensors_in((given, named)):
        if tensor.device.type == "meta":
            return NOTHING
        if tensor.device.type == "cpu" and torch.cuda.is_initialized() and tensor.is_pinned():
            return "pinned memory"
    return None


@functools.lru_cache(None)
def _why_not(operation: Operation) -> str | None:
    if operation.collective:
        return "collectives"
    space, _, name = operation.name.partition("::")
    tags = getattr(operation.call, "tags", ())
    if operation.unwritten or torch.Tag.inplace_view in tags or name.partition(".")[0] in PLACES:
        return NOTHING
    return None if space in KNOWN else "custom operations"
