"""Whether what `samebits diff` says about a fault is what must be said."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Literal

from tests.localise.clean import Pair
from tests.localise.fault import ANY, Fault
from tests.localise.run import Originals, TrainingError, kept, make, make_clean

from samebits.diff.causes import Cause
from samebits.diff.command import compare
from samebits.diff.records import Result
from samebits.errors import UsageError

Level = Literal["exact", "first three", "missed", "not made"]


@dataclass(frozen=True)
class Row:
    """What was expected of one fault, and what was said.

    Attributes:
        level: exact: the place and the first cause are right; first three: the cause is among the first
            three, or it is the first and the place is another; missed: anything else, "same" included; not
            made: the fault cannot be shown here.
        rank: of the right cause, from 1; 0 where it is not there.
    """

    name: str
    kind: str
    framework: str
    level: Level
    expected_place: str
    place: str
    expected_cause: str
    causes: tuple[str, ...]
    rank: int
    text: str
    seconds: float


def place_of(what: tuple[str, ...], step: int | None) -> str:
    where = {None: "", ANY: ", any step"}.get(step, f", step {step}")
    return " or ".join(what) + where


def named(result: Result) -> str:
    if result.place is None:
        return "same"
    return place_of((result.place.what,), result.place.step)


def fits(cause: Cause, fault: Fault) -> bool:
    words = "\n".join((cause.text, cause.where, *cause.evidence, cause.fix))
    return cause.kind in fault.cause and fault.says.lower() in words.lower()


def judged(fault: Fault, result: Result) -> tuple[Level, int]:
    """How well the result names the fault, and the rank of the right cause."""
    if result.place is None:
        return "missed", 0
    rank = next((number for number, cause in enumerate(result.causes, 1) if fits(cause, fault)), 0)
    right = result.place.what in fault.place and fault.step in (ANY, result.place.step)
    if right and rank == 1:
        return "exact", rank
    return ("first three" if 0 < rank <= 3 else "missed"), rank


def score(name: str, fault: Fault, here: Path, originals: Originals) -> Row:
    """Make the records of a fault, compare them, and judge.

    Args:
        name: of the fault.
        fault: what is done.
        here: a new folder for the records.
        originals: the trainings without a fault.
    """
    began = time.monotonic()
    level: Level
    try:
        result = compare(*kept(here, partial(make, fault=fault, originals=originals)))
    except (TrainingError, UsageError) as error:
        level, rank, place, causes, text = "not made", 0, "", (), str(error)
    else:
        (level, rank), place = judged(fault, result), named(result)
        causes = tuple(cause.kind for cause in result.causes)
        text = result.place.text if result.place is not None else "same"
    return Row(
        name,
        fault.kind,
        fault.framework,
        level,
        place_of(fault.place, fault.step),
        place,
        " or ".join(fault.cause) + (f" ({fault.says})" if fault.says else ""),
        causes,
        rank,
        text,
        round(time.monotonic() - began, 1),
    )


def score_inside(name: str, fault: Fault, here: Path, originals: Originals, level: ModuleType) -> Row:
    """The same where the layer or the operation is to be named.

    Args:
        level: `layers` or `operations`: what is expected, and whether it is named.
    """
    began = time.monotonic()
    expected = level.EXPECTED[name]
    how: Level
    try:
        folders = kept(here, partial(make, fault=fault, originals=originals))
        result = compare(*folders)
    except (TrainingError, UsageError) as error:
        how, place, causes, text = "not made", "", (), str(error)
    else:
        scripts = folders[0].parent, folders[1].parent
        how = "exact" if level.is_named(expected, result, scripts, fault.script) else "missed"
        causes, text = tuple(cause.kind for cause in result.causes), result.verdict
        place = str(result.place.part) if result.place and result.place.part else named(result)
    seconds = round(time.monotonic() - began, 1)
    said = str(expected)
    return Row(name, fault.kind, fault.framework, how, said, place, "", causes, 0, text, seconds)


@dataclass(frozen=True)
class CleanRow:
    """What was said of a pair without a fault: "same", or what differs."""

    name: str
    framework: str
    said: str
    steps: int


def score_clean(pair: Pair, here: Path, originals: Originals) -> CleanRow:
    """Record a pair, and compare it: see `score`."""
    try:
        arguments, resumed = tuple(pair.arguments.split()), pair.resumed.split()
        record = partial(
            make_clean, originals=originals, script=pair.script, arguments=arguments, resumed=resumed
        )
        result = compare(*kept(here, record))
    except (TrainingError, UsageError) as error:
        return CleanRow(pair.name, pair.framework, str(error), 0)
    said = (
        "same" if result.place is None and result.steps else result.place.text if result.place else "no step"
    )
    return CleanRow(pair.name, pair.framework, said, result.steps)
