"""Nested state as plain JSON and named tensors, and back. Only data is made of it: reading runs no code."""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from samebits.errors import UsageError
from samebits.hashing.weights import Tensor

TAG = "$"  # an object with this key stands for what JSON has no notation for
ORDERED: dict[str, Callable[[Iterable[Any]], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
MAPPINGS: dict[str, Callable[[Any], Any]] = {
    "dict": dict,
    "Counter": lambda pairs: Counter(dict(pairs)),
    "OrderedDict": OrderedDict,
}

Leaf = Callable[[str, Any], "tuple[dict[str, Any], str, Tensor] | None"]
Make = Callable[[dict[str, Any]], Any]


def encode(value: Any, path: str, tensors: dict[str, Tensor], leaf: Leaf) -> Any:
    """A value as JSON; its tensors are put into `tensors`, by their path in the value.

    Args:
        value: None, booleans, numbers, text, bytes, and lists, tuples, sets and dictionaries of these.
        path: where the value stands, such as "optimizer".
        tensors: is added to.
        leaf: asked about everything else: returns an object that tells `decode` what it is, and the tensor
            that goes with it under its name; None when it does not know it either.

    Raises:
        UsageError: naming the place of what cannot be stored.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {TAG: "float", "value": repr(value)}
    if kind is complex:
        return {TAG: "complex", "value": [value.real.hex(), value.imag.hex()]}
    if kind is bytes:
        return {TAG: "bytes", "hex": value.hex()}
    if kind is list:
        return [encode(item, f"{path}.{index}", tensors, leaf) for index, item in enumerate(value)]
    if kind in (set, frozenset):
        value = sorted(value, key=repr)  # sets have an order of their own in each process
    if kind.__name__ in ORDERED and kind in (tuple, set, frozenset):
        return {TAG: kind.__name__, "items": encode(list(value), path, tensors, leaf)}
    if kind in (dict, Counter, OrderedDict):
        plain = kind is dict and all(type(key) is str and key != TAG for key in value)
        items = {key: encode(item, f"{path}.{key}", tensors, leaf) for key, item in value.items()}
        if plain:
            return items
        keys = [encode(key, f"{path} (a key)", tensors, leaf) for key in value]
        return {TAG: kind.__name__, "items": [list(pair) for pair in zip(keys, items.values(), strict=True)]}
    if (encoded := leaf(path, value)) is None:
        raise UsageError(
            f"{path} is of type {kind.__module__}.{kind.__qualname__}, which a checkpoint cannot save: only "
            "numbers, text, tensors, and lists and dictionaries of these"
        )
    node, name, tensor = encoded
    if name in tensors:
        raise UsageError(f"two tensors of the state have one name, {name!r}: rename a key")
    tensors[name] = tensor
    return {**node, "tensor": name}


def decode(node: Any, make: Make) -> Any:
    """The value that `encode` made `node` of.

    Args:
        node: JSON.
        make: gets the objects that `leaf` returned, and gives what they stand for.

    Raises:
        ValueError: it is nothing that `encode` writes.
    """
    if isinstance(node, list):
        return [decode(item, make) for item in node]
    if not isinstance(node, Mapping):
        return node
    kind = node.get(TAG)
    if kind is None:
        return {key: decode(item, make) for key, item in node.items()}
    if kind == "float":
        return float(node["value"])
    if kind == "complex":
        return complex(*map(float.fromhex, node["value"]))
    if kind == "bytes":
        return bytes.fromhex(node["hex"])
    if kind in ORDERED:
        return ORDERED[kind](decode(item, make) for item in node["items"])
    if kind in MAPPINGS:
        return MAPPINGS[kind]([(decode(key, make), decode(item, make)) for key, item in node["items"]])
    return make(dict(node))
