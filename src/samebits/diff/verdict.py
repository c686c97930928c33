"""The first place where two processes differ: the first result that differs while its inputs are equal."""

from collections.abc import Container
from dataclasses import replace

from samebits.diff import judge
from samebits.diff.align import Aligner, Pair, Side
from samebits.diff.generators import Generators
from samebits.diff.inside import Inside
from samebits.diff.place import Place, states_of, words
from samebits.diff.reader import DamagedError, Event, parse_event


class Search:
    """Looks for the first difference of two processes.

    Args:
        first, second: the processes.
        continued: another process continues what one of them did: where it ends is no difference.

    Attributes:
        generators: what is known of them where the search has come to.
        before: the last pair that was the same, but did not lie there as equal bytes.
        compared: how many steps were the same.
    """

    def __init__(self, first: Side, second: Side, continued: bool = False) -> None:
        self._inside = Inside(first, second)
        self.aligner = Aligner(first, second, self._inside)
        self.continued = continued
        self.pairs = self.aligner.pairs()
        self.generators = Generators()
        self.before: Pair | None = None
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
            place = self._look_inside(pair, self._judge(pair))
            if place is not None:
                return place
            self._passed(pair)
        return self._inside.place(None, "", self.generators.equal()) or _end(self)

    def _look_inside(self, pair: Pair, place: Place | None) -> Place | None:
        """The first difference of an event, down to the layer or the operation where that is known."""
        event = pair.first or pair.second
        if event is None or not self._inside.knows or (event["event"] == "initial" and place is None):
            return place
        where = words(event, self.aligner.first, pair.second)
        is_step = event["event"] == "step"
        inside = self._inside.place(place, where, self.generators.equal(), not is_step)
        if inside is not None and inside.first is None and is_step:
            inside = replace(inside, first=pair.first, second=pair.second, optimizer=event["optimizer"])
        if is_step:
            self._inside.clear()
        return inside

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
        self.before = pair
        self.aligner.last = None
        if event["event"] == "step":
            self._same_steps += 1
            self._after(event, other)
        ours, theirs = (states_of(each) for each in (event, other))
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
            return judge.alone(pair, ours, theirs)
        self._see_generators(first, second)
        if first["event"] == "initial":
            return judge.initial(first, second, ours, theirs)
        if first["event"] == "evaluation":
            return judge.evaluation(first, second, ours, self.generators.equal())
        for place in judge.step(first, second, ours, theirs, self.generators.equal()):
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
            return states_of(parse_event(self.aligner.last))
        except DamagedError:
            return ()

    def _after(self, first: Event, second: Event) -> None:
        """The generators after a step that was compared."""
        ends = [event["generators"].get("after", {}) for event in (first, second)]
        place = f"the end of {words(first, self.aligner.first, second)}"
        self.generators.see(place, "", ends[0], ends[1], (first, second))


def _has_no_step_left(side: Side) -> bool:
    return side.over and all(event["event"] != "step" for _, event in side.queue)


def _cut_off(side: Side) -> bool:
    """Whether a record ends before its process did: it was killed, is damaged, or reached its limit."""
    return bool(side.process.damaged) or not side.process.last("end")


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
        # Nobody knows the status: `os._exit(7)` is no exception.
        by = [f"by {end['exception']}" if end["exception"] else "without an exception" for end in ends]
        how = [f"{who} ends {each}" for who, each in zip("AB", by, strict=True)]
        text = f"control flow: {' and '.join(how)} after the same {min(steps):,} steps"
        return Place("end", min(steps) or None, text)
    if steps[0] != steps[1]:
        who, not_who = ("A", "B") if steps[0] > steps[1] else ("B", "A")
        text = f"control flow: {not_who} ends after {min(steps):,} steps, {who} continues to {max(steps):,}"
        return Place("control flow", min(steps), text)
    return None
