"""What torch does before the first step of an optimiser: draws before any seed, memory that nobody wrote."""

import functools
import sys
from collections.abc import Callable
from typing import Any

from samebits.chance import memory
from samebits.chance.never_fails import never_fails
from samebits.chance.places import outwards, place
from samebits.chance.records import RECORDS, Source

DRAWS = {
    *("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson", "dropout"),
    *("rand_like", "randn_like", "randint_like", "normal_", "uniform_", "random_", "bernoulli_"),
    *("exponential_", "geometric_", "cauchy_", "log_normal_"),
}
MEMORY = {"empty", "empty_like", "empty_strided", "new_empty"}
ends: list[Callable[[], Any]] = []  # what ends it
FIX = "torch.manual_seed(seed) before it"


def watch(in_run: bool = False) -> None:
    """Have torch show each call of its functions, until an optimiser steps; nothing of it is replaced.

    Args:
        in_run: a run has begun, which seeds torch, and whose numbers must stay as they are.
    """
    torch: Any = sys.modules["torch"]
    from torch import overrides
    from torch.optim import optimizer

    unseeded = None if in_run else torch.default_generator.initial_seed()

    class Beginning(overrides.TorchFunctionMode):
        on = True

        def __torch_function__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
            named = named or {}
            if not self.on:
                return function(*given, **named)
            name = getattr(function, "__name__", "")
            draws = name in DRAWS and named.get("generator") is None
            if draws and torch.default_generator.initial_seed() == unseeded:
                _drawn(sys._getframe(1), name, named)
            result = function(*given, **named)
            if name in MEMORY and isinstance(result, torch.Tensor):
                memory.remember(result, sys._getframe(1), fill=not in_run)
            return result

    mode = Beginning()
    mode.__enter__()

    def end() -> None:
        Beginning.on = False
        if overrides._get_current_function_mode() is mode:  # else it stays below another, and does nothing
            mode.__exit__(None, None, None)

    ends.append(end)
    optimizer.register_optimizer_step_pre_hook(lambda which, arguments, named: leave())


def watch_compiler() -> None:
    """What `torch.compile` compiles must not see this."""
    kind: Any = sys.modules["torch._dynamo.eval_frame"].OptimizeContext
    original = kind.__init__

    @functools.wraps(original)
    def begin(self: Any, *given: Any, **named: Any) -> None:
        leave()
        original(self, *given, **named)

    kind.__init__ = begin


def leave() -> None:
    """The beginning is over."""
    while ends:
        ends.pop()()


@never_fails
def _drawn(frame: Any, name: str, named: Any) -> None:
    ours = ("torch/overrides.py", "torch/utils/data/dataloader.py")
    if frame.f_code.co_filename.endswith(ours[1]):  # a seed for workers, drawn whether there are some or not
        return
    if name == "dropout" and not named.get("training", True):
        return
    where = place(next(each for each in outwards(frame) if not each.f_code.co_filename.endswith(ours[0])))
    if where is not None and where.user is not None:
        library = "" if where.library == "torch" else where.library
        source = "torch's global generator before it had a seed"
        RECORDS.add(Source("global generator", source, where.file, where.line, library, FIX))
