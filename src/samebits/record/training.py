"""What the record of a training has in common, whatever framework computes it."""

import math
from collections.abc import Mapping
from typing import Any

from samebits.fingerprint.code_state import Code
from samebits.fingerprint.facts import fingerprint
from samebits.record.files import unseen
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER, MISSING
from samebits.record.guarded import tell

MOST_CALLS = 1000  # of models in one step that are listed; of more, the first ones
MOST_LAYERS = 64  # in another mode than their model, whose names a call has
MOST_LOSSES = 64  # of one step that are listed; of more, the first ones
MOST_ROWS = 1024  # of a batch, whose rows have a digest each
DEEPEST = 8  # tables within tables, in an optimiser's state and in arguments


def settings(framework: str, device: str, **more: Any) -> dict[str, Any]:
    """The line of what can change bits.

    Args:
        framework: computes.
        device: on which.
        more: what else the line has.
    """
    try:
        with unseen():
            facts = {"fingerprint": fingerprint(framework, device), "code": Code().facts()}
    except Exception as error:  # another package of the environment is broken; the steps are not
        tell("samebits.fingerprint", error)
        facts = {"fingerprint": {}, "code": {}}
    return {"event": "settings", "framework": framework, "device": device, **facts, **more}


def gradients(after_backward: str, at_optimizer: str) -> Mapping[str, str]:
    """What a step says of gradients: after backward, and at the optimiser where they are others.

    Args:
        after_backward: their digests; all MISSING where nobody saw them.
        at_optimizer: the digests of those that it used.
    """
    seen = {AFTER_BACKWARD: after_backward} if after_backward.strip(MISSING[0]) else {}
    if not seen or at_optimizer != after_backward:
        seen[AT_OPTIMIZER] = at_optimizer
    return seen


def number(value: Any) -> Any:
    """A number as JSON has it: NaN and infinity as text; None for what is none, and for a complex one."""
    if isinstance(value, bool | int):
        return value
    if not isinstance(value, float):
        return None
    return value if math.isfinite(value) else str(value)
