"""What Hugging Face's Accelerate adds to your own loop; not imported, so that nobody needs it."""

import sys
from collections.abc import Mapping
from typing import Any

from samebits.checkpoint.state import Kind


def is_accelerator(target: Any) -> bool:
    """Whether it is an `accelerate.Accelerator`."""
    accelerate = sys.modules.get("accelerate.accelerator")
    return accelerate is not None and isinstance(target, accelerate.Accelerator)


def get(accelerator: Any) -> dict[str, Any]:
    """Where in the accumulation of gradients it is, and the gradient scaler's state."""
    scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else None
    return {"step": accelerator.step, "sync": accelerator.sync_gradients, "scaler": scaler}


def put(accelerator: Any, state: Mapping[str, Any]) -> None:
    """Give it back."""
    accelerator.step = state["step"]
    accelerator.gradient_state._set_sync_gradients(state["sync"])
    if state["scaler"] is not None:
        accelerator.scaler.load_state_dict(state["scaler"])


def missing(objects: Mapping[str, Any]) -> str | None:
    """What an Accelerator that the program made needs and is not held, in words; None when all is there."""
    state = sys.modules.get("accelerate.state")
    if state is None or not state.AcceleratorState._shared_state:
        return None
    if state.AcceleratorState._shared_state["num_processes"] > 1:
        return "the Accelerator uses several processes, and a run's checkpoints are of one"
    if not any(map(is_accelerator, objects.values())):
        return "an Accelerator counts the steps in which gradients are added up: add accelerator=…"
    for name, target in objects.items():
        if type(target).__name__ in ("AcceleratedOptimizer", "AcceleratedScheduler"):
            return f"{name} is what accelerator.prepare made: call run.checkpoint before accelerator.prepare"
    return None


def why_not_resumable(loader: Any) -> str | None:
    """Why a loader that accelerator.prepare made is none for a run, in words; None for any other loader."""
    loading = sys.modules.get("accelerate.data_loader")
    if loading is None or not isinstance(loader, loading.DataLoaderAdapter):
        return None
    return (
        "accelerator.prepare made another loader of this one, without its seeds and its place: leave the "
        "loader out of prepare, and move batches by batch.to(accelerator.device)"
    )


def unwrapped(optimizer: Any) -> Any:
    """The optimizer that accelerator.prepare wrapped, or the one given."""
    return optimizer.optimizer if type(optimizer).__name__ == "AcceleratedOptimizer" else optimizer


KIND = Kind(is_accelerator, get, put)
