"""Inside of a step: the first layer or operation whose result differs while its inputs are equal.

What is computed within a module stands before the module's own line. So if a layer is to blame, it is seen
before what it is a part of. Where only its input differs, the module around it is the place: its own code.
"""

from dataclasses import replace
from typing import Any

from samebits.diff.align import Pair, Side
from samebits.diff.place import Part, Place, first_different
from samebits.diff.reader import Event
from samebits.diff.tensors import module_of
from samebits.record.format import LAYER, OPERATION

# Of what a step has, these stand before anything that a layer computes, or are told better by the step.
BEFORE = ("model", "initial", "control flow", "calls", "batch", "mode", "evaluation batch", "end")
FORWARD = ("forward", "loss")
FOREIGN_TO_STEPS = ("loss", "evaluation")  # have inputs that no line inside shows, such as targets
BY_THE_STEP = ("skipped", "learning rate")  # are told better than by their first operation
ALONE = (*FORWARD, "gradient", "evaluation")  # may come from an operation that only one of both has


class Inside:
    """What differs inside the step or the evaluation that is read now.

    Attributes:
        apart: whether that is anything.
    """

    def __init__(self, first: Side, second: Side) -> None:
        self._sides = first, second
        self._earlier: Pair | None = None  # an operation in a step that came to the same anyway
        self._differed = self.apart = False
        self._decisive: Pair | None = None
        self.clear()

    def clear(self) -> None:
        """The next step begins."""
        if self._decisive is not None and (self._decisive.first or {}).get("event") == OPERATION:
            self._earlier = self._earlier or self._decisive
        self._differed |= self.apart
        self.apart = False
        self._decisive = None
        self._entered: Pair | None = None  # the first whose inputs differ
        self._backwards: set[tuple[str, str]] = set()  # modules into which other gradients come
        self._set: dict[str, Pair] = {}  # layers whose settings alone differ, by their path
        self._foreign = False  # nothing that differs stands before these
        self._forward_differs = self._alone_seen = False

    @property
    def knows(self) -> bool:
        """Whether anything differs inside this step, or an operation in one before."""
        return self.apart or self._earlier is not None

    def see(self, pair: Pair) -> None:
        """Two lines that differ, or one without a counterpart."""
        first, second = pair.first, pair.second
        if first is None or second is None:
            self._see_alone(pair)
            return
        if first.get("digest") != second.get("digest"):  # of two kinds, which say nothing about each other
            return
        backward = first["direction"] == "backward"
        inputs, outputs = first["inputs"] != second["inputs"], first_different(first, second) is not None
        if not outputs and first["event"] == OPERATION:
            return  # what differs there is memory that nobody wrote, or does not count
        if inputs and backward:
            self._backwards.add((first["model"], first["module"]))
        if inputs and self._entered is None:
            self._entered, self._foreign = pair, not self.apart
        # What a layer's backward reads of the forward pass is no input of it, and differs with that.
        follows = backward and self._forward_differs and first["event"] == LAYER
        if outputs and not inputs and not follows:
            self._decide(pair)
        self._forward_differs |= (inputs or outputs) and not backward and not first.get("evaluation")
        other_settings = not backward and first.get("settings") != second.get("settings")
        if other_settings:
            self._set.setdefault(first["module"], pair)
        self.apart |= inputs or outputs or other_settings

    def _see_alone(self, pair: Pair) -> None:
        event, missing = pair.first or pair.second, self._sides[pair.first is not None]
        assert event is not None
        if event.get("thread") or (missing.over and not missing.queue):
            return  # which thread of several computes something, nobody decides; or the record ends before
        self._alone_seen = True
        self._decide(pair)
        self.apart = True

    def _decide(self, pair: Pair) -> None:
        if self._decisive is None:
            self._decisive = pair

    def place(
        self, outer: Place | None, where: str, generators: tuple[str, ...], evaluation: bool = False
    ) -> Place | None:
        """The first difference, now that what the lines belong to is read.

        Args:
            outer: the first difference of the step itself, or of the evaluation; None: there is none.
            where: what that is, in words.
            generators: what may be said of the generators.
            evaluation: whether it is an evaluation.
        """
        if outer is not None and outer.what in BEFORE and not (outer.what == "initial" and self._earlier):
            return outer
        decisive, foreign = self._decisive, self._written_elsewhere(outer)
        if decisive is None and outer is not None:
            decisive = self._earlier
        if foreign is not None:
            decisive = foreign
        if decisive is None or not self._says_more(decisive, outer, where):
            return self._with_settings(outer) or self._in_backward(outer, where)
        first, second, _ = decisive
        event = first or second or {}
        if not where or decisive is self._earlier or bool(event.get("evaluation")) is not evaluation:
            if outer is None and where:
                return None  # an evaluation in the middle of a step
            number = self._step(event)
            where = f"the evaluation after step {number:,}" if event.get("evaluation") else f"step {number:,}"
        if first is None or second is None:
            return self._alone(first, second, outer, where)
        backward = first["direction"] == "backward"
        if backward and outer is not None and outer.what in FORWARD:
            return outer
        base = outer or Place("forward", self._step(first), "")
        what: Any = "gradient" if backward else base.what if base.what in FORWARD else "forward"
        if first["event"] == OPERATION:
            what = base.what  # the step has seen what comes of it
        if first.get("evaluation"):
            what = "evaluation"
        if first.get("training") != second.get("training"):
            what = "mode"
        part = Part(first, second, foreign is not None, decisive is self._earlier)
        text = f"{where}, {part}{self._between(first)}"
        equal = [] if part.foreign else ["inputs"]
        differs = f"{part.differs} differs"
        if first.get("weights") != second.get("weights"):
            differs = "its weights differ"
        elif "weights" in first:
            equal.append("weights")
        if not part.other_generators and ("generators" in first or "generators" in second):
            equal += generators or ("generators",)
        return replace(base, what=what, text=text, equal=tuple(equal), name="", part=part, differs=differs)

    def _in_backward(self, outer: Place | None, where: str) -> Place | None:
        """A gradient that differs since a module's own code has computed it, between two of its layers."""
        pair = self._entered
        if outer is None or outer.what != "gradient" or pair is None or self._forward_differs:
            return outer
        first, second = pair.first, pair.second
        if first is None or second is None or first["event"] != LAYER or not first["module"]:
            return outer
        module, within = first["module"], first["module"]
        while module and (first["model"], module) in self._backwards:
            module = module.rpartition(".")[0]
        if (first["model"], module) in self._backwards:
            return outer  # what comes into the model differs: the loss
        names = {"module": module, "class": "" if module else first["model"], "outputs": ""}
        part = Part(first | names, second | names)
        text = f"{where}, {part}, in its own code before the backward of `{within}`"
        differs = f"gradient that comes into `{within}` differs"
        return replace(outer, text=text, equal=("inputs",), name="", part=part, differs=differs)

    def _with_settings(self, outer: Place | None) -> Place | None:
        """A buffer that differs, with its layer, if that has other settings: such as another momentum."""
        if outer is None or outer.what != "buffer" or (pair := self._set.get(module_of(outer.name))) is None:
            return None
        assert pair.first is not None
        assert pair.second is not None
        return replace(outer, part=Part(pair.first, pair.second))

    def _written_elsewhere(self, outer: Place | None) -> Pair | None:
        """The first operation whose inputs differ, where nothing before it does."""
        entered = self._entered
        if not self._foreign or entered is None or (entered.first or {})["event"] != OPERATION:
            return None
        if self._differed or self._alone_seen:  # where one has more calls, others are counted otherwise
            return None
        return entered if outer is not None and outer.what not in FOREIGN_TO_STEPS else None

    def _says_more(self, pair: Pair, outer: Place | None, where: str) -> bool:
        """Whether a pair inside tells more than its step."""
        if (pair.first or pair.second or {})["event"] != OPERATION:
            return True
        if outer is None:  # what nobody uses
            return not where
        alone = pair.first is None or pair.second is None
        return outer.what not in BY_THE_STEP and (not alone or outer.what in ALONE)

    def _between(self, first: Event) -> str:
        """Where in a module's own code, if something within it has other inputs first."""
        entered = self._entered
        if entered is None or entered.first is None or first["event"] != LAYER:
            return ""
        inside, within = f"{first['module']}." if first["module"] else "", entered.first["module"]
        if entered.first["direction"] != first["direction"] or entered.first["model"] != first["model"]:
            return ""
        if not within or not within.startswith(inside):
            return ""
        of = "" if first["direction"] == "forward" else "the backward of "
        return f", in its own code before {of}`{within}`"

    def _alone(self, first: Event | None, second: Event | None, outer: Place | None, where: str) -> Place:
        event, who, not_who = (first, "A", "B") if first is not None else (second, "B", "A")
        assert event is not None
        part = Part(event, event)
        if event["event"] == LAYER and event["direction"] == "backward" and outer is not None:
            return replace(outer, part=part)  # such as of a frozen layer: the step says which gradient
        if part.operation and outer is not None:
            return replace(outer, text=f"{where}, only {who} calls: {part}", equal=(), name="", part=part)
        does = f"goes through the {part}" if event["direction"] == "backward" else f"calls {part.name}"
        more = "once more" if event["occurrence"] > 1 else f"{not_who} does not"
        comma = "" if event["occurrence"] > 1 else ","
        text = f"control flow: run {who} {does} in {where}{comma} {more}"
        base = outer or Place("control flow", self._step(event), "")
        return replace(base, what="control flow", text=text, equal=(), name="", part=part)

    def _step(self, event: Event) -> int:
        side = self._sides[0]
        return max(side.total(event).values(), default=0) + (not event.get("evaluation"))
