"""Parameters that no initialiser wrote: what is in them is what the memory held before.

Memory that the user's code gets from torch is remembered until an optimiser takes its first step. Below
`samebits watch` it is filled with a mark; in a run it stays as it is, and is known again by what is in it.
Zeros tell nothing: somebody may have written them.
"""

import sys
import weakref
from types import FrameType
from typing import Any

from samebits.chance.never_fails import never_fails
from samebits.chance.records import RECORDS, Source
from samebits.process.code_owner import owner
from samebits.rng.live_objects import instances

MARK = 2.0**-9 * 1.2421875  # every kind of float holds it exactly
FIX = "give it values: torch.nn.init.normal_({name}), or torch.zeros(…) in place of torch.empty(…)"
MOST = 2**20  # bytes that are kept of a parameter
made: dict[int, tuple[str, int, Any]] = {}  # by its address: where memory was asked for, what was in it


def watch() -> None:
    """Look at each optimiser's parameters before its first step."""
    from torch.optim import optimizer

    seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def before_step(which: Any, arguments: Any, named: Any) -> None:
        if which not in seen:
            seen.add(which)
            look([one for group in which.param_groups for one in group["params"]])

    optimizer.register_optimizer_step_pre_hook(before_step)


@never_fails
def look(parameters: list[Any]) -> None:
    """Count the parameters that nobody wrote."""
    for parameter in parameters:
        if _unwritten(parameter):
            file, line, name = _where(parameter)
            what = f"the parameter {name}: memory that nobody wrote"
            RECORDS.add(Source("memory", what, file, line, "", FIX.format(name=name)))


def _unwritten(parameter: Any) -> bool:
    if parameter.numel() == 0 or parameter.is_meta or parameter.data_ptr() not in made:
        return False
    return _bytes(parameter).equal(made[parameter.data_ptr()][2])


def _bytes(tensor: Any) -> Any:
    torch: Any = sys.modules["torch"]
    flat = tensor.detach().contiguous().flatten()
    return flat.view(torch.uint8)[:MOST]


def _where(parameter: Any) -> tuple[str, int, str]:
    """Where its memory was asked for, and its name in the module that has it."""
    torch: Any = sys.modules["torch"]
    for module in instances(torch.nn.Module):
        for name, one in module._parameters.items():
            if one is parameter:
                return *made[parameter.data_ptr()][:2], f"{type(module).__name__}.{name}"
    return *made[parameter.data_ptr()][:2], f"of shape {tuple(parameter.shape)}"


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
        tensor.fill_(MARK)
    content = _bytes(tensor).clone()
    if content.any():
        made[tensor.data_ptr()] = (frame.f_code.co_filename, frame.f_lineno, content)
