"""Whether two trainings saw the same samples, from the digests of the rows of their batches."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from samebits.diff.align import Pair
from samebits.diff.reader import Event
from samebits.hashing.digest import ROW_DIGITS

MOST_ROWS = 100_000
MOST_STEPS = 2_000
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


def compare(pair: Pair, following: Iterable[Pair]) -> Samples:
    """Compare the first batches that differ, and those after them.

    Args:
        pair: the step whose batch differs.
        following: the pairs after it; as many are read as it needs.
    """
    assert pair.first is not None
    assert pair.second is not None
    shapes = [[call["shapes"] for call in event["calls"]] for event in (pair.first, pair.second)]
    here, there = _rows(pair.first), _rows(pair.second)
    if shapes[0] != shapes[1] and len(here) != len(there):
        a, b = (next((shape for call in each for shape in call), "nothing") for each in shapes)
        return Samples("shape", f"its shape is {a} in A and {b} in B")
    if not here or not there:
        return Samples("unknown", "")
    if sorted(here) == sorted(there):
        if here == there:  # another argument than the first
            return Samples("contents", "the samples are the same, another argument of the model differs")
        return Samples("order", f"the same {len(here):,} samples of the batch in another order")
    apart = [number for number, (a, b) in enumerate(zip(here, there, strict=False)) if a != b]
    if len(here) == len(there) and 2 * len(apart) <= len(here):
        which = ", ".join(str(number) for number in apart[:5])
        return Samples("contents", f"{len(apart):,} of its {len(here):,} samples differ (row {which})")
    return _over_steps(here, there, following)


def _over_steps(here: list[str], there: list[str], following: Iterable[Pair]) -> Samples:
    balance: Counter[str] = Counter(here)
    balance.subtract(there)
    ours, theirs = set(here), set(there)
    steps, alone = 1, True
    for steps, (more, others) in enumerate(_batches(following), 2):
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


def _batches(pairs: Iterable[Pair]) -> Iterator[tuple[list[str], list[str]]]:
    for first, second, _ in pairs:
        if (first or second or {}).get("event") == "step":
            yield _rows(first), _rows(second)


def _rows(event: Event | None) -> list[str]:
    """The digests of the rows of a step's batch."""
    if event is None:
        return []
    texts = [call.get("rows") or "" for call in event["calls"]]
    return [text[at : at + ROW_DIGITS] for text in texts for at in range(0, len(text), ROW_DIGITS)]
