"""The first place where two processes differ: the first result that differs while its inputs are equal.

A step has this order: generators, the batch and the mode of its calls, losses, gradients after backward and
at the optimiser, learning rates, then what the optimiser and the calls leave: its state, parameters, buffers.
Generators are inputs: where nothing else differs, a generator that nobody uses does not matter.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from samebits._printable import some
from samebits.diff.align import Aligner, Pair, Side
from samebits.diff.generators import Generators
from samebits.diff.reader import DamagedError, Event, parse_event
from samebits.diff.tensors import SAME, Tensors, compare, nearest_to_the_loss
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER

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


class Search:
    """Looks for the first difference of two processes.

    Args:
        first, second: the processes.
        continued: another process continues what one of them did: where it ends is no difference.

    Attributes:
        generators: what is known of them where the search has come to.
        compared: how many steps were the same.
    """

    def __init__(self, first: Side, second: Side, continued: bool = False) -> None:
        self.aligner = Aligner(first, second)
        self.continued = continued
        self.pairs = self.aligner.pairs()
        self.generators = Generators()
        self._same_in_words = ""  # of the last pair that was the same and did not lie there as equal bytes
        self._same_steps = 0
        self._events = 0

    @property
    def compared(self) -> int:
        """How many steps are the same, those before a resumption included."""
        return self.aligner.steps + self._same_steps + max(self.aligner.first.origin.values(), default=0)

    @property
    def events(self) -> int:
        """How many events were compared, the different one included."""
        return self.aligner.events + self._events

    def find(self) -> Place | None:
        """The first difference; None: there is none, as far as both records go."""
        for pair in self.pairs:
            if self._is_after_the_end(pair):
                break
            self._events += 1
            place = self._judge(pair)
            if place is not None:
                return place
            self._passed(pair)
        return _end(self)

    def _is_after_the_end(self, pair: Pair) -> bool:
        """Whether the other record has ended before this event."""
        ours, theirs = self.aligner.first, self.aligner.second
        event, missing = (pair.first, theirs) if pair.second is None else (pair.second, ours)
        if event is None or (pair.first and pair.second):
            return False
        # One that was stopped may evaluate at its end, where the other continues.
        ending = (missing,) if event["event"] == "step" else (ours, theirs)
        if self.continued and any(map(_has_no_step_left, ending)):
            return True
        if not missing.over or missing.queue:
            return False
        # An evaluation after the last step of both is one that the other has left out.
        return event["event"] == "step" or self.continued or _cut_off(missing)

    def _passed(self, pair: Pair) -> None:
        """A pair that differs in generators only, or in the place in the code."""
        event, other, _ = pair
        if event is None or other is None:
            return
        self._same_in_words = words(event, self.aligner.first)
        self.aligner.last = None
        if event["event"] == "step":
            self._same_steps += 1
            self._after(event, other)
        ours, theirs = (_states(each) for each in (event, other))
        self.aligner.apart = {
            name.encode(errors="surrogatepass"): (
                None if each.used else (ours[name].encode(), theirs[name].encode())
            )
            for name, each in self.generators.apart.items()
            if name in ours and name in theirs
        }

    def last_same(self) -> str:
        """The last event that was the same in both, in words."""
        origin = max(self.aligner.first.origin.values(), default=0)
        return self._last_compared() or (f"step {origin:,}" if origin else "")

    def _last_compared(self) -> str:
        if self.aligner.last is None:
            return self._same_in_words
        try:
            return words(parse_event(self.aligner.last), self.aligner.first)
        except DamagedError:
            return ""

    def _judge(self, pair: Pair) -> Place | None:
        ours, theirs = self.aligner.first, self.aligner.second
        first, second = pair.first, pair.second
        if first is None or second is None or pair.moved:
            return _alone(pair, ours, theirs)
        self._see_generators(first, second)
        if first["event"] == "initial":
            return _initial(first, second, ours, theirs)
        if first["event"] == "evaluation":
            return _evaluation(first, second, ours, self.generators.equal())
        for place in _step(first, second, ours, theirs, self.generators.equal()):
            return place
        return None

    def _see_generators(self, first: Event, second: Event) -> None:
        before, place = self._last_compared(), words(first, self.aligner.first, second)
        both, known = (first, second), self._known_generators()
        if first["event"] != "step":
            self.generators.see(place, before, first["generators"], second["generators"], both, known)
            return
        starts, ends = ([each["generators"].get(when, {}) for each in both] for when in ("before", "after"))
        self.generators.see(f"the start of {place}", before, starts[0], starts[1], both, known)
        for start, end in zip(starts, ends, strict=True):
            self.generators.draw(name for name, state in start.items() if end.get(name, state) != state)

    def _known_generators(self) -> Container[str]:
        """The generators of the last event that both have as the same bytes; of another, `see` knows them."""
        if self.aligner.last is None:
            return ()
        try:
            return _states(parse_event(self.aligner.last))
        except DamagedError:
            return ()

    def _after(self, first: Event, second: Event) -> None:
        """The generators after a step that was compared."""
        ends = [event["generators"].get("after", {}) for event in (first, second)]
        place = f"the end of {words(first, self.aligner.first, second)}"
        self.generators.see(place, "", ends[0], ends[1], (first, second))


def words(event: Event, side: Side, other: Event | None = None) -> str:
    """What an event is, for people.

    Args:
        event: of A.
        side: where it is from.
        other: its counterpart in B, if that was read.
    """
    if event["event"] == "step":
        epoch = _epoch(event, side, other)
        return f"step {side.step(event):,}{f' (epoch {epoch:,})' if epoch else ''}{_of_optimizer(event)}"
    if event["event"] == "initial":
        return f"the start (initial weights of {event['model']})"
    return (
        f"the evaluation after step {_after(event, side):,}"
        if _after(event, side)
        else "an evaluation before step 1"
    )


def _after(event: Event, side: Side) -> int:
    counts = {int(name): count for name, count in event["after"].items()}
    return max((count + side.shift.get(name, 0) for name, count in counts.items()), default=0)


def _epoch(event: Event, side: Side, other: Event | None) -> int | None:
    """The epoch of a step; None where both do not agree, or A has counted from a resumption on."""
    epoch: int | None = event.get("epoch")
    agreed = other is None or bool(side.origin) or other.get("epoch") == epoch
    return epoch if agreed and not side.shift else None


def _of_optimizer(event: Event) -> str:
    return f" of optimiser {event['optimizer']}" if event["optimizer"] else ""


def _states(event: Event) -> dict[str, str]:
    states: dict[str, Any] = event["generators"]
    return states.get("after", {}) if event["event"] == "step" else states


def _listed(texts: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


# ---------------------------------------------------------------- events without a counterpart
def _alone(pair: Pair, ours: Side, theirs: Side) -> Place | None:
    event = pair.first or pair.second
    assert event is not None
    side, who, not_who = (ours, "A", "B") if pair.first is not None else (theirs, "B", "A")
    if event["event"] == "initial" and not event["parameters"]:
        return None  # a loss with weights of classes, not a model: what it computes is compared in the step
    if pair.moved:
        text = f"control flow: {words(event, side)} has another place in the order of events"
    elif event["event"] == "step":
        text = f"control flow: only {who} has {words(event, side)}"
    elif event["event"] == "evaluation":
        when = f"after step {_after(event, side):,}" if _after(event, side) else "before step 1"
        text = f"control flow: run {who} evaluates {when}, {not_who} does not"
    else:
        text = f"control flow: run {who} uses a model of class {event['model']}, {not_who} does not"
    steps = {"step": side.step, "evaluation": lambda each: _after(each, side) or None}
    step = steps[event["event"]](event) if event["event"] in steps else None
    return Place("control flow", step, text, first=pair.first, second=pair.second)


def _has_no_step_left(side: Side) -> bool:
    return side.over and all(event["event"] != "step" for _, event in side.queue)


def _cut_off(side: Side) -> bool:
    """Whether a record ends before its process did: it was killed, is damaged, or reached its limit."""
    return not side.process.last("end")


def _end(search: Search) -> Place | None:
    """One record is longer, or ended in another way."""
    ours, theirs = search.aligner.first, search.aligner.second
    if search.continued or _cut_off(ours) or _cut_off(theirs):
        return None
    ends = [side.process.last("end")[-1] for side in (ours, theirs)]
    steps = [
        end["steps"] + sum(side.shift.values())  # of all optimisers
        for end, side in zip(ends, (ours, theirs), strict=True)
    ]
    if ends[0]["exception"] != ends[1]["exception"]:
        by = [f"by {end['exception']}" if end["exception"] else "well" for end in ends]
        how = [f"{who} ends {each}" for who, each in zip("AB", by, strict=True)]
        text = f"control flow: {' and '.join(how)} after the same {min(steps):,} steps"
        return Place("end", min(steps) or None, text)
    if steps[0] != steps[1]:
        who, not_who = ("A", "B") if steps[0] > steps[1] else ("B", "A")
        text = f"control flow: {not_who} ends after {min(steps):,} steps, {who} continues to {max(steps):,}"
        return Place("control flow", min(steps), text)
    return None


# ---------------------------------------------------------------- events that both have
def _initial(first: Event, second: Event, ours: Side, theirs: Side) -> Place | None:
    for kind in ("parameters", "buffers"):
        tensors = _tensors(first, second, ours, theirs, kind, first[kind], second[kind])
        if not tensors.same_names:
            return Place(
                "model",
                None,
                f"the models differ: {_in_models(tensors)}",
                first=first,
                second=second,
                tensors=tensors,
            )
        if tensors.differ:
            text = f"the initial {_tensor_words(kind, tensors.differ[0], tensors)}"
            return Place("initial", None, text, (), tensors.differ[0], tensors, first, second)
    return None


def _evaluation(first: Event, second: Event, side: Side, generators: tuple[str, ...]) -> Place | None:
    step, where = _after(first, side) or None, words(first, side)

    def place(what: What, text: str, *equal: str) -> Place:
        return Place(what, step, f"{where}, {text}", equal, first=first, second=second)

    if first["models"] != second["models"] or first["count"] != second["count"]:
        a, b = (_calls(event["count"], event["models"]) for event in (first, second))
        return place("control flow", f"control flow: {a} in A, {b} in B")
    if first["training"] != second["training"]:
        a, b = (
            "/".join("training" if mode else "evaluation" for mode in e["training"]) for e in (first, second)
        )
        return place("mode", f"the model's mode: {a} in A, {b} in B", "weights")
    if not _alike(first, second, side):
        return None
    if first["arguments"] != second["arguments"]:
        return place("evaluation batch", "its batches", "weights", *generators)
    if first["outputs"] != second["outputs"]:
        return place("evaluation", "the model's output", "batches", "weights", *generators)
    return None


def _step(
    first: Event, second: Event, ours: Side, theirs: Side, generators: tuple[str, ...]
) -> Iterator[Place]:
    where, epoch = words(first, ours, second), _epoch(first, ours, second)

    def place(what: What, text: str, *equal: str, name: str = "", tensors: Tensors = SAME) -> Place:
        step, number = ours.step(first), first["optimizer"]
        return Place(what, step, f"{where}, {text}", equal, name, tensors, first, second, number, epoch)

    calls = first["calls"], second["calls"]
    called = [[call["module"] for call in each] for each in calls]
    if called[0] != called[1]:
        a, b = (_calls(len(each), sorted(set(each))) for each in called)
        yield place("calls", f"control flow: {a} in A, {b} in B", "weights", *generators)
    for number, (a, b) in enumerate(zip(*calls, strict=False)):
        # A later call without rows is given what was computed before, as a loss is.
        later = number and not (a.get("rows") and b.get("rows"))
        told = later and _have_outputs(*(each[:number] for each in calls))
        before = ("the model's output",) if told else ()
        alike = _alike(a, b, ours)
        if (alike and a["arguments"] != b["arguments"]) or a["shapes"] != b["shapes"]:
            if before:
                text = f"the arguments of {a['module']}: the targets, or what comes from the model's output"
                yield place("loss", text, *before, *generators)
            if later:
                text = f"the arguments of {a['module']}: the model's output, or targets"
                yield place("forward", text, "batch", "weights", *generators)
            yield place("batch", "the batch", "weights", *generators)
        if mode := modes(a, b):
            yield place("mode", mode, "batch", "weights")
        if alike and "outputs" in a and "outputs" in b and a["outputs"] != b["outputs"]:
            if before:
                yield place("loss", f"the output of {a['module']}", *before, "its arguments", *generators)
            yield place("forward", "the model's output", "batch", "weights", *generators)
    inputs = ("batch", "weights", *generators)
    outputs = bool(calls[0]) and _have_outputs(*calls)
    digests = [[loss[0] for loss in event["losses"]] for event in (first, second)]
    if digests[0] != digests[1] and _both_seen(first, second):
        equal = ("the model's output", *generators) if outputs else inputs
        yield place("loss", f"the loss{_values(first, second)}", *equal)
    yield from _gradients(first, second, ours, theirs, place, inputs)
    if first["skipped"] != second["skipped"]:
        who, not_who = ("A", "B") if first["skipped"] else ("B", "A")
        yield place("skipped", f"the step: skipped in {who}, not in {not_who}", "gradients")
    if first["lrs"] != second["lrs"]:
        a, b = (" ".join(map(str, event["lrs"][:3])) for event in (first, second))
        yield place("learning rate", f"the learning rate: {a} in A, {b} in B", "gradients", "weights before")
    whole = bool(first["gradients"] or second["gradients"])  # what a run records by itself has none
    # The optimiser changes its state first, and then the parameters by it.
    for kind, what in (("state", "optimizer state"), ("parameters", "parameter"), ("buffers", "buffer")):
        tensors = _tensors(first, second, ours, theirs, kind, first[kind], second[kind])
        if tensors.differ or not tensors.same_names:
            yield from _left(kind, what, tensors, place, () if whole else inputs)  # type: ignore[arg-type]


def _both_seen(first: Event, second: Event) -> bool:
    """Whether both have gradients, or neither: into a step that XLA compiled nobody can look."""
    return bool(first["gradients"]) == bool(second["gradients"])


def modes(a: Event, b: Event) -> str:
    """How the modes of the module, or of its layers, differ; "" where they do not."""
    in_training = [call["training"] for call in (a, b)]
    whose = "the model's mode"
    if in_training[0] == in_training[1]:
        others = [call.get("other_mode", ()) for call in (a, b)]
        layers = sorted({*others[0]} ^ {*others[1]})
        if not layers:
            return ""
        whose = f"the mode of {some([f'`{layer}`' for layer in layers])}"
        in_training = [
            mode is not (layers[0] in other) for mode, other in zip(in_training, others, strict=True)
        ]
    a_mode, b_mode = ("training" if mode else "evaluation" for mode in in_training)
    return f"{whose}: {a_mode} in A, {b_mode} in B"


def _have_outputs(*calls: list[Event]) -> bool:
    return all("outputs" in call for each in calls for call in each)


def _calls(count: int, classes: list[str]) -> str:
    return f"{count:,} call{'' if count == 1 else 's'} of {some(classes or ['no model'])}"


def _gradients(
    first: Event, second: Event, ours: Side, theirs: Side, place: Any, inputs: tuple[str, ...]
) -> Iterator[Place]:
    if not _both_seen(first, second):
        return
    seen = first["gradients"], second["gradients"]
    whole = all(AFTER_BACKWARD in each for each in seen)
    for when in (AFTER_BACKWARD, AT_OPTIMIZER):
        a, b = (each.get(when, each.get(AFTER_BACKWARD, "") if whole else "") for each in seen)
        tensors = _tensors(first, second, ours, theirs, "parameters", a, b)
        if not tensors.same_names:
            yield place("model", f"the models differ: {_in_models(tensors)}", tensors=tensors)
        if not tensors.differ:
            continue
        name = nearest_to_the_loss(tensors.differ)
        text = _tensor_words("gradient", name, tensors)
        if when == AFTER_BACKWARD or not whole:
            yield place("gradient", text, "loss", *inputs, name=name, tensors=tensors)
        else:
            after = f"{text}, between backward and the optimiser"
            yield place("clipping", after, "gradients after backward", name=name, tensors=tensors)


def _left(kind: str, what: What, tensors: Tensors, place: Any, inputs: tuple[str, ...]) -> Iterator[Place]:
    """What a step has left; `inputs` are what is equal where nothing between them was recorded."""
    if not tensors.same_names:
        yield place("model", f"the {kind} differ: {_in_models(tensors)}", tensors=tensors)
        return
    name = tensors.differ[0]
    words = {"parameters": "parameter", "state": "optimiser's state", "buffers": "buffer"}[kind]
    if inputs:
        yield place("weights", f"{_tensor_words(words, name, tensors)} after it", *inputs, name=name)
        return
    equal = (
        ("gradients", "learning rate", "weights before")
        if kind != "buffers"
        else ("batch", "loss", "gradients")
    )
    yield place(what, f"{_tensor_words(words, name, tensors)} after it", *equal, name=name, tensors=tensors)


def _tensors(first: Event, second: Event, ours: Side, theirs: Side, kind: str, a: str, b: str) -> Tensors:
    names = (
        side.names.get(event["names"].get(kind, -1), {}) for side, event in ((ours, first), (theirs, second))
    )
    first_names, second_names = names
    tensors = compare(a, first_names, b, second_names)
    if tensors.unlike:
        ours.unlike = True
    return tensors


def _alike(a: Event, b: Event, side: Side) -> bool:
    """Whether the digests of two calls are of the same kind; others say nothing about each other."""
    alike: bool = a.get("digest") == b.get("digest")
    if not alike:
        side.unlike = True
    return alike


def _tensor_words(kind: str, name: str, tensors: Tensors) -> str:
    kind = {"parameters": "parameter", "buffers": "buffer"}.get(kind, kind)
    more = len(tensors.differ) - 1
    others = f" (and {more:,} more of {tensors.of:,})" if more else ""
    return f"{kind} {'of ' if kind == 'gradient' else ''}`{name}`{others}"


def _in_models(tensors: Tensors) -> str:
    """What only one of two models has."""
    parts = [
        f"only {who} has {some([f'`{name}`' for name in names])}"
        for who, names in (("A", tensors.only_first), ("B", tensors.only_second))
        if names
    ]
    parts += [f"`{name}` is {both}" for name, both in tensors.shapes[:1]]
    return "; ".join(parts)


def _values(first: Event, second: Event) -> str:
    """The first two values of a loss that differ."""
    for (digest, value), (other, again) in zip(first["losses"], second["losses"], strict=False):
        if digest != other:
            return f" ({value} in A, {again} in B)" if value != again and None not in (value, again) else ""
    return ""
