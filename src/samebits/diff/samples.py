"""Whether two trainings saw the same samples, from the digests of the rows of their batches."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from samebits.diff.align import Pair
from samebits.diff.reader import Event
from samebits.hashing.digest import DIGITS, ROW_DIGITS

MOST_ROWS = 100_000
MOST_STEPS = 2_000
Sample = int | str
Kind = Literal["shape", "order", "samples", "contents", "unknown"]


@dataclass(frozen=True)
class Samples:
    """How the batches differ.

    Attributes:
        kind: "order": the same samples come in another order; "samples": some are the same and some are not;
            "contents": none of the samples that were looked at is the same, or only some in their places are
            others; "shape": batches have other sizes; "unknown": the record has no digests of rows.
        text: in words.
    """

    kind: Kind
    text: str


def compare(pair: Pair, following: Iterable[Pair], before: Pair | None = None) -> Samples:
    """Compare the first batches that differ, and those after them.

    Args:
        pair: the step whose batch differs.
        following: the pairs after it; as many are read as it needs.
        before: a pair before it that was not the same in all: a loop may read batches ahead.
    """
    assert pair.first is not None
    assert pair.second is not None
    shapes = [[call["shapes"] for call in event["calls"]] for event in (pair.first, pair.second)]
    here, there = _rows(pair.first), _rows(pair.second)
    if shapes[0] != shapes[1] and len(here) != len(there):
        a, b = (next((shape for call in each for shape in call), "nothing") for each in shapes)
        return Samples("shape", f"its shape is {a} in A and {b} in B")
    asked = [_asked(event) for event in (pair.first, pair.second)]
    if before is not None and all(asked):
        asked = [_asked(early) + each for early, each in zip(before[:2], asked, strict=True)]
    if not here or not there:
        return _of_asked(asked[0], asked[1], following) if all(asked) else Samples("unknown", "")
    if sorted(here) == sorted(there):
        if here == there:  # another argument than the first
            return Samples("contents", "the samples are the same, another argument of the model differs")
        return Samples("order", f"the same {len(here):,} samples of the batch in another order")
    apart = [number for number, (a, b) in enumerate(zip(here, there, strict=False)) if a != b]
    if len(here) == len(there) and 2 * len(apart) <= len(here):
        which = ", ".join(str(number) for number in apart[:5])
        return Samples("contents", f"{len(apart):,} of its {len(here):,} samples differ (row {which})")
    return _of_asked(asked[0], asked[1], following) if all(asked) else _over_steps(here, there, following)


def _of_asked(here: list[Sample], there: list[Sample], following: Iterable[Pair]) -> Samples:
    """Where records know which samples were asked for: what these hold may be drawn anew each time."""
    if here == there:
        text = f"the same {len(here):,} samples were read in the same order, and hold something else"
        return Samples("contents", text)
    if any(map(_is_of_batch, (*here, *there))):
        return Samples("unknown", "")
    places = itertools.zip_longest(here, there, fillvalue="none")
    first = next(f"sample {a} in A, {b} in B" for a, b in places if a != b)
    ours, theirs, steps = Counter(here), Counter(there), 1
    batches = _batches(following, _asked)
    while ours != theirs and steps < MOST_STEPS and len(ours) + len(theirs) < MOST_ROWS:
        more, others = next(batches, (None, None))
        if more is None or others is None:
            break
        ours.update(more)
        theirs.update(others)
        steps += 1
    of = f"its {len(here):,} samples" if steps == 1 else f"the samples of {steps:,} steps together"
    if ours == theirs:
        return Samples("order", f"{of} are the same in another order, the first: {first}")
    common, all_ = len(ours.keys() & theirs.keys()), min(len(ours), len(theirs))
    if common > 0.8 * all_:  # an epoch was not complete
        text = f"of {of}, {common:,} of {all_:,} are in both, in another order, the first: {first}"
        return Samples("order", text)
    return Samples("samples", f"of {of}, {common:,} of {all_:,} are in both, the first: {first}")


def _is_of_batch(sample: Sample) -> bool:
    """Whether this stands for a batch of very many samples."""
    return isinstance(sample, str) and len(sample) == DIGITS


def _over_steps(here: list[str], there: list[str], following: Iterable[Pair]) -> Samples:
    balance: Counter[str] = Counter(here)
    balance.subtract(there)
    ours, theirs = set(here), set(there)
    steps, alone = 1, True
    for steps, (more, others) in enumerate(_batches(following, _rows), 2):
        alone &= more == others
        balance.update(more)
        balance.subtract(others)
        ours.update(more)
        theirs.update(others)
        if not any(balance.values()):
            return Samples(
                "order", f"the same samples in another order: those of {steps:,} steps together are equal"
            )
        if steps >= MOST_STEPS or len(ours) + len(theirs) > MOST_ROWS:
            break
    if alone and steps > 1 and ours.isdisjoint(there):
        text = f"no sample of this batch is the same, and the {steps - 1:,} batches read after it are"
        return Samples("contents", text)
    common = len(ours & theirs)
    share = common / max(1, min(len(ours), len(theirs)))
    seen = f"of {len(ours):,} samples of A in {steps:,} steps, B saw {common:,}"
    if share > 0.8:
        for batch, of, seen_there, by in ((there, "B", ours, "A"), (here, "A", theirs, "B")):
            if seen_there.isdisjoint(batch):
                text = f"no sample of {of}'s batch is in any of {by}'s, though most of the others are in both"
                return Samples("contents", text)
        return Samples("order", f"the same samples in another order: {seen}")
    if common:
        return Samples("samples", f"other samples: {seen}")
    return Samples("contents", f"other contents: {seen}")


def _batches(
    pairs: Iterable[Pair], part: Callable[[Event | None], list[Any]]
) -> Iterator[tuple[list[Any], list[Any]]]:
    for first, second, _ in pairs:
        if (first or second or {}).get("event") == "step":
            yield part(first), part(second)


def _asked(event: Event | None) -> list[Sample]:
    """The samples that a step's batches were asked for."""
    return [sample for batch in (event or {}).get("samples", ()) for sample in batch]


def _rows(event: Event | None) -> list[str]:
    """The digests of the rows of a step's batch."""
    if event is None:
        return []
    texts = [call.get("rows") or "" for call in event["calls"]]
    return [text[at : at + ROW_DIGITS] for text in texts for at in range(0, len(text), ROW_DIGITS)]
