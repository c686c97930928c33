"""In what two records differ beside what they computed: commands, environments, code, files, chance."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samebits.diff.align import LINE, MOST, Side
from samebits.diff.reader import DamagedError, Event, Process, Record, kind_of, parse_event
from samebits.fingerprint.diff import Difference, differences
from samebits.fingerprint.facts import flatten
from samebits.framework import Advice, advice

HASH_SEED = "PYTHONHASHSEED"
NAMES = ("kind", "source", "where", "fix", "library")  # of what a source of chance has


@dataclass(frozen=True)
class File:
    """A file or a folder that the two records do not have alike.

    Attributes:
        kind: "contents", "listing" (the same names in another order), "names", or "only" where one lacks it.
        path: of it.
        text: the difference in words.
    """

    kind: str
    path: str
    text: str


@dataclass(frozen=True)
class Source:
    """Chance that no seed decides.

    Attributes:
        kind, source, where, fix: as `samebits.chance.records.Source` has them.
        library: that asked for it in the user's name; "" where the user's code did.
        who: "A", "B" or "A and B".
    """

    kind: str
    source: str
    where: str
    fix: str
    library: str
    who: str

    def __str__(self) -> str:
        return f"{self.source} ({self.where})"


@dataclass(frozen=True)
class Facts:
    """What is known beside the steps.

    Attributes:
        command: the two commands, where they differ; "" where not.
        only_paths: nothing but names of files and folders differs in them.
        environment: facts of the fingerprints that differ and may change bits, code among them.
        files: what was read and is not alike.
        chance: sources in either record.
        workers: how many data workers each had.
        hashes: why a text has another hash in each of them, and a set of texts another order; "" where not.
        advice: of the framework.
    """

    command: str = ""
    only_paths: bool = False
    environment: tuple[Difference, ...] = ()
    files: tuple[File, ...] = ()
    chance: tuple[Source, ...] = ()
    workers: tuple[int, int] = (0, 0)
    hashes: str = ""
    advice: Advice = Advice()


def collect(
    first: Record, second: Record, sides: tuple[Side, Side], until: tuple[Event | None, Event | None]
) -> Facts:
    """Compare what surrounds two processes.

    Args:
        first, second: the records.
        sides: the two processes that were compared, as far as they were read.
        until: the events that differ; what was read after them is no reason.
    """
    ours, theirs = sides
    commands = [shlex.join(side.process.about["command"]) for side in sides]
    return Facts(
        "" if commands[0] == commands[1] else f"{commands[0]} in A, {commands[1]} in B",
        _only_paths(*(side.process.about["command"] for side in sides)),
        tuple(_environment(ours.settings, theirs.settings)),
        (*_files(ours, theirs, until), *_of_children(first, second, sides)),
        tuple(_chance(first, second)),
        (_workers(first, ours.process), _workers(second, theirs.process)),
        _hashes(ours.settings, theirs.settings),
        advice((ours.settings or theirs.settings or {}).get("framework")),
    )


def _only_paths(first: Sequence[str], second: Sequence[str]) -> bool:
    differ = [pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]]
    return len(first) == len(second) and all("/" in word for pair in differ for word in pair)


def _hashes(*settings: Event | None) -> str:
    seeds = []
    for each in settings:
        variables = each["fingerprint"].get("variables") if each is not None else None
        if not isinstance(variables, dict):
            return ""
        seeds.append(variables.get(HASH_SEED))
    if any(seed in (None, "", "random") for seed in seeds):
        return f"{HASH_SEED} is not set"
    return "" if seeds[0] == seeds[1] else f"{HASH_SEED} is {seeds[0]} in A, {seeds[1]} in B"


def _environment(first: Event | None, second: Event | None) -> Iterator[Difference]:
    if first is None or second is None:
        return
    facts = [
        dict(flatten({"framework": each["framework"], "code": each["code"] or {}, **each["fingerprint"]}))
        for each in (first, second)
    ]
    for difference in differences(*facts):
        # samebits itself computes nothing in a training that is only recorded.
        # The seed of hashes stands apart, see `Facts.hashes`.
        if (
            difference.rank != "none"
            and not difference.fact.startswith("code.samebits.")
            and difference.fact != f"variables.{HASH_SEED}"
        ):
            yield difference


def _files(ours: Side, theirs: Side, until: tuple[Event | None, Event | None]) -> Iterator[File]:
    here, there = (_before(side.files, event) for side, event in zip((ours, theirs), until, strict=True))
    yield from _contents(here, theirs.files)
    yield from (File("only", path, f"only A has read {path}") for path in here if path not in theirs.files)
    yield from (File("only", path, f"only B has read {path}") for path in there if path not in ours.files)
    for path, events in ours.listings.items():
        for event, match in zip(events, theirs.listings.get(path, ()), strict=False):
            if event["set"] != match["set"]:
                counts = f"{event['count']:,} names in A and {match['count']:,} in B"
                yield File("names", path, f"{path} has {counts}, and they are not the same")
                break
            if event["digest"] != match["digest"]:
                yield File("listing", path, f"{path} gave its {event['count']:,} names in another order")
                break


def _before(files: Mapping[str, Event], event: Event | None) -> dict[str, Event]:
    return {path: each for path, each in files.items() if event is None or each[LINE] < event[LINE]}


def _contents(here: Mapping[str, Event], there: Mapping[str, Event]) -> Iterator[File]:
    for path, event in here.items():
        match = there.get(path)
        if match is None:
            continue
        if event["size"] != match["size"]:
            yield File(
                "contents", path, f"{path} has {event['size']:,} bytes in A and {match['size']:,} in B"
            )
        elif event["digest"] != match["digest"]:
            yield File("contents", path, f"{path} has other contents in A and in B")


def _of_children(first: Record, second: Record, sides: tuple[Side, Side]) -> Iterator[File]:
    """What data workers and other processes have read."""
    read = []
    for record, side in ((first, sides[0]), (second, sides[1])):
        pid, files = side.process.about["pid"], {}
        for process in record.processes:
            if process.about["parent"] == pid:
                files.update(_read_by(process))
        read.append(files)
    yield from _contents(*read)


def _read_by(process: Process) -> dict[str, Event]:
    files: dict[str, Event] = {}
    for line in process.lines():
        if kind_of(line) == "file" and len(files) < MOST:
            try:
                event = parse_event(line)
            except DamagedError:
                break
            files.setdefault(event["path"], event)
    return files


def _chance(first: Record, second: Record) -> Iterator[Source]:
    yield from sources((("A", _sources(first.processes)), ("B", _sources(second.processes))))


def sources(both: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]) -> Iterator[Source]:
    """The chance of both, the user's own first.

    Args:
        both: "A" or "B", and what it lists.
    """
    whose: dict[tuple[str, str, str, str, str], set[str]] = {}
    for who, listed in both:
        for source in listed:
            kind, text, where, fix, library = (str(source.get(name) or "") for name in NAMES)
            words = kind, text, where, fix, library
            whose.setdefault(words, set()).add(who)
    for words, named in sorted(whose.items(), key=lambda each: bool(each[0][-1])):
        yield Source(*words, who=" and ".join(sorted(named)))


def _sources(processes: Iterable[Process]) -> Iterator[Mapping[str, Any]]:
    for process in processes:
        for event in process.last("chance"):
            yield from event["sources"]


def _workers(record: Record, main: Process) -> int:
    """How many data workers a process had at the same time, by their numbers."""
    pid = main.about["pid"]
    mine = [each for each in record.processes if each.about["parent"] == pid]
    return len({role for each in mine if (role := each.identity[0]).startswith("worker")})
