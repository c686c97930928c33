"""Memory that nobody wrote: what is in it is what the memory held before.

It is known in two ways. Memory that the user's code gets from torch is remembered until an optimiser takes
its first step, with what was in it. Below `samebits watch` it is filled with a mark; in a run it stays as it
is, and zeros tell nothing, since somebody may have written them. And where a run's memory is filled before it
is handed out (`samebits.process.memory`), all that the run holds before its first step is looked at: arrays
of NumPy and TensorFlow, too, and what a library asked for. A number that is no number may then be meant, so
this is not certain.
"""

import sys
import weakref
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from samebits.chance.never_fails import never_fails
from samebits.chance.records import RECORDS, Source
from samebits.hashing.weights import Tensor
from samebits.process.code_owner import owner
from samebits.rng.live_objects import instances

MARK = 2.0**-9 * 1.2421875  # every kind of float holds it exactly
FIX = "give it values: torch.nn.init.normal_({name}), or torch.zeros(…) in place of torch.empty(…)"
FIX_HELD = "give it values before the first step: zeros in place of torch.empty(…) or numpy.empty(…)"
MOST = 2**20  # bytes that are kept of a tensor
made: dict[int, tuple[str, int, Any]] = {}  # by its address: where memory was asked for, what was in it
named: set[int] = set()  # the addresses of what is counted


def watch() -> None:
    """Look at each optimiser's parameters before its first step."""
    from torch.optim import optimizer

    seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def before_step(which: Any, arguments: Any, named: Any) -> None:
        if which not in seen:
            seen.add(which)
            look([parameter for group in which.param_groups for parameter in group["params"]])

    optimizer.register_optimizer_step_pre_hook(before_step)


@never_fails
def look(parameters: list[Any]) -> None:
    """Count the parameters of torch that nobody wrote."""
    for parameter in parameters:
        if as_it_was(parameter):
            _count(parameter, f"the parameter {_name(parameter)}", certain=True)


@never_fails
def look_at_held(objects: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Count what a run holds and nobody wrote, where memory is filled. Called before the first step.

    Args:
        objects: what is held, by name.
        tensors: all that a checkpoint would hold now, by names that begin with those of the objects.
    """
    from samebits.chance.filled_memory import unwritten

    of_torch = dict(_tensors(objects))
    for name in unwritten(tensors):
        # A module's state is a table of `entries`, its tensors by the names that its owner knows.
        known = name.replace(".entries.", ".", 1)
        tensor = of_torch.get(known)
        if tensor is not None and tensor.requires_grad and as_it_was(tensor):
            _count(tensor, f"the parameter {_name(tensor)}", certain=True)
        else:
            _count(tensor, known, certain=False)


def _tensors(objects: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The tensors of torch's modules, by the names that a run has for them."""
    torch: Any = sys.modules.get("torch")
    for name, target in objects.items():
        if torch is not None and isinstance(target, torch.nn.Module):
            for inner, tensor in (*target.named_parameters(), *target.named_buffers()):
                yield f"{name}.{inner}", tensor


def _count(tensor: Any, what: str, *, certain: bool) -> None:
    address = 0 if tensor is None else tensor.data_ptr()
    if address in named:
        return
    if address:
        named.add(address)
    file, line = made[address][:2] if address in made else ("", 0)
    fix = FIX.format(name=what.rpartition(" ")[2]) if certain else FIX_HELD
    RECORDS.add(Source("memory", f"{what}: memory that nobody wrote", file, line, "", fix, certain))


def as_it_was(tensor: Any) -> bool:
    """Whether there is in a tensor what was there when the user's code got its memory."""
    if tensor.numel() == 0 or tensor.is_meta or tensor.data_ptr() not in made:
        return False
    return _bytes(tensor).equal(made[tensor.data_ptr()][2])


def _bytes(tensor: Any) -> Any:
    torch: Any = sys.modules["torch"]
    flat = tensor.detach().contiguous().flatten()
    return flat.view(torch.uint8)[:MOST]


def _name(parameter: Any) -> str:
    """Its name in the module that has it."""
    torch: Any = sys.modules["torch"]
    for module in instances(torch.nn.Module):
        for name, own in module._parameters.items():
            if own is parameter:
                return f"{type(module).__name__}.{name}"
    return f"of shape {tuple(parameter.shape)}"


@never_fails
def remember(tensor: Any, frame: FrameType, fill: bool) -> None:
    """Remember memory that the user's code just got, and that nobody can have written yet.

    Args:
        tensor: the memory.
        frame: who asked for it.
        fill: with the mark.
    """
    if owner(frame.f_code.co_filename) != "user" or not tensor.is_floating_point() or tensor.is_meta:
        return
    if fill:
        tensor.data.fill_(MARK)
    content = _bytes(tensor).clone()
    if content.any():
        made[tensor.data_ptr()] = (frame.f_code.co_filename, frame.f_lineno, content)
