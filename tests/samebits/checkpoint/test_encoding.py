"""Nested state as JSON and back: equal, of the same types, and nothing that would have to be run."""

import json
from collections import Counter, OrderedDict
from typing import Any

import pytest

from samebits import UsageError
from samebits.checkpoint.encoding import decode, encode

VALUES = [
    None,
    True,
    -(2**70),
    0.1,
    float("inf"),
    float("-inf"),
    -0.0,
    5e-324,
    complex(-0.0, 1e-300),
    "text \ud800 ü",
    b"\0\xff",
    [1, [2.5, []]],
    (1, (2, ()), [3]),
    {1, 2, 30},
    frozenset({"a", "b"}),
    {"a": 1, "b": {"c": None}},
    {1: "a", (2, "x"): {None: False}},
    {"$": "tuple", "items": [1]},
    Counter({30: 1, 60: 2}),
    OrderedDict([("z", 1), ("a", 2)]),
]


def nothing_more(path: str, value: Any) -> None:
    return None


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_comes_back_is_what_went_in(value: Any) -> None:
    text = json.dumps(encode(value, "v", {}, nothing_more))
    back = decode(json.loads(text), dict)
    assert (repr(back), type(back)) == (repr(value), type(value))


def test_nan_comes_back() -> None:
    assert str(decode(json.loads(json.dumps(encode([float("nan")], "v", {}, nothing_more))), dict)) == "[nan]"


class Own(dict):
    """A type that would have to be imported."""


@pytest.mark.parametrize("value", [object(), Own(), print, {"a": [1, Own()]}])
def test_anything_else_is_refused_by_its_place(value: Any) -> None:
    place = r"state\.a\.1" if isinstance(value, dict) and value else "state"
    with pytest.raises(UsageError, match=f"{place} is of type .*, which a checkpoint cannot save"):
        encode(value, "state", {}, nothing_more)
