"""The tensors that differ between two strings of digests, by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from samebits.record.format import DIGITS


@dataclass(frozen=True)
class Tensors:
    """How the tensors of two events differ.

    Attributes:
        differ: the names of those whose digests differ, in the first record's order.
        of: how many both have.
        only_first, only_second: names that one of them lacks.
        shapes: what has another shape or type, in words, by name.
        permuted: as many tensors with the same digests, under other names.
        unlike: how many have digests of two kinds, which say nothing about each other.
    """

    differ: tuple[str, ...] = ()
    of: int = 0
    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()
    shapes: tuple[tuple[str, str], ...] = ()
    permuted: bool = False
    unlike: int = 0

    @property
    def same_names(self) -> bool:
        """Whether both have the same tensors."""
        return not (self.only_first or self.only_second or self.shapes)


SAME = Tensors()


def compare(
    first: str, first_names: Mapping[str, Any], second: str, second_names: Mapping[str, Any]
) -> Tensors:
    """Compare the digests of two events.

    Args:
        first, second: the strings of digests.
        first_names, second_names: the events `names` that tell whose they are.
    """
    if first == second and first_names.get("names") == second_names.get("names"):
        described = ("shapes", "dtypes", "digests")
        if all(first_names.get(each) == second_names.get(each) for each in described):
            return Tensors(of=len(first) // DIGITS)
    a, b = dict(_named(first, first_names)), dict(_named(second, second_names))
    both = [name for name in a if name in b]
    alike = [name for name in both if a[name][2] == b[name][2]]
    differ = tuple(name for name in alike if a[name][0] != b[name][0])
    shapes = ((name, a[name][1], b[name][1]) for name in both)
    return Tensors(
        differ,
        len(both),
        tuple(name for name in a if name not in b),
        tuple(name for name in b if name not in a),
        tuple((name, f"{ours} and {theirs}") for name, ours, theirs in shapes if ours != theirs),
        len(differ) > 1 and sorted(a[name][0] for name in differ) == sorted(b[name][0] for name in differ),
        len(both) - len(alike),
    )


def _named(digests: str, names: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """(name, (digest, type and shape, kind of the digest)); a tensor without a name has its number."""
    known, shapes, dtypes, kinds = (names.get(each, []) for each in ("names", "shapes", "dtypes", "digests"))
    for number, at in enumerate(range(0, len(digests), DIGITS)):
        name = known[number] if number < len(known) else f"number {number}"
        described = f"{dtypes[number]} {tuple(shapes[number])}" if number < len(known) else ""
        kind = kinds[number] if number < len(kinds) else ""
        yield name, (digests[at : at + DIGITS], described, kind)


def module_of(name: str) -> str:
    """The module or the layer that a parameter belongs to.

    >>> module_of("features.3.weight")
    'features.3'
    >>> module_of("encoder/dense/kernel")
    'encoder/dense'
    """
    return name.rpartition("." if "." in name else "/")[0]


def nearest_to_the_loss(differ: tuple[str, ...]) -> str:
    """Where a difference of gradients began.

    Gradients are computed from the loss backwards, and a difference spreads that way: it began in the last
    module of those that differ, in the order in which the model registers them.
    """
    module = module_of(differ[-1])
    return next(name for name in differ if module_of(name) == module)
