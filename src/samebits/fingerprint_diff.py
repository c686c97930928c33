"""In what two fingerprints differ, ranked by what is known about each fact."""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from samebits import variables
from samebits.errors import CheckFailed, WrongUse
from samebits.fingerprint import flatten, here
from samebits.json_files import read_json
from samebits.printable import printable
from samebits.run_folder import read_manifest

Rank = Literal["changes", "may", "none"]
WORDS: dict[Rank, str] = {"changes": "changes bits", "may": "may change bits", "none": "changes none"}
COLOURS: dict[Rank, str] = {"changes": "red", "may": "yellow", "none": "green"}

# The first pattern that is the beginning of a fact's name decides. What each says can be tried with
# `samebits fingerprint diff` and `samebits matrix`.
RULES: tuple[tuple[str, Rank, str], ...] = (
    ("profile$", "changes", "it chooses the CPU's instructions"),
    (r"cpu\.instructions", "changes", "libraries choose their kernels by them; PROFILE=portable does not"),
    (r"cpu\.libm", "changes", "exp, log, sin and others, with fused multiply-add or without"),
    (r"cpu\.mkl", "changes", "MKL's code branch: matrix products and vector functions"),
    (r"cpu\.vendor", "changes", "MKL chooses by it; PROFILE=portable pins that"),
    (r"cpu\.model", "may", "cache sizes can decide how a product is cut"),
    (r"device\.(kind|model|capability)", "changes", "another kind of device has other kernels"),
    (r"device\.", "may", "another version may choose other kernels"),
    (r"effective\.torch\.interop_threads", "none", "no sum is split by it"),
    (r"effective\.thread_pools", "changes", "threads split sums; the architecture names the kernels"),
    (r"effective\.\w+\.(threads|mkl_threads|intra_op_threads)", "changes", "threads split sums"),
    (r"effective\.(torch\.cpu_capability|numpy\.cpu_features)", "changes", "the kernels that are in force"),
    (r"effective\.(locale|time_zone)", "may", "they decide how text and dates of the data are read"),
    (r"effective\.", "changes", "what is in force decides"),
    (r"determinism\.", "changes", "a switch of the framework"),
    (r"data\.", "changes", "the data are others"),
    (r"loaded\.", "may", "another build of the library that computes"),
    (r"libraries\.", "may", "another version may compute in another order"),
    (r"locks\.", "may", "other packages; the loaded libraries tell whether they compute"),
    (r"(python|libc|framework)$", "may", "another version may compute otherwise"),
    (r"image$", "may", "another image; its locks and libraries tell more"),
    (r"code\.commit", "may", "the code may have changed"),
    (r"code\.", "may", "the code was changed after its commit"),
    (r"variables\.(CUDA_VISIBLE_DEVICES|PYTHONPATH)", "none", "it follows the host"),
)  # fmt: skip
PINNED_BY_PORTABLE = re.compile(r"cpu\.(instructions|vendor|model)")


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
    """What differs between two flattened fingerprints: what changes bits first, then by name."""
    portable = first.get("profile") == second.get("profile") == "portable"
    both_have_data = _has_data(first) and _has_data(second)
    rows = {row.name: row for row in variables.read()}
    found = []
    for fact in sorted({*first, *second}):
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
        found.append(Difference(fact, before, now, rank, why))
    return sorted(found, key=lambda one: list(WORDS).index(one.rank))


def _has_data(facts: Mapping[str, str]) -> bool:
    return any(fact.startswith("data.") for fact in facts)


def _judge(fact: str, rows: Mapping[str, variables.Row]) -> tuple[Rank, str]:
    for pattern, rank, why in RULES:
        if re.match(pattern, fact):
            return rank, why
    row = rows.get(fact.removeprefix("variables."))
    if row is None:
        return "may", "nothing is known of it"
    return ("may" if row.policy == "record" else "changes"), row.reason


def read(name: str) -> dict[str, str]:
    """The flattened fingerprint of a run folder, a manifest, a file of JSON, a golden entry, or of `now`.

    Raises:
        WrongUse: it is none of these.
    """
    if name == "now":
        return dict(flatten(here()))
    path = Path(name)
    if (path / "manifest.json").is_file():
        return of_manifest(read_manifest(path))
    if not path.exists():
        from samebits import golden  # it imports this module

        entries = golden.read(variables.find_root() / "golden.toml")
        if name in entries:
            return {"framework": entries[name]["framework"], **entries[name]["fingerprint"]}
        names = ", ".join(entries) or "which has none"
        raise WrongUse(f"{name} is no run folder, no file and no entry of golden.toml ({names})")
    try:
        content = read_json(path)
        return of_manifest(content) if "fingerprint" in content else dict(flatten(content))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise WrongUse(
            f"{name} has no fingerprint: give a run folder, a manifest, what `samebits fingerprint --json` "
            "printed, an entry of golden.toml, or `now`"
        ) from None


def of_manifest(manifest: Mapping[str, Any]) -> dict[str, str]:
    """A manifest's flattened fingerprint, with what the manifest tells beside it."""
    return {"framework": str(manifest["framework"]), **dict(flatten(manifest["fingerprint"]))}


def show(first: str, second: str, all_: bool, json_: bool) -> None:
    """Print the differences; the command's own body.

    Raises:
        CheckFailed: some of them may change bits.
    """
    found = differences(read(first), read(second))
    if json_:
        lines = [json.dumps(dataclasses.asdict(one)) for one in found]
        click.echo("[\n" + ",\n".join(lines) + "\n]" if lines else "[]")
    else:
        print_table([one for one in found if all_ or one.rank != "none"], first, second)
        hidden = sum(one.rank == "none" for one in found)
        if hidden and not all_:
            click.echo(f"{hidden} more cannot change bits: --all shows them")
    harmful = [one for one in found if one.rank != "none"]
    if harmful:
        certain = sum(one.rank == "changes" for one in harmful)
        raise CheckFailed(f"differences that change bits: {certain}; that may: {len(harmful) - certain}")
    if not found:
        click.echo("no differences")


def print_table(found: list[Difference], first: str, second: str) -> None:
    """One row a difference. A file or a pipe gets whole lines, however long."""
    if not found:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)
    table = Table(box=None, pad_edge=False)
    for heading in ("", "fact", first, second, "why"):
        table.add_column(Text(printable(heading)), overflow="fold")
    for one in found:
        rank = Text(WORDS[one.rank], style=COLOURS[one.rank])
        table.add_row(rank, *(Text(printable(text)) for text in (one.fact, one.first, one.second, one.why)))
    console.print(table)
