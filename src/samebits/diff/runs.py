"""Compares two finished runs: by their manifests, metrics and weights, which any run leaves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebits.diff.causes import rank
from samebits.diff.facts import Facts, sources
from samebits.diff.records import Result
from samebits.diff.verdict import Place
from samebits.fingerprint.diff import differences
from samebits.fingerprint.manifest import of_manifest, read_manifest
from samebits.framework import advice
from samebits.hashing.compare import Comparison, compare_runs


def compare_folders(first: Path, second: Path) -> Result:
    """Compare two run folders.

    Raises:
        UsageError: one is no finished run.
    """
    manifests = [read_manifest(path) for path in (first, second)]
    comparison = compare_runs(first, second)
    place = _place(comparison)
    notes = tuple(f"{line}" for line in comparison.lines())
    if place is None:
        return Result(None, "", (), int(manifests[0].get("steps", 0)), "", {}, notes)
    causes = rank(place, _facts(*manifests), {}, None, None, "")
    return Result(place, "", tuple(causes), 0, "", {}, notes)


def _place(comparison: Comparison) -> Place | None:
    """The first line of metrics that differs, or whose batches do; where all are the same, the weights."""
    metric, batches = comparison.metric, comparison.batches
    if batches is not None and (metric is None or batches <= metric.line):
        return Place("batch", None, f"line {batches} of metrics.jsonl, the batches")
    if metric is not None:
        equal = ("batches",) if comparison.recorded else ()
        a, b = ("null" if value is None else value for value in (metric.first, metric.second))
        text = f"line {metric.line} of metrics.jsonl, {metric.field}: {a} in A, {b} in B"
        return Place("metric", None, text, equal)
    if comparison.tensor is not None:
        both = (("metrics", comparison.logged), ("batches", comparison.recorded))
        text = f"the final weights, {comparison.tensor}"
        return Place("weights", None, text, tuple(name for name, there in both if there))
    return None


def _facts(first: Mapping[str, Any], second: Mapping[str, Any]) -> Facts:
    changed = differences(of_manifest(first), of_manifest(second))
    return Facts(
        environment=tuple(each for each in changed if each.rank != "none"),
        chance=tuple(sources((("A", _chance(first)), ("B", _chance(second))))),
        advice=advice(first.get("framework")),
    )


def _chance(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = manifest.get("chance")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
