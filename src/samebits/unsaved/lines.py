"""The lines that name unsaved state: a run prints them, and what compares runs."""

from collections.abc import Mapping, Sequence
from typing import Any


def lines(unsaved: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each value, as a manifest or a checkpoint has them under `unsaved`.

    Args:
        unsaved: of each value: its `name` as the code writes it, its `kind` (int, tensor, generator, …),
            `where` it is set (a file and a line, or nothing) and how to `fix` it.
    """
    return [f"unsaved and changing: {value['name']} ({_details(value)}): {value['fix']}" for value in unsaved]


def _details(value: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (value["kind"], value["where"])))
