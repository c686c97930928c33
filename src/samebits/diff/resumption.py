"""Where a process continues what another one began: where the weights with which it begins were reached."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from samebits.diff.align import STEP_NUMBER
from samebits.diff.reader import DamagedError, Event, Names, Process, kind_of, parse_event
from samebits.diff.tensors import Tensors, compare
from samebits.record.format import DIGITS


@dataclass(frozen=True)
class Resumed:
    """A process that continues what another one began.

    Attributes:
        later: 1 where it is the second record's, 0 where it is the first's.
        steps: by optimiser, how many steps were made before its first.
        line: of the other file, after which it begins.
    """

    later: int
    steps: dict[int, int]
    line: int

    @property
    def after(self) -> int:
        """The step after which it was resumed."""
        return max(self.steps.values())


def resumption(ours: Process, theirs: Process) -> Resumed | None:
    """Where one of two processes begins within the other one; None: neither does.

    A model that is used before its weights are loaded is seen with others first. Then the first step says it.
    """
    pairs = (ours, theirs, 1), (theirs, ours, 0)
    if not begin_alike(ours, theirs):
        by_weights = filter(None, (_where_begins(*pair) for pair in pairs))
        if (resumed := next(by_weights, None)) is not None:
            return resumed
    elif _agreement(_first_step(ours), _first_step(theirs)):
        return None
    return next(filter(None, (_where_steps(*pair) for pair in pairs)), None)


def _first(process: Process) -> tuple[Event, Names] | None:
    """The first model with parameters that a process saw, and its names."""
    names = Names()
    for line in process.lines():
        kind = kind_of(line)
        try:
            if kind == "names":
                names.add(parse_event(line), len(line))
            elif kind == "initial" and (event := parse_event(line))["parameters"]:
                return event, names
        except DamagedError:
            return None
        if kind in ("step", "evaluation"):
            return None
    return None


def begin_alike(ours: Process, theirs: Process) -> bool:
    """Whether two processes begin with the same weights; of one without a model nobody knows better."""
    first, second = _first(ours), _first(theirs)
    if first is None or second is None:
        return True
    return first[0]["parameters"] == second[0]["parameters"]


def _where_begins(earlier: Process, later: Process, number: int) -> Resumed | None:
    """Where one process has the weights with which another one begins, which is the second's for number 1.

    Several steps may have them: a GradScaler skips a step, a learning rate is 0, another optimiser makes a
    step of its own. Then it is the place after which most is as in the other one's first step; of several
    such places the last.
    """
    begun = _first(later)
    if begun is None:
        return None
    following = _first_step(later)
    best: tuple[int, Resumed | None] = (-2, None)
    for place, event in _places(earlier, *begun, number):
        best = max((_agreement(event, following), place), best, key=lambda each: each[0])
    return best[1]


def _places(
    process: Process, initial: Event, initial_names: Names, number: int
) -> Iterator[tuple[Resumed, Event | None]]:
    """Each place where a process has the weights of another one's `initial`, and the step that follows."""
    wanted = initial_names.of(initial, "parameters")
    needle = initial["parameters"][-DIGITS:].encode()  # the last ones are frozen less often
    names = Names()
    made: dict[int, int] = {}
    owner = here = None  # the optimiser of these weights, and the place behind the last step
    for line in process.lines():
        kind = kind_of(line)
        if kind not in ("names", "step"):
            continue
        if kind == "step" and here is None and needle not in line:
            if count := STEP_NUMBER.match(line):
                made[int(count[1])] = int(count[2])
            continue
        try:
            event = parse_event(line)
            if kind == "names":
                names.add(event, len(line))
                continue
        except DamagedError:
            break
        if here is not None:
            yield here, event
        made[event["optimizer"]] = event["step"]
        own = names.of(event, "parameters")
        tensors = compare(event["parameters"], own, initial["parameters"], wanted)
        if tensors.of and not tensors.differ:
            owner = event["optimizer"]
        elif owner == event["optimizer"]:
            owner = None
        here = None if owner is None else Resumed(number, dict(made), process.seen)
    if here is not None:
        yield here, None


def _where_steps(earlier: Process, later: Process, number: int) -> Resumed | None:
    """Where one process makes the step that another one makes first, with the same batch and results."""
    following = _first_step(later)
    if following is None or not following["calls"]:
        return None
    outputs = str(following["calls"][0].get("outputs", "none"))
    needles = outputs.encode(), following["parameters"][-DIGITS:].encode()
    made: dict[int, int] = {}
    line_before = 0
    for line in earlier.lines():
        if kind_of(line) != "step" or (count := STEP_NUMBER.match(line)) is None:
            continue
        if made and any(needle in line for needle in needles):
            with contextlib.suppress(DamagedError):
                if _is_same(parse_event(line), following):
                    return Resumed(number, made, line_before)
        made[int(count[1])] = int(count[2])
        line_before = earlier.seen
    return None


def _is_same(event: Event, other: Event) -> bool:
    """Whether two steps come from the same weights and the same batch."""
    calls = ([(call["arguments"], call.get("outputs")) for call in each["calls"]] for each in (event, other))
    first, second = calls
    seen = all(outputs is not None for _, outputs in first)
    return first == second and (seen or event["parameters"] == other["parameters"])


def _first_step(process: Process) -> Event | None:
    for line in process.lines():
        if kind_of(line) == "step":
            try:
                return parse_event(line)
            except DamagedError:
                return None
    return None


def _agreement(event: Event | None, other: Event | None) -> int:
    """In how much a step is as another one; its weights count most."""
    if event is None or other is None or event["optimizer"] != other["optimizer"]:
        return -1
    alike = event["parameters"] == other["parameters"]
    calls = ([call["arguments"] for call in each["calls"]] for each in (event, other))
    first, second = calls
    return 2 * alike + (first == second)


def batch_again(process: Process, event: Event | None, step: int) -> int | None:
    """The step of a process whose batch comes in an event of another one, which is to be another step's.

    Args:
        process: that was not resumed.
        event: of the one that was.
        step: that it is to be.

    Returns:
        The last such step before it; else the first behind it; None: no step has this batch.
    """
    if event is None or not event["calls"]:
        return None
    needle = f'"arguments":"{event["calls"][0]["arguments"]}"'.encode()
    before = None
    for line in process.lines():
        if needle in line and (number := STEP_NUMBER.match(line)):
            if int(number[2]) > step:
                return before or int(number[2])
            before = int(number[2])
    return before


def nearest(process: Process, later: Process) -> tuple[int, Tensors] | None:
    """The step of a process whose weights are most like those with which another one begins.

    Returns:
        The step, and how the weights compare; of several such steps the first. None where there is nothing to
        compare.
    """
    begun = _first(later)
    if begun is None:
        return None
    initial, initial_names = begun
    wanted = initial_names.of(initial, "parameters")
    best: tuple[int, Tensors] | None = None
    for event, own in process.named("step"):
        tensors = compare(event["parameters"], own, initial["parameters"], wanted)
        if tensors.of and (best is None or len(tensors.differ) < len(best[1].differ)):
            best = event["step"], tensors
    return best
