"""Parameters that no initialiser wrote: what is in them is what the memory held before.

Under `torch.use_deterministic_algorithms(True)`, which a run switches on, torch fills such memory with NaN.
Below `samebits watch` it is filled with a mark. Either is looked for before an optimiser's first step.
"""

import inspect
import sys
import weakref
from types import FrameType
from typing import Any

from samebits.chance.never_fails import never_fails
from samebits.chance.places import kind_of
from samebits.chance.records import RECORDS, Source
from samebits.rng.live_objects import instances

MARK = 2.0**-9 * 1.2421875  # every kind of float holds it exactly
FIX = "give it values: torch.nn.init.normal_({name}), or torch.zeros(…) in place of torch.empty(…)"
made: dict[int, tuple[str, int]] = {}  # where marked memory was asked for, by its address


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
    if not parameter.is_floating_point() or parameter.numel() == 0 or parameter.is_meta:
        return False
    values = parameter.detach()
    first = values.flatten()[0]
    if first.isnan():
        return bool(values.isnan().all())
    return parameter.data_ptr() in made and bool((values == MARK).all())


def _where(parameter: Any) -> tuple[str, int, str]:
    """The file and line of the module that has it, and its name there."""
    torch: Any = sys.modules["torch"]
    for module in instances(torch.nn.Module):
        for name, one in module._parameters.items():
            if one is parameter:
                place = made.get(parameter.data_ptr())
                file, line = place or _class(type(module))
                return file, line, f"{type(module).__name__}.{name}"
    file, line = made.get(parameter.data_ptr(), ("", 0))
    return file, line, f"of shape {tuple(parameter.shape)}"


def _class(kind: type) -> tuple[str, int]:
    try:
        return inspect.getsourcefile(kind) or "", inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):
        return kind.__module__, 0


def mark(tensor: Any, frame: FrameType) -> None:
    """Fill memory that user's code just got, and that nobody can have written yet."""
    if kind_of(frame.f_code.co_filename) == "user" and tensor.is_floating_point() and not tensor.is_meta:
        tensor.fill_(MARK)
        made[tensor.data_ptr()] = (frame.f_code.co_filename, frame.f_lineno)
