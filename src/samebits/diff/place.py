"""The place of a difference: which event of a training it is, and what of it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from samebits.diff.align import Side
from samebits.diff.reader import Event
from samebits.diff.tensors import SAME, Tensors
from samebits.record.format import DIGITS, LAYER, MISSING

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


def first_different(first: Event, second: Event) -> int | None:
    """The number of the first result that differs, of those that both have computed; None: there is none.

    Args:
        first, second: the line of a layer or of an operation in A and in B. A frozen parameter has no
            gradient, and what comes before it may have none.
    """
    a, b = first["outputs"], second["outputs"]
    if a == b:
        return None
    if first.get("of") != second.get("of") and LAYER in (first["event"], second["event"]):
        ours, theirs = _by_name(first), _by_name(second)
        pairs = [(text, theirs.get(name, MISSING)) for name, text in ours.items()]
    elif len(a) != len(b):
        return 0
    else:
        pairs = [(a[at : at + DIGITS], b[at : at + DIGITS]) for at in range(0, len(a), DIGITS)]
    apart = (number for number, pair in enumerate(pairs) if pair[0] != pair[1] and MISSING not in pair)
    return next(apart, None)


def _by_name(event: Event) -> dict[tuple[str, int], str]:
    """The gradients of a layer, by whose they are, and which of several of that."""
    names, text = event.get("of", []), event["outputs"]
    keys = ((name, names[:number].count(name)) for number, name in enumerate(names))
    parts = (text[at : at + DIGITS] for at in range(0, len(text), DIGITS))
    return dict(zip(keys, parts, strict=False))


@dataclass(frozen=True)
class Part:
    """A layer or an operation inside of a step.

    Attributes:
        first, second: its line in A and in B; the same where only one has it.
        foreign: one of its inputs differs, and no operation of torch that is recorded has written that.
        earlier: it is of a step before the one that differs.
    """

    first: Event = field(repr=False)
    second: Event = field(repr=False)
    foreign: bool = False
    earlier: bool = False

    def __str__(self) -> str:
        call = f"call {self.first['occurrence']:,}" if self.first["occurrence"] > 1 else ""
        of = " of " if self.first["direction"] and self.name else ""
        module = f"{self.first['direction']}{of}{self.name}"
        return ", ".join(filter(None, (module, self.operation, call, self.line)))

    @property
    def operation(self) -> str:
        """The name of the operation; "" of a layer."""
        return str(self.first.get("name", ""))

    @property
    def name(self) -> str:
        """The module, for people: "`features.3` (Conv2d)"; of a whole model its class; "" of none."""
        classes = [each["class"] for each in (self.first, self.second)]
        kind = classes[0] if classes[0] == classes[1] else f"{classes[0]} in A, {classes[1]} in B"
        named = f" ({kind})" if kind else ""
        return f"`{self.first['module']}`{named}" if self.first["module"] else kind

    @property
    def line(self) -> str:
        """The line of the user's code; both, where they are not the same."""
        a, b = self.first["line"], self.second["line"]
        return str(a) if a == b else f"{a} in A, {b} in B"

    @property
    def differs(self) -> str:
        """Its first result that differs, for people."""
        kind = "inputs" if self.foreign else "outputs"
        a, b = self.first[kind], self.second[kind]
        if len(a) != len(b) and self.first.get("of") == self.second.get("of"):
            return f"number of {kind}"
        if self.foreign:
            starts = range(0, len(a), DIGITS)
            number = next((at // DIGITS for at in starts if a[at : at + DIGITS] != b[at : at + DIGITS]), 0)
            return f"input {number}, which no operation of torch has written,"
        number = first_different(self.first, self.second) or 0
        if (of := self.first.get("of")) and number < len(of):
            if of[number].startswith("output "):
                return str(of[number])
            return f"output `{of[number]}`" if self.operation else f"gradient of its {of[number]}"
        return "output" if len(a) <= DIGITS else f"output {number}"

    @property
    def has_values(self) -> bool:
        """Whether what differs stands among the tensors of the step, if these are recorded."""
        return not self.foreign and not self.earlier

    @property
    def computes_the_same(self) -> bool:
        """Whether both have it, with equal arguments."""
        settings = (each.get("settings") for each in (self.first, self.second))
        return self.first is not self.second and not self.foreign and len(set(settings)) == 1

    @property
    def other_generators(self) -> list[str]:
        """The generators that it draws from, or one of both does, and that were in other states before it."""
        moved = [each.get("generators", {}) for each in (self.first, self.second)]
        return [name for name in moved[0] if name in moved[1] and moved[0][name][0] != moved[1][name][0]]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("module", "class", "model", "direction", "occurrence")
        return {name: self.first[name] for name in names} | {
            "operation": self.operation or None,
            "line": self.line,
        }


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
        part: the layer or the operation; None where none is known.
        differs: what differs there, in words: "output differs".
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
    part: Part | None = None
    differs: str = ""

    def __str__(self) -> str:
        differs = f"{', ' if self.equal else ': '}{self.differs}" if self.differs else ""
        return f"{self.text}{f': {_listed(self.equal)} equal' if self.equal else ''}{differs}"


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
