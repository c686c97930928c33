"""Compares two records: which processes belong together, the first difference of all, and why."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from samebits.diff import facts as facts_
from samebits.diff import samples, values
from samebits.diff.align import COMPUTED, Side
from samebits.diff.causes import Cause, rank
from samebits.diff.place import Place, What
from samebits.diff.reader import Process, Record, kind_of
from samebits.diff.resumption import Resumed, batch_again, begin_alike, resumption
from samebits.diff.verdict import Search
from samebits.errors import UsageError
from samebits.hashing.compare import TensorDifference
from samebits.record.format import INSIDE, OF_A_RUN

ORDER = get_args(What)  # of what a step computes: a gradient is apart in all ranks if a batch is in one
UNLIKE = "not compared: tensors that only one of the two had on a GPU, where digests are of another kind"
COMPARED_ANYWAY = ("generators", "the generators in use", "loss", "learning rate")


@dataclass(frozen=True)
class Result:
    """What a comparison showed.

    Attributes:
        place: the first difference; None where there is none.
        who: the rank or the role of the process in which it is; "" where there is one process.
        causes: the likeliest first.
        steps: how many steps are the same, in the process that was compared farthest.
        last: the last event that was the same, in words.
        apart: generators that are in other states there: by name, in words.
        notes: what was not compared, and why.
        values: how the tensor of the first difference differs; None where the records do not hold it.
        more: commands that record the tensors, where they would say more.
        twice: the command that names the operation, where one that does not repeat is the likeliest cause.
        pair: the number of the processes in which the first difference is, see `matched`.
        resumed: after which step one of the two was resumed, and the other was not; None: neither was.
    """

    place: Place | None
    who: str
    causes: tuple[Cause, ...]
    steps: int
    last: str
    apart: dict[str, str]
    notes: tuple[str, ...]
    values: TensorDifference | None = None
    more: tuple[str, ...] = ()
    pair: int = 0
    resumed: int | None = None
    twice: str = ""

    @property
    def verdict(self) -> str:
        """The first line."""
        if self.place is None:
            return f"same: {self.steps:,} steps"
        who = f"{self.who}, " if self.who else ""
        size = f"; {self.values.words}" if self.values is not None else ""
        if self.place.differs and self.values is not None and self.values.reason == "values":
            size = f" in {self.values.words.replace(' elements differ', ' elements', 1)}"
        return f"first difference: {who}{self.place}{size}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        place = None
        if self.place is not None:
            place = {
                "what": self.place.what,
                "step": self.place.step,
                "epoch": self.place.epoch,
                "name": self.place.name or None,
                "names": list(self.place.tensors.differ),
                "text": self.place.text,
                "equal": list(self.place.equal),
                "process": self.who or None,
                "part": None if self.place.part is None else self.place.part.as_json(),
                "values": None if self.values is None else asdict(self.values),
            }
        return {
            "same": self.place is None,
            "first_difference": place,
            "causes": [asdict(cause) for cause in self.causes],
            "same_steps": self.steps,
            "resumed_after": self.resumed,
            "last_same": self.last or None,
            "generators": self.apart,
            "notes": list(self.notes),
            "more": list(self.more),
            "twice": self.twice or None,
        }


def compare_records(first: Record, second: Record, beside: facts_.Facts | None = None) -> Result:
    """Compare two records.

    Args:
        first, second: the records.
        beside: what is known beside their steps; None: what they say themselves.

    Raises:
        UsageError: they have no training, or none in processes that can be matched, or one of them is what a
            run records by itself; or one is damaged, and what can be read of it is the same.
    """
    if len({each.about.get("level") == OF_A_RUN for each in (*first.processes, *second.processes)}) > 1:
        raise UsageError(
            "one of them is what a run records by itself, with digests of another kind: give two of one kind"
        )
    places: list[tuple[tuple[bool, int], Search, Place, tuple[int, Matched]]] = []
    searches: list[Search] = []
    begins: list[int] = []
    notes = [*first.notes, *second.notes]
    damaged = [(each.path, note) for each in (first, second) for note in each.notes]
    identities = set()
    for number, pair in enumerate(matched(first, second, notes)):
        ours, theirs = pair.ours, pair.theirs
        identities.add(ours.identity)
        search = Search(*sides_of(pair), pair.continued)
        searches.append(search)
        begins += [] if pair.resumed is None else [pair.resumed.after]
        place = search.find()
        if place is not None:
            places.append(((pair.unplaced, place.step or 0), search, place, (number, pair)))
        damaged += [(each.path.parent, note) for each in (ours, theirs) for note in each.damaged]
        notes += [*ours.notes, *theirs.notes, *_ends(ours, theirs), *_unseen(search)]
        if search.aligner.first.unlike:
            notes.append(UNLIKE)
    if not any(search.events for search in searches):
        raise UsageError(f"{first.path} and {second.path} have nothing to compare: no training was recorded")
    if not places:
        best = max(searches, key=lambda each: each.compared)
        for path, note in damaged:
            says = f"{path} is damaged: {note}, the same for {best.compared:,} steps: record it again"
            raise UsageError(says)
        all_notes, begun = tuple(dict.fromkeys(notes)), max(begins, default=None)
        return Result(None, "", (), best.compared, best.last_same(), {}, all_notes, resumed=begun)
    _, search, place, (number, pair) = min(places, key=lambda each: (each[0], _order(each[2])))
    if search.aligner.first.unlike:
        place = replace(place, equal=tuple(each for each in place.equal if each in COMPARED_ANYWAY))
    resumed = None if pair.resumed is None else pair.resumed.after
    sides = search.aligner.first, search.aligner.second
    steps = search.compared
    facts = beside or facts_.collect(first, second, sides, (place.first, place.second))
    how, last = None, search.last_same()
    if place.what == "batch" and place.first is not None and place.second is not None:
        how = samples.compare(samples.Pair(place.first, place.second), search.pairs, search.before)
    again = None
    if pair.resumed is not None and place.what == "batch":
        both = (pair.ours, place.second), (pair.theirs, place.first)
        again = batch_again(*both[1 - pair.resumed.later], place.step or 0)
    causes = rank(place, facts, search.generators.apart, how, resumed, last, again)
    size = _values(place, pair, notes)
    known = place.part is not None and place.part.operation
    operation = bool(causes) and causes[0].kind == "operation" and not known
    return Result(
        place,
        who(pair.ours) if len(identities) > 1 else "",
        tuple(causes),
        steps,
        last,
        {name: str(each) for name, each in search.generators.apart.items() if each.last or each.used},
        tuple(dict.fromkeys(notes)),
        size,
        () if size is not None or not facts.advice.values else values.more(place, first, second),
        number,
        resumed,
        values.twice(place, first, second) if facts.advice.twice and operation else "",
    )


def _order(place: Place) -> tuple[int, bool]:
    """Of two ranks, the one to blame: what another process wrote is foreign."""
    return ORDER.index(place.what), place.part is not None and place.part.foreign


def _values(place: Place, pair: "Matched", notes: list[str]) -> TensorDifference | None:
    """How the tensor of a place differs, where both records hold it and can be read."""
    try:
        return values.of_place(place, pair.ours, pair.theirs)
    except UsageError as error:
        notes.append(f"{error}: its elements are not counted")
        return None


def who(process: Process) -> str:
    """The rank of a process, or its role."""
    role, number = process.identity
    return f"rank {number}" if number is not None else role


def _ends(ours: Process, theirs: Process) -> Iterator[str]:
    for who, process in (("A", ours), ("B", theirs)):
        for event in process.last("stopped"):
            yield f"the recording of {who} ended before its training: {event['why']}"
        if not process.last("end", "stopped"):
            yield f"{who} has no end: its process was killed, or still runs"


def _unseen(search: Search) -> Iterator[str]:
    for who, side in (("A", search.aligner.first), ("B", search.aligner.second)):
        if (event := side.others.get("unseen")) is not None:
            yield f"not recorded in {who}: {event['what']}"


# ---------------------------------------------------------------- which processes belong together
@dataclass(frozen=True)
class Matched:
    """Two processes that belong together.

    Attributes:
        resumed: where one begins within the other; None: they begin alike.
        continued: another process continues what one of them did, so where it ended is no difference.
        unplaced: one of them continues something, and has weights that the other has nowhere: since the
            process before it came to other weights, if that one differs, too.
    """

    ours: Process
    theirs: Process
    resumed: Resumed | None
    continued: bool
    unplaced: bool = False


def sides_of(pair: Matched) -> tuple[Side, Side]:
    """The two sides, the one that began earlier already read up to where the other begins."""
    ours, theirs, resumed = pair.ours, pair.theirs, pair.resumed
    origin = resumed.steps if resumed is not None else None
    sides = [Side(ours, None, origin), Side(theirs, None, origin)]
    if resumed is not None:
        sides[resumed.later] = Side((ours, theirs)[resumed.later], origin, origin)
        earlier = sides[1 - resumed.later]
        for line in earlier.lines:
            if kind_of(line) not in (*COMPUTED, *INSIDE):
                earlier.take(line)
            if earlier.process.seen >= resumed.line:
                break
    return sides[0], sides[1]


def matched(first: Record, second: Record, notes: list[str]) -> Iterator[Matched]:
    """The processes of two records that belong together, always in the same order.

    Args:
        first, second: the records.
        notes: is given what has no counterpart, in words.
    """
    groups: list[dict[tuple[str, int | None], list[Process]]] = []
    for record in (first, second):
        groups.append({})
        for process in record.processes:
            if process.trains():
                groups[-1].setdefault(process.identity, []).append(process)
    for record, group in zip((first, second), groups, strict=True):
        if not group:
            raise UsageError(f"{record.path} has nothing to compare: no training was recorded")
    if len(groups[0]) == len(groups[1]) == 1:  # whatever their roles
        groups[1] = {next(iter(groups[0])): next(iter(groups[1].values()))}
    for identity in groups[0]:
        yield from _chains(groups[0][identity], groups[1].get(identity, []), notes)
    for who, mine, others in (("A", groups[0], groups[1]), ("B", groups[1], groups[0])):
        for identity in mine:
            if identity not in others:
                name = f"rank {identity[1]}" if identity[1] is not None else identity[0]
                notes.append(f"only {who} has trained in a process {name!r}")


def _chains(ours: list[Process], theirs: list[Process], notes: list[str]) -> Iterator[Matched]:
    """Processes of one role: one after the other, each perhaps resumed from the one before."""
    if len(ours) == len(theirs):
        pairs = list(zip(ours, theirs, strict=True))
    elif len(ours) == 1 or len(theirs) == 1:
        pairs = [(a, b) for a in ours for b in theirs]
    else:
        pairs = list(zip(ours, theirs, strict=False))
        notes.append(f"A trained in {len(ours):,} processes one after the other, B in {len(theirs):,}")
    alike = [begin_alike(*pair) for pair in pairs]
    begins = [resumption(*pair) for pair in pairs]
    after = [0 if resumed is None else resumed.after for resumed in begins]
    for number, (pair, resumed, steps) in enumerate(zip(pairs, begins, after, strict=True)):
        lost = number > 0 and resumed is None and not alike[number]
        yield Matched(*pair, resumed, continued=steps < max(after), unplaced=lost)
