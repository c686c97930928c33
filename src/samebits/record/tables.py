"""The names of tensors, which a record holds once: digests follow in the order of such a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Write = Callable[[dict[str, Any]], None]


class Tables:
    """The `names` lines of a record, each written before the first string that follows it.

    Args:
        write: writes a line.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._number = 0
        self._last: dict[tuple[str, Any], tuple[Any, int]] = {}

    def number(
        self,
        kind: str,
        of: Any,
        owner: str,
        names: list[str],
        outlines: list[Any],
        describe: Callable[[], Mapping[str, Sequence[Any]]],
    ) -> int:
        """The number of a table of names, which is written if it is another one than before.

        Args:
            kind: "parameters", "buffers" or "state".
            of: whose they are.
            owner: the class of that.
            names: one for each tensor.
            outlines: what tells each one's shape and type from another's; it is compared.
            describe: gives the same in words, as a `samebits.record.format.Names` has it: "shapes", "dtypes",
                "digests".
        """
        known = self._last.get((kind, of))
        if known is not None and known[0] == (names, outlines):
            return known[1]
        number, self._number = self._number, self._number + 1
        self._last[kind, of] = (list(names), outlines), number
        table = {"names": names, **describe()}
        self._write({"event": "names", "id": number, "kind": kind, "owner": owner, **table})
        return number
