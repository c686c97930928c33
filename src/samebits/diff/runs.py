"""Compares two finished runs: by their records of the first steps and of each epoch, metrics and weights."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from samebits._json_files import COUNT, Content, check
from samebits._printable import some
from samebits.diff.causes import Cause, rank
from samebits.diff.facts import Facts, sources
from samebits.diff.place import Place
from samebits.diff.reader import Event, Record
from samebits.diff.records import Result, compare_records
from samebits.diff.tensors import compare
from samebits.errors import UsageError
from samebits.fingerprint.diff import Difference, differences
from samebits.fingerprint.manifest import of_manifest, read_manifest
from samebits.framework import advice
from samebits.hashing.compare import Comparison, compare_runs, read_metrics
from samebits.record.format import RUN_FILE

NAMED = 3  # values that no checkpoint holds, in a line


def compare_folders(first: Path, second: Path) -> Result:
    """Compare two run folders.

    Raises:
        UsageError: one is no finished run.
    """
    manifests = [read_manifest(path) for path in (first, second)]
    comparison = compare_runs(first, second)
    facts, resumed = _facts(*manifests), _resumed(manifests)
    begun = _first_steps(first, second, facts)
    if begun is not None and begun.place is not None:
        return begun
    place = _place(comparison, Epochs(first, second), begun, _numbers(first))
    notes = tuple(f"{line}" for line in comparison.lines())
    if place is None:
        return Result(None, "", (), int(manifests[0].get("steps", 0)), "", {}, notes)
    after = max((step for step in resumed if place.step is None or step < place.step), default=None)
    causes = [*_unsaved(manifests, after), *rank(place, facts, {}, None, after, "")]
    return Result(place, "", tuple(causes), begun.steps if begun else 0, "", {}, notes)


def _first_steps(first: Path, second: Path, facts: Facts) -> Result | None:
    """What the records of the first steps show; None where one run has none."""
    paths = [path / RUN_FILE for path in (first, second)]
    if not all(path.is_file() for path in paths):
        return None
    try:
        ours, theirs = (Record(path) for path in paths)
        return compare_records(ours, theirs, facts)
    except UsageError:  # another format, or nothing is in it
        return None


class Epochs:
    """The weights of two runs after each epoch, as far as both have recorded them.

    Attributes:
        steps: how many steps had been made then, by epoch.
        differ: the first epoch after which they differ, and the tensors that do; None where none does.
        last: the last epoch before that.
    """

    def __init__(self, first: Path, second: Path) -> None:
        ours, theirs = map(_epochs, (first, second))
        self.steps: dict[int, int] = {}
        self.differ: tuple[int, tuple[str, ...], int] | None = None
        self.last = 0
        for epoch in sorted(ours.keys() & theirs.keys()):
            (a, a_names), (b, b_names) = ours[epoch], theirs[epoch]
            self.steps[epoch] = a["step"]
            tensors = compare(a["parameters"], a_names, b["parameters"], b_names)
            if self.differ is None and (tensors.differ or not tensors.same_names or a["step"] != b["step"]):
                self.differ = epoch, tensors.differ, tensors.of
            elif self.differ is None:
                self.last = epoch


def _epochs(folder: Path) -> dict[int, tuple[Event, Event]]:
    """By each epoch's number, its event, and the event that has its tensors' names; up to a damaged line."""
    try:
        (process,) = Record(folder / RUN_FILE).processes
    except UsageError:
        return {}
    return {event["epoch"]: (event, names) for event, names in process.named("epoch")}


def _place(comparison: Comparison, epochs: Epochs, begun: Result | None, numbers: list[int]) -> Place | None:
    """The first epoch whose batches, weights or line of metrics differ; else the final weights.

    Args:
        comparison: of the two folders.
        epochs: the weights after each epoch.
        begun: what the first steps showed: no difference.
        numbers: the epoch of each line of metrics; 0 where it names none.
    """
    metric, batches = comparison.metric, comparison.batches
    first = {
        "batch": _epoch(batches, numbers),
        "weights": epochs.differ[0] if epochs.differ is not None else None,
        "metric": _epoch(metric.line if metric is not None else None, numbers),
    }
    earliest = min((each for each in first.values() if each is not None), default=None)
    start, until = _start(begun), (f"all up to the end of epoch {epochs.last}",) * bool(epochs.last)
    recorded = ("batches",) if comparison.recorded else ()
    metrics = ("metrics",) if comparison.logged else ()
    step = epochs.steps.get(earliest) if earliest is not None else None
    if batches is not None and first["batch"] == earliest and (metric is None or batches <= metric.line):
        return Place("batch", step, f"line {batches} of metrics.jsonl, the batches", until or start)
    if epochs.differ is not None and first["weights"] == earliest:
        epoch, names, of = epochs.differ
        more = f" (and {len(names) - 1:,} more of {of:,})" if len(names) > 1 else ""
        what = f"parameter `{names[0]}`{more}" if names else "another model or another number of steps"
        text = f"the weights after epoch {epoch} (step {step:,}): {what}"
        return Place("weights", step, text, (*(until or start), *recorded), names[0] if names else "")
    if metric is not None:
        a, b = ("null" if value is None else value for value in (metric.first, metric.second))
        text = f"line {metric.line} of metrics.jsonl, {metric.field}: {a} in A, {b} in B"
        return Place("metric", step, text, (*recorded, *(("weights then",) if step is not None else ())))
    if comparison.tensor is not None:
        text = f"the final weights, {comparison.tensor}"
        return Place("weights", None, text, (*(until or start), *metrics, *recorded))
    return None


def _epoch(line: int | None, numbers: list[int]) -> int | None:
    """The epoch of a line of metrics; the line itself where no line names its epoch."""
    if line is None:
        return None
    return (numbers[line - 1] if line <= len(numbers) else 0) or line


def _numbers(folder: Path) -> list[int]:
    numbers = [line.get("epoch") for line in read_metrics(folder)]
    return [each if type(each) is int else 0 for each in numbers]


def _start(begun: Result | None) -> tuple[str, ...]:
    """What of two runs is equal at their beginning, in words."""
    if begun is None:
        return ()
    return ("initial weights", f"the first {begun.steps:,} batches", "weights after step 1")


def _resumed(manifests: Sequence[Content]) -> list[int]:
    """The steps after which one of two runs was resumed, and the other was not."""
    steps: list[set[int]] = []
    for manifest in manifests:
        links = manifest.get("chain", ())[1:]
        for link in links:
            check(link, {"from_step": COUNT}, f"{manifest.path}, chain", whole=True)
        steps.append({link["from_step"] for link in links})
    return sorted(steps[0] ^ steps[1])


def _unsaved(manifests: Sequence[Mapping[str, Any]], after: int | None) -> Iterator[Cause]:
    """State that no checkpoint holds, where one of the two was resumed."""
    rows = [row for each in manifests for row in each.get("unsaved", ()) if isinstance(row, dict)]
    if after is None or not rows:
        return
    told = list(dict.fromkeys(f"{row.get('shown') or row.get('name')}" for row in rows))
    evidence = (f"one of the two was resumed after step {after:,}",)
    fix = str(next((row["fix"] for row in rows if row.get("fix")), ""))
    yield Cause("unsaved", f"changes, and no checkpoint holds it: {some(told, NAMED)}", evidence, "", fix)


def _facts(first: Mapping[str, Any], second: Mapping[str, Any]) -> Facts:
    changed: list[Difference] = []
    with contextlib.suppress(UsageError, LookupError):  # of an older version, or not whole
        changed += differences(of_manifest(first), of_manifest(second))
    return Facts(
        environment=tuple(each for each in changed if each.rank != "none"),
        chance=tuple(sources((("A", _chance(first)), ("B", _chance(second))))),
        advice=advice(first.get("framework")),
    )


def _chance(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = manifest.get("chance")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
