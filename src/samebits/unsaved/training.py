"""What one look begins with: what the run holds, and the generators that libraries keep."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from samebits.framework import Unsaved
from samebits.rng import generators


@dataclass(frozen=True)
class Training:
    """What is looked at.

    Attributes:
        toolkit: the framework's part.
        objects: what the run holds, by name.
        ours: objects of the run itself, not to be looked at.
        in_libraries: the generators that libraries keep in their modules, each with its name.
    """

    toolkit: Unsaved
    objects: Mapping[str, Any]
    ours: tuple[Any, ...]
    in_libraries: list[tuple[str, Any]] = field(default_factory=list)

    def find_in_libraries(self) -> None:
        """Look through all modules for generators: 50 ms."""
        kinds = tuple(kind for _, row in generators.imported() for kind in row.kinds())
        held = {"samebits", *(name.partition(".")[0] for name in generators.ROWS)}  # checkpoints have theirs
        self.in_libraries[:] = [
            (f"{name}.{attribute}", value)
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] not in held
            for attribute, value in list(getattr(module, "__dict__", {}).items())
            if issubclass(type(value), kinds)  # isinstance asks the value, and a library may warn then
        ]
