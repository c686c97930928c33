"""What another set of packages changes: names, and the version before and after. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One name whose value differs.

    Attributes:
        name: a package or a variable.
        old, new: its version or value; None where it is not there.
    """

    name: str
    old: str | None
    new: str | None

    def line(self, width: int = 0) -> str:
        """`torch  2.10.0 -> 2.11.0`, `torch  added, 2.11.0` or `torch  removed, was 2.10.0`."""
        if self.old is None:
            return f"{self.name:{width}}  added, {self.new}"
        if self.new is None:
            return f"{self.name:{width}}  removed, was {self.old}"
        return f"{self.name:{width}}  {self.old} -> {self.new}"


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """What is different in `new`, by name."""
    names = sorted(old.keys() | new.keys())
    return [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def table(changed: list[Change]) -> str:
    """One line a change, indented and aligned."""
    width = max((len(change.name) for change in changed), default=0)
    return "".join(f"  {change.line(width)}\n" for change in changed)
