"""The first difference of two events that stand for the same thing, or of an event without a counterpart.

A step has this order: generators, the batch and the mode of its calls, losses, gradients after backward and
at the optimiser, learning rates, then what the optimiser and the calls leave: its state, parameters, buffers.
Generators are inputs: where nothing else differs, a generator that nobody uses does not matter.
"""

from collections.abc import Iterator
from typing import Any

from samebits._printable import some
from samebits.diff.align import Pair, Side
from samebits.diff.place import Place, What, after, epoch_of, words
from samebits.diff.reader import Event
from samebits.diff.tensors import SAME, Tensors, compare, nearest_to_the_loss
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER


# ---------------------------------------------------------------- events without a counterpart
def alone(pair: Pair, ours: Side, theirs: Side) -> Place | None:
    """The difference that an event without a counterpart is; None: it is none."""
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
        when = f"after step {after(event, side):,}" if after(event, side) else "before step 1"
        text = f"control flow: run {who} evaluates {when}, {not_who} does not"
    else:
        text = f"control flow: run {who} uses a model of class {event['model']}, {not_who} does not"
    steps = {"step": side.step, "evaluation": lambda each: after(each, side) or None}
    step = steps[event["event"]](event) if event["event"] in steps else None
    return Place("control flow", step, text, first=pair.first, second=pair.second)


# ---------------------------------------------------------------- events that both have
def initial(first: Event, second: Event, ours: Side, theirs: Side) -> Place | None:
    """The first difference of what two models begin with."""
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


def evaluation(first: Event, second: Event, side: Side, generators: tuple[str, ...]) -> Place | None:
    """The first difference of two evaluations."""
    step, where = after(first, side) or None, words(first, side)

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
    if layers := _modes_of_evaluations(first, second):
        return place("mode", layers, "weights")
    if not _alike(first, second, side):
        return None
    if first["arguments"] != second["arguments"]:
        return place("evaluation batch", "its batches", "weights", *generators)
    if first["outputs"] != second["outputs"]:
        return place("evaluation", "the model's output", "batches", "weights", *generators)
    return None


def step(
    first: Event, second: Event, ours: Side, theirs: Side, generators: tuple[str, ...]
) -> Iterator[Place]:
    """The differences of two steps, in the order of a step."""
    where, epoch = words(first, ours, second), epoch_of(first, ours, second)

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


def _modes_of_evaluations(first: Event, second: Event) -> str:
    """The same for the layers of two evaluations in the same modes."""
    return modes(*({**event, "training": event["training"] == [True]} for event in (first, second)))


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
    names = (side.names.of(event, kind) for side, event in ((ours, first), (theirs, second)))
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
