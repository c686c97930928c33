"""Sorting by `id()`, or by the `hash()` of objects: below `samebits watch`, where each line is looked at."""

import ast
import functools
from types import FrameType

from samebits.chance import calls
from samebits.chance.never_fails import never_fails
from samebits.chance.order import Used
from samebits.chance.records import RECORDS, Source
from samebits.chance.sets import by_address
from samebits_lint.module import argument, attribute

KEYS = "keys"  # of a dictionary: `{id(layer): layer for layer in layers}`
ORDER = "an order by {}(), which is an address"
FIX = "sort by something of their own, such as a name or a number"


@functools.lru_cache(256)
def sorts(file: str) -> dict[int, list[tuple[str, ast.expr]]]:
    """By line, what a file sorts by `id` or `hash`, where that decides: which, and what is sorted."""
    places: dict[int, list[tuple[str, ast.expr]]] = {}
    module = calls.module(file)
    for call in module.calls if module is not None else ():
        key = argument(call, "key")
        function = key.body.func if isinstance(key, ast.Lambda) and isinstance(key.body, ast.Call) else key
        by = function.id if isinstance(function, ast.Name) else KEYS if key is None else ""
        if by not in ("id", "hash", KEYS) or module is None:
            continue
        if attribute(call) == "sorted" and call.args and Used(module).matters(call, sequence=True):
            places.setdefault(call.lineno, []).append((by, call.args[0]))
        elif by != KEYS and attribute(call) == "sort" and isinstance(call.func, ast.Attribute):
            places.setdefault(call.lineno, []).append((by, call.func.value))
    return places


@never_fails
def look_at_line(frame: FrameType) -> None:
    """A line of the user's begins: count the sorts by an address."""
    file = frame.f_code.co_filename
    for by, node in sorts(file).get(frame.f_lineno, ()):
        members = calls.value_of(node, frame)
        known = type(members) in (list, tuple, set, frozenset, dict)
        if by == KEYS:
            if type(members) is dict and members and all(key == id(value) for key, value in members.items()):
                RECORDS.add(Source("address", ORDER.format("id"), file, frame.f_lineno, "", FIX))
        elif by == "id" or (known and any(map(by_address, members))):
            RECORDS.add(Source("address", ORDER.format(by), file, frame.f_lineno, "", FIX))
