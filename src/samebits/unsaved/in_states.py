"""What of a held object is in its own state, so in every checkpoint."""

from collections.abc import Mapping
from typing import Any

from samebits.checkpoint.state import RunState
from samebits.unsaved.digests import CONTAINERS, PLAIN, single


def kept(value: Any) -> dict[str, Any] | None:
    """What a held object's `state_dict` has."""
    state = value.state_dict() if callable(getattr(value, "state_dict", None)) else None
    return dict(state) if isinstance(state, Mapping) else {} if state is not None else None


def is_kept(name: str, value: Any, in_state: Mapping[str, Any]) -> bool:
    """Whether an attribute is in its object's `state_dict`: by its name, or as the same value."""
    if name.strip("_") in {str(key).strip("_") for key in in_state}:
        return True
    if type(value) in PLAIN:
        return any(type(other) is type(value) and other == value for other in in_state.values())
    return any(
        other is value or (type(other) in CONTAINERS and _equal(other, value)) for other in in_state.values()
    )


def _equal(value: Any, other: Any) -> bool:
    try:
        return type(value) is type(other) and bool(value == other)
    except Exception:  # tensors and arrays inside have no one truth
        return False


def saved_whole(held: Any) -> list[Any]:
    """Held objects of which checkpoints hold all, and what `run.state` has."""
    if isinstance(held, RunState):
        return [held, *(value for value in vars(held).values() if type(value) not in PLAIN)]
    return [held] if single(held) is not None else []
