"""Why a layer or an operation differs, from its own line: settings, class, weights, generator."""

from collections.abc import Container, Iterator
from typing import NamedTuple

from samebits.diff.generators import where_moved
from samebits.diff.place import Place
from samebits.diff.words import generator_words

MOVED = "more or fewer numbers were drawn from it in one of the two"
FOREIGN = (
    "what wrote into an input of {} is no operation of torch: NumPy or another library in shared memory, "
    "another process, or memory that nobody wrote"
)


class Reason(NamedTuple):
    """A cause and how likely it is; see `causes.Cause`."""

    score: int
    kind: str
    text: str
    evidence: tuple[str, ...] = ()
    where: str = ""
    fix: str = ""


def reasons(place: Place, apart: Container[str], mode: str) -> Iterator[Reason]:
    """What the lines of a layer or an operation give.

    Args:
        place: where the records differ first.
        apart: the generators that are known to be in other states since before this step.
        mode: how the mode of a model can differ, in words.
    """
    part = place.part
    if part is None or part.first is part.second:
        return
    first, second = part.first, part.second
    line, name = part.line, f"`{first['module']}`" if first["module"] else f"the model {first['model']}"
    if part.operation:
        name = f"`{part.operation}`"
    if part.foreign:
        yield Reason(75, "foreign", FOREIGN.format(name), (f"{part.differs} differs",), line)
        return
    classes, settings = ([each.get(what, "") for each in (first, second)] for what in ("class", "settings"))
    if place.what == "mode":
        yield Reason(92, "mode", mode, (f"{name}: {place.differs}",), line)
    if classes[0] != classes[1]:
        yield Reason(94, "layer", f"{name} is another layer: {classes[0]} in A, {classes[1]} in B", (), line)
    elif settings[0] != settings[1]:
        a, b = _only(*settings)
        if part.operation:
            of_optimizer = place.what in ("parameter", "optimizer state")
            kind = "optimizer" if of_optimizer else "layer settings" if first["direction"] else "arguments"
            text = f"{name} is called with other arguments: {a} in A, {b} in B"
            yield Reason(93, kind, text, ("its inputs are equal",), line)
        else:
            text = f"{name} ({classes[0]}) has other settings: {a} in A, {b} in B"
            yield Reason(93, "layer settings", text, ("its inputs and weights are equal",), line)
    if first.get("weights") != second.get("weights"):
        text = f"code that is no optimiser has changed the weights or buffers of {name} after the last step"
        yield Reason(76, "weights", text, ("they were equal after the last step",), line)
    for generator in part.other_generators:
        if generator in apart:
            continue
        moved, where = "", ""
        if place.first is not None and place.second is not None:
            moved, where = where_moved(generator, place.first, place.second)
        text = f"{generator_words(generator)} moved: {MOVED}"
        evidence = f"it is equal at the start of the step, and differs before {name}"
        yield Reason(84, "generator", text, (f"{evidence}{f': {moved}' if moved else ''}",), where or line)


def _only(first: str, second: str) -> tuple[str, str]:
    """Of two lists of settings, what only one of them says."""
    parts = [text.split(", ") for text in (first, second)]
    if len(parts[0]) != len(parts[1]):
        return first, second
    pairs = [(a, b) for a, b in zip(*parts, strict=True) if a != b]
    return ", ".join(a for a, _ in pairs), ", ".join(b for _, b in pairs)
