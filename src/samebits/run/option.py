"""A field of a settings class that is an option of the command line."""

import dataclasses
from typing import Any


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    affects_weights: bool = True,
) -> Any:
    """A field of a settings class: its default, one line of help, and the range that it may take.

    `affects_weights=False` promises that the weights are the same whatever the value: golden hashes and
    comparisons of runs leave such a field out. A run says in one line when it sees that evaluation breaks
    the promise (docs/resume.md).

    >>> @dataclasses.dataclass(frozen=True)
    ... class Settings:
    ...     epochs: int = option(10, "passes over the training data", minimum=1)
    >>> Settings().epochs
    10
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "affects_weights": affects_weights}
    return dataclasses.field(default=default, metadata=metadata)
