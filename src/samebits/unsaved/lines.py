"""The lines that name unsaved state: a run prints them, and what compares runs."""

from collections.abc import Mapping, Sequence
from typing import Any

SAID = 5  # lines; the manifest has all


def lines(unsaved: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each value, as a manifest or a checkpoint has them under `unsaved`.

    Args:
        unsaved: of each value: its `name` as the code writes it, its `kind` (int, tensor, generator, …),
            `where` it is set (a file and a line, or nothing) and how to `fix` it.
    """
    return [f"unsaved and changing: {value['name']} ({_details(value)}): {value['fix']}" for value in unsaved]


def some(unsaved: Sequence[Mapping[str, Any]], within_epochs: bool = True) -> list[str]:
    """The lines of those that may decide the weights, at most a handful and how many more there are.

    Args:
        unsaved: as for `lines`.
        within_epochs: also of values that every epoch makes anew.
    """
    deciding = [
        value
        for value in unsaved
        if not value.get("shown") and (within_epochs or not value.get("within_epochs"))
    ]
    more = [f"unsaved and changing: {len(deciding) - SAID} more"] if len(deciding) > SAID else []
    return [*lines(deciding[:SAID]), *more]


def _details(value: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (value["kind"], value["where"])))
