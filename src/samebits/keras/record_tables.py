"""The names of tensors, which a record holds once: digests follow in the order of such a table."""

from collections.abc import Callable, Sequence
from typing import Any

Write = Callable[[dict[str, Any]], None]


class Tables:
    """The `names` lines of a record, each written before the first string that follows it.

    Args:
        write: writes a line.
        outline: what tells one tensor's shape and type from another's, fast; it is compared.
        described: a tensor's shape, and its type of numbers in words.
    """

    def __init__(
        self,
        write: Write,
        outline: Callable[[Any], Any],
        described: Callable[[Any], tuple[list[int], str]],
    ) -> None:
        self._write, self._outline, self._described = write, outline, described
        self._number = 0
        self._last: dict[tuple[str, Any], tuple[Any, int]] = {}

    def number(self, kind: str, of: Any, owner: str, names: Sequence[str], values: Sequence[Any]) -> int:
        """The number of a table of names, which is written if it is another one than before.

        Args:
            kind: "parameters", "buffers" or "state".
            of: whose they are.
            owner: the class of that.
            names: one for each value.
            values: tensors, or other parts of a state.
        """
        content = (list(names), [self._outline(value) for value in values])
        known = self._last.get((kind, of))
        if known is not None and known[0] == content:
            return known[1]
        number, self._number = self._number, self._number + 1
        self._last[kind, of] = (content, number)
        described = [self._described(value) for value in values]
        table = {
            "names": list(names),
            "shapes": [each[0] for each in described],
            "dtypes": [each[1] for each in described],
        }
        self._write({"event": "names", "id": number, "kind": kind, "owner": owner, **table})
        return number
