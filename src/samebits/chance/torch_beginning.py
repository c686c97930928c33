"""What torch does before a model is first called: draws before any seed, memory that nobody wrote."""

import functools
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

from samebits.chance import memory, unshown_memory
from samebits.chance.never_fails import never_fails
from samebits.chance.not_seen import not_seen
from samebits.chance.places import outwards, place
from samebits.chance.records import RECORDS, Source

DRAWS = {
    *("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson", "dropout"),
    *("rand_like", "randn_like", "randint_like", "normal_", "uniform_", "random_", "bernoulli_"),
    *("exponential_", "geometric_", "cauchy_", "log_normal_"),
}
MEMORY = {"empty", "empty_like", "empty_strided", "new_empty"}
CALLS = 200_000  # of torch's functions that are looked at: about half a second; a program may never step
SEEDS = 2**32  # torch takes 64 bits from the system where nobody gives it a seed: next to never so few
ends: list[Callable[[], Any]] = []  # what ends it
_first: list[int | None] = []  # the seed that torch took from the system; None: it had another one by then
GLOBAL = "torch's global generator before it had a seed"
FIX = "torch.manual_seed(seed) before it"


def watch() -> None:
    """Have torch show each call of its functions, until a module is called or an optimiser steps.

    Nothing of torch is replaced. But some modules, such as TransformerEncoder and MultiheadAttention, compute
    in another way, to other bits, where somebody is shown their calls: so the first call of a module ends it.
    In a run the numbers must stay as they are: memory is filled below `samebits watch` only.
    """
    if ends:
        return
    torch: Any = sys.modules["torch"]
    from torch import overrides
    from torch.nn.modules.module import register_module_forward_pre_hook
    from torch.optim import optimizer

    fill = "SAMEBITS_WATCH" in os.environ
    if not _first:
        seed = torch.default_generator.initial_seed()
        _first.append(seed if seed >= SEEDS else None)
        optimizer.register_optimizer_step_pre_hook(lambda which, arguments, named: leave())
    unseeded = _first[0]
    number = itertools.count(1)

    class Beginning(overrides.TorchFunctionMode):
        on = True

        def __torch_function__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
            named = named or {}
            if not self.on:
                return function(*given, **named)
            if next(number) == CALLS:
                not_seen(f"memory that nobody wrote, after the first {CALLS:,} calls of torch")
                leave()
            name = getattr(function, "__name__", "")
            draws = name in DRAWS and named.get("generator") is None
            if draws and torch.default_generator.initial_seed() == unseeded:
                _drawn(sys._getframe(1), name, named)
            result = function(*given, **named)
            asks = name in MEMORY or (name == "new" and unshown_memory.has_sizes(given[1:]))
            if asks and isinstance(result, torch.Tensor):
                memory.remember(result, sys._getframe(1), fill=fill)
            return result

    mode = Beginning()
    mode.__enter__()

    def end() -> None:
        Beginning.on = False
        if overrides._get_current_function_mode() is mode:  # else it stays below another, and does nothing
            mode.__exit__(None, None, None)

    first_call = register_module_forward_pre_hook(lambda module, given: leave())
    ends.extend((first_call.remove, end, unshown_memory.watch(fill)))


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


def was_drawn_from() -> bool:
    """Whether somebody drew from torch's global generator, which nobody gave a seed or a state."""
    torch: Any = sys.modules["torch"]
    seed = torch.default_generator.initial_seed()
    if seed not in _first:
        return False
    fresh = torch.Generator().manual_seed(seed)
    return not fresh.get_state().equal(torch.default_generator.get_state())


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
        RECORDS.add(Source("global generator", GLOBAL, where.file, where.line, library, FIX))
