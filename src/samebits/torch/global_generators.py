"""torch's row of the registry `samebits.rng.generators`: its global generators on every device."""

from collections.abc import Mapping
from typing import Any

import torch

from samebits.rng.generators import Generators, Restore


def _seed(seed: int) -> None:
    torch.manual_seed(seed)  # the CPU, and every GPU: at once, or when CUDA starts


def _save() -> Restore:
    cpu = torch.default_generator.get_state()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    # Before CUDA starts, torch keeps the seeds that GPUs are to get as calls that wait.
    waiting = vars(torch.cuda._lazy_seed_tracker).copy()

    def restore() -> None:
        torch.default_generator.set_state(cpu)
        if gpus is not None:
            torch.cuda.set_rng_state_all(gpus)
        elif not torch.cuda.is_initialized():
            vars(torch.cuda._lazy_seed_tracker).update(waiting)
        else:  # CUDA started inside the block; without a waiting seed it would have started with a random one
            for call in filter(None, waiting["call_order"]):
                call[0]()

    return restore


def _state() -> dict[str, Any]:
    """The states on the CPU and, once CUDA is in use, on every GPU, as arrays of bytes."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state().numpy(), "cuda": [state.numpy() for state in gpus]}


def _put(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(torch.from_numpy(state["cpu"]))
    if state["cuda"]:
        torch.cuda.set_rng_state_all(list(map(torch.from_numpy, state["cuda"])))


def _seed_step(seed: int) -> None:
    """About 10 µs, where `torch.manual_seed` takes 70."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        for generator in torch.cuda.default_generators:
            generator.manual_seed(seed)


TORCH = Generators(
    owner="torch",
    seed=_seed,
    save=_save,
    state=_state,
    put=_put,
    draw=lambda: torch.rand(()),
    kinds=lambda: (torch.Generator,),
    shared=lambda: (torch.default_generator,),
    seed_step=_seed_step,
)
