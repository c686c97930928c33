"""Which device trains, and what about it can change bits."""

import torch
import torch.distributed

from samebits.errors import UsageError
from samebits.process.command_line import hint


def choose_device(wanted: str) -> str:
    """Return "cpu" or "cuda"; `auto` means a GPU when torch sees one.

    Raises:
        UsageError: a GPU was asked for and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        how = hint("samebits", "doctor", "--host")
        raise UsageError(f"--device cuda: torch sees no GPU here; `{how}` says what is missing")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def processes() -> int:
    """How many processes `torch.distributed` has connected with this one, itself included."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return 1
    return torch.distributed.get_world_size()


def device_facts(kind: str) -> dict[str, str]:
    """The device's facts for the fingerprint: its model, compute capability, CUDA and cuDNN as loaded."""
    if kind != "cuda":
        return {"kind": kind}
    return {
        "kind": kind,
        "model": torch.cuda.get_device_name(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }
