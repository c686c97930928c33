"""In what two fingerprints differ, ranked by what is known about each fact."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal

from samebits._printable import short
from samebits._report import Outcome
from samebits.fingerprint.manifest import WEIGHTS
from samebits.process import variables

Rank = Literal["changes", "may", "none"]
WORDS: dict[Rank, str] = {"changes": "changes bits", "may": "may change bits", "none": "changes none"}
OUTCOMES: dict[Rank, Outcome] = {"changes": "fail", "may": "warn", "none": "ok"}
HASH = re.compile(r"(?:.* sha256:)?\b([0-9a-f]{40,})\b")

# What somebody chose comes before what somebody installed, and the machine comes last: in this order a
# difference is looked for, and the first pattern that is the beginning of a fact's name decides.
Group = Literal["settings", "data", "code", "versions", "machine"]
ORDER: tuple[Group, ...] = ("settings", "data", "code", "versions", "machine")
GROUPS: tuple[tuple[str, Group], ...] = (
    (r"data\.", "data"),
    (r"code\.", "code"),
    (r"(libraries|locks|unlocked|loaded)\.|(python|libc|image)$", "versions"),
    (r"cpu\.|device\.(?!kind)", "machine"),
    (r"effective\.(\w+\.cpu_capability|numpy\.|thread_pools)", "machine"),
    ("", "settings"),
)

# The first pattern that is the beginning of a fact's name decides. What each says can be tried with
# `samebits fingerprint diff` and `samebits matrix`.
RULES: tuple[tuple[str, Rank, str], ...] = (
    ("setting ", "changes", "another training"),
    ("profile$", "changes", "it chooses the CPU's instructions"),
    (r"cpu\.instructions", "changes", "libraries choose their kernels by them; PROFILE=portable does not"),
    (r"cpu\.libm", "changes", "exp, log, sin and others, with fused multiply-add or without"),
    (r"cpu\.mkl", "changes", "MKL's code branch: matrix products and vector functions"),
    (r"cpu\.vendor", "changes", "MKL chooses by it; PROFILE=portable pins that"),
    (r"cpu\.model", "may", "cache sizes can decide how a product is cut"),
    (r"device\.(kind|model|capability)", "changes", "another kind of device has other kernels"),
    (r"device\.", "may", "another version may choose other kernels"),
    (r"effective\.\w+\.interop_threads", "none", "no sum is split by it"),
    (r"effective\.thread_pools", "changes", "threads split sums; the architecture names the kernels"),
    (r"effective\.\w+\.(threads|mkl_threads|intra_op_threads)", "changes", "threads split sums"),
    (r"effective\.(\w+\.cpu_capability|numpy\.cpu_features)", "changes", "the kernels in use"),
    (r"effective\.(locale|time_zone)", "may", "they decide how text and dates of the data are read"),
    (r"effective\.", "changes", "the value in use decides"),
    (r"determinism\.fill_uninitialized_memory", "none", "only memory that nobody wrote is filled"),
    (r"determinism\.", "changes", "a switch of the framework"),
    (r"data\.", "changes", "the data are others"),
    (r"loaded\.", "may", "another build of the library that computes"),
    (r"libraries\.", "may", "another version may compute in another order"),
    (r"unlocked\.", "may", "a package that is not as the locks say"),
    (r"locks\.", "may", "other packages; the loaded libraries show whether they compute"),
    (r"(python|libc|framework)$", "may", "another version may compute in another way"),
    (r"image$", "may", "another image; its locks and libraries say more"),
    (r"code\.(folder|script)$", "none", "where the code lies"),
    (r"code\.commit", "may", "the code may have changed"),
    (r"code\.files\.", "may", "other code ran"),
    (r"code\.samebits\.", "may", "samebits has other files"),
    (r"code\.", "may", "the code was changed after its commit"),
    (r"variables\.(CUDA_VISIBLE_DEVICES|PYTHONPATH)", "none", "it follows the host"),
)  # fmt: skip
# With PROFILE=portable nothing chooses by these, or each has one value on every CPU that the profile allows.
PINNED_BY_PORTABLE = re.compile(r"cpu\.|effective\.(\w+\.cpu_capability|numpy\.cpu_features)")
# Values that are lists of words: only what was added and what was lost is shown.
LISTS = re.compile(r"cpu\.instructions|effective\.(numpy\.cpu_features|thread_pools)|variables\..*FLAGS")


@dataclasses.dataclass(frozen=True)
class Difference:
    """A fact that differs.

    Attributes:
        fact: its dotted name.
        first, second: its values as text; "absent" where it is not told.
        rank: whether a difference in it is known to change bits.
        why: the reason for the rank.
    """

    fact: str
    first: str
    second: str
    rank: Rank
    why: str


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> list[Difference]:
    """What differs between two flattened fingerprints, in the order of ORDER; what changes nothing last.

    Between two runs that ended in the same weights nothing that differs has changed any.
    """
    portable = first.get("profile") == second.get("profile") == "portable"
    same_weights = have_same_weights(first, second)
    both_have_data = _have("data.", first, second)
    both_are_runs = _have("setting ", first, second)
    both_have_files = _have("code.files.", first, second)
    same_files = both_have_files and _of("code.files.", first) == _of("code.files.", second)
    rows = {row.name: row for row in variables.read()}
    differing = []
    for fact in sorted({*first, *second} - {WEIGHTS}):
        before, now = first.get(fact, "absent"), second.get(fact, "absent")
        if before == now or {before, now} == {"", "absent"}:
            continue
        rank, why = _judge(fact, rows)
        if portable and PINNED_BY_PORTABLE.match(fact):
            rank, why = "none", "the profile portable does not choose by it"
        if fact.startswith("loaded.") and before.partition(" sha256:")[2] == now.partition(" sha256:")[2]:
            rank, why = "none", "the same file at another place"
        if fact.startswith("data.") and not both_have_data:
            rank, why = "none", "only one of the two has read its data"
        if fact.startswith("setting ") and not both_are_runs:
            rank, why = "none", "only one of the two has settings"
        if fact.startswith("code.files.") and not both_have_files:
            rank, why = "none", "only one of the two has run its code"
        if fact in ("code.commit", "code.dirty", "code.diff") and same_files:
            rank, why = "none", "the files that ran are the same"
        if same_weights:
            rank, why = "none", "the weights are the same"
        differing.append(Difference(fact, before, now, rank, why))
    return sorted(differing, key=lambda each: (each.rank == "none", ORDER.index(group(each.fact))))


def have_same_weights(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Whether both are facts of runs that ended in the same weights."""
    return WEIGHTS in first and first[WEIGHTS] == second.get(WEIGHTS)


def group(fact: str) -> Group:
    """Which group of ORDER a fact belongs to."""
    return next(group for pattern, group in GROUPS if re.match(pattern, fact))


def change(difference: Difference) -> str:
    """From what to what a fact differs, in short: what a list lost and gained, how a hash begins."""
    before, now = difference.first, difference.second
    if LISTS.match(difference.fact) and "absent" not in (before, now):
        separator = "; " if "; " in before + now else None
        lost = [word for word in before.split(separator) if word not in now.split(separator)]
        added = [word for word in now.split(separator) if word not in before.split(separator)]
        if lost or added:
            return "  ".join([f"−{word}" for word in lost] + [f"+{word}" for word in added])
    return " → ".join(HASH.sub(lambda match: short(match[1]), text or "not set") for text in (before, now))


def _of(prefix: str, facts: Mapping[str, str]) -> dict[str, str]:
    return {fact: value for fact, value in facts.items() if fact.startswith(prefix)}


def _have(prefix: str, *fingerprints: Mapping[str, str]) -> bool:
    return all(_of(prefix, facts) for facts in fingerprints)


def _judge(fact: str, rows: Mapping[str, variables.Row]) -> tuple[Rank, str]:
    for pattern, rank, why in RULES:
        if re.match(pattern, fact):
            return rank, why
    row = rows.get(fact.removeprefix("variables."))
    if row is None:
        return "may", "samebits does not know this fact"
    return ("may" if row.policy == "record" else "changes"), row.reason
