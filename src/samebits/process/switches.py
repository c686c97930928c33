"""Switches inside a process that decide bits: set, read back, and found when somebody undoes them.

The frameworks' own are in samebits.torch.kernels and samebits.keras.kernels. Their names, by which
SAMEBITS_ALLOW leaves one as it is, are rows of determinism.env, as the variables' are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from samebits.errors import UsageError
from samebits.process import started


@dataclass(frozen=True)
class Switch:
    """One switch.

    Attributes:
        must: what it must be.
        get: what it is; asked before every step, so it takes microseconds.
        set: gives it a value.
        what: how it is called where `get` reads it, when that is not its name.
    """

    must: Any
    get: Callable[[], Any]
    set: Callable[[Any], object]
    what: str = ""


def attribute(holder: Any, name: str, must: Any) -> Switch:
    """A switch that is an attribute of a module."""
    return Switch(must, partial(getattr, holder, name), partial(setattr, holder, name))


def watched(switches: Mapping[str, Switch]) -> dict[str, Switch]:
    """Those that SAMEBITS_ALLOW does not leave as they are."""
    allowed = started.allowed()
    return {name: switch for name, switch in switches.items() if name not in allowed}


def refuse_undone(switches: Mapping[str, Switch]) -> None:
    """Look whether every switch is what it must be.

    Raises:
        UsageError: naming the first that is not, what it is, what it must be, and what to do.
    """
    for name, switch in switches.items():
        if (now := switch.get()) != switch.must:
            what = f"{switch.what} ({name})" if switch.what else name
            raise UsageError(
                f"{what} is {now!r} since open_run, must be {switch.must!r}: remove the call that changed "
                f"it, or SAMEBITS_ALLOW={name} says that you mean it"
            )
