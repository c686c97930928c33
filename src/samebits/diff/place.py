"""The place of a difference: which event of a training it is, and what of it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from samebits.diff.align import Side
from samebits.diff.reader import Event
from samebits.diff.tensors import SAME, Tensors

What = Literal[  # of what a step has, in its order
    "model",
    "initial",
    "control flow",
    "calls",
    "batch",
    "mode",
    "forward",
    "loss",
    "gradient",
    "clipping",
    "skipped",
    "learning rate",
    "optimizer state",
    "parameter",
    "buffer",
    "evaluation batch",
    "evaluation",
    "end",
    "metric",
    "weights",
]


@dataclass(frozen=True)
class Place:
    """The first difference.

    Attributes:
        what: its kind.
        step: the step at which it is, or after which; None before the first.
        text: the difference in words.
        equal: what is equal there, and could have been the reason.
        name: the tensor that differs first.
        tensors: all of its kind that differ in this event.
        first, second: the two events; None: there is none.
        optimizer: the number of the optimiser, where it is a step.
        epoch: that of the step, from 1; None where it is not certain.
    """

    what: What
    step: int | None
    text: str
    equal: tuple[str, ...] = ()
    name: str = ""
    tensors: Tensors = SAME
    first: Event | None = field(default=None, repr=False)
    second: Event | None = field(default=None, repr=False)
    optimizer: int | None = None
    epoch: int | None = None

    def __str__(self) -> str:
        return f"{self.text}{f': {_listed(self.equal)} equal' if self.equal else ''}"


def words(event: Event, side: Side, other: Event | None = None) -> str:
    """What an event is, for people.

    Args:
        event: of A.
        side: where it is from.
        other: its counterpart in B, if that was read.
    """
    if event["event"] == "step":
        epoch = epoch_of(event, side, other)
        return f"step {side.step(event):,}{f' (epoch {epoch:,})' if epoch else ''}{_of_optimizer(event)}"
    if event["event"] == "initial":
        return f"the start (initial weights of {event['model']})"
    return (
        f"the evaluation after step {after(event, side):,}"
        if after(event, side)
        else "an evaluation before step 1"
    )


def after(event: Event, side: Side) -> int:
    """After how many steps an evaluation was made."""
    counts = {int(name): count for name, count in event["after"].items()}
    return max((count + side.shift.get(name, 0) for name, count in counts.items()), default=0)


def epoch_of(event: Event, side: Side, other: Event | None) -> int | None:
    """The epoch of a step; None where both do not agree, or A has counted from a resumption on."""
    epoch: int | None = event.get("epoch")
    agreed = other is None or bool(side.origin) or other.get("epoch") == epoch
    return epoch if agreed and not side.shift else None


def _of_optimizer(event: Event) -> str:
    return f" of optimiser {event['optimizer']}" if event["optimizer"] else ""


def states_of(event: Event) -> dict[str, str]:
    """The generators' states that an event leaves."""
    states: dict[str, Any] = event["generators"]
    return states.get("after", {}) if event["event"] == "step" else states


def _listed(texts: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
