"""Numbers, tensors, and lists, dictionaries, deques, tuples of these: compared, written, put back in place.

An object that was there from the beginning gets its values back in place, as another object may share it. One
that the training has put in its place is made anew, and only there.
"""

import collections
import hashlib
import importlib
import itertools
import marshal
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from samebits.checkpoint.state import TrainingState
from samebits.framework import Unsaved
from samebits.hashing.weights import Stored, Tensor

NUMBERS = (bool, int, float, complex, type(None))
KEYS = (bool, int, float, str, type(None))
MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
CONTAINERS = {kind.__name__: kind for kind in (list, tuple, collections.deque, *MAPPINGS)}
MANY = 1 << 22  # numbers of a container: a longer one is data
FLOATS = 256  # numbers of a list that are written as an array
SOME = 1 << 12  # items of a container of containers and tensors
DEEP = 6  # containers in containers
WHOLE = 1 << 24  # bytes of an array that are compared; of a larger one the ends
END = 1 << 16
FIRST = 32  # items of something that cannot be saved: whether it changes is all that is asked
MISSING: Any = object()  # an attribute that an object does not have


class NotNumbers(Exception):  # noqa: N818 - an answer, not a fault
    """A value that is, or has in it, something else than numbers and tensors."""


class Values:
    """What is done with values.

    Args:
        toolkit: the framework's part.
        state: which writes and reads numbers and tensors.
    """

    def __init__(self, toolkit: Unsaved, state: TrainingState) -> None:
        self._toolkit, self._state = toolkit, state
        self.saved: Mapping[int, Any] = {}  # tensors of held models and optimisers

    # ------------------------------------------------------------ comparing

    def content(self, value: Any) -> str:
        """A digest that is the same in every process.

        Raises:
            NotNumbers: it is something else.
        """
        return hashlib.sha256(repr(self._tokens(value, False, 0)).encode()).hexdigest()

    def now(self, value: Any) -> str:
        """A digest for this process only, which also follows what `content` does not read of a large tensor.

        Raises:
            NotNumbers: as `content`.
        """
        return hashlib.sha256(repr(self._tokens(value, True, 0)).encode()).hexdigest()

    def _tokens(self, value: Any, here: bool, depth: int) -> Any:
        kind = type(value)
        if value is MISSING:
            return "absent"
        if kind in NUMBERS:
            return kind.__name__, repr(value)
        if kind in CONTAINERS.values():
            if len(value) > MANY or depth == DEEP:
                raise NotNumbers
            if kind in MAPPINGS and not all(type(key) in KEYS for key in value):
                raise NotNumbers
            items = list(value.items()) if kind in MAPPINGS else list(value)
            if _all_numbers(value):
                return kind.__name__, hashlib.sha256(marshal.dumps(items, 2)).hexdigest()
            if len(items) > SOME:
                raise NotNumbers
            if kind in MAPPINGS:
                items = [(repr(key), self._tokens(item, here, depth + 1)) for key, item in items]
            else:
                items = [self._tokens(item, here, depth + 1) for item in items]
            return kind.__name__, items
        return self._tensor(value, here)

    def _tensor(self, value: Any, here: bool) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic):
            return type(value).__name__, value.tobytes().hex()
        if numpy is not None and type(value) is numpy.ndarray:
            if value.dtype.hasobject:
                raise NotNumbers
            return (str(value.dtype), value.shape, _of_array(value), *([id(value)] if here else []))
        leaf = self._toolkit.leaf(value, self.saved)
        if leaf is not None and not leaf[0]:
            raise NotNumbers  # it is held elsewhere, and must stay the same object
        content = self._toolkit.content(value)
        if leaf is None or content is None:
            raise NotNumbers
        return (content, leaf, id(value)) if here else content

    def is_held(self, value: Any) -> bool:
        """Whether a tensor is one of a held model or optimiser, or shares its memory."""
        leaf = self._toolkit.leaf(value, self.saved)
        return leaf is not None and not leaf[0]

    # ------------------------------------------------------------ writing

    def fits(self, value: Any, before: Mapping[str, Callable[[Any], bool]]) -> bool:
        """Whether `encode` can write a value that has a digest: a new defaultdict has an unknown function."""
        return all(
            type(part) is not collections.defaultdict or (place in before and before[place](part))
            for place, part in _parts(value, "")
        )

    def same(self, value: Any) -> dict[str, Callable[[Any], bool]]:
        """By place inside a value: whether a later object is the one that is there now."""
        return {place: _identity(part) for place, part in _parts(value, "")}

    def encode(
        self,
        value: Any,
        path: str,
        before: Mapping[str, Callable[[Any], bool]],
        tensors: dict[str, Tensor],
        numbers: dict[int, tuple[int, Any]],
        copies: dict[str, Any] | None = None,
    ) -> Any:
        """A value as JSON; its tensors are put into `tensors`.

        Args:
            value: of numbers and tensors.
            path: the name of its tensors.
            before: what `same` said when the run began.
            tensors: is added to.
            numbers: of the objects that were written already, by identity; is added to.
            copies: as `TrainingState.encode`.

        Raises:
            UsageError: it has a tensor of a kind that cannot be stored.
        """

        def node(value: Any, place: str) -> Any:
            kind = type(value)
            if value is MISSING:
                return {"absent": True}
            if kind in NUMBERS:
                return {"value": self._state.encode(value, path + place, tensors, copies)}
            if id(value) in numbers:
                return {"again": numbers[id(value)][0]}
            is_container = kind in CONTAINERS.values()
            same = place in before and before[place](value)
            numbers[id(value)] = (len(numbers), value)
            if not is_container:
                return {"value": self._state.encode(value, path + place, tensors, copies), "same": same}
            table = {"kind": kind.__name__, "same": same, "maxlen": getattr(value, "maxlen", None)}
            if kind not in MAPPINGS and len(value) >= FLOATS and all(type(item) is float for item in value):
                array = importlib.import_module("numpy").array(value, "float64")
                return table | {"floats": self._state.encode(array, path + place, tensors, copies)}
            if _all_numbers(value):
                pairs = [list(pair) for pair in value.items()] if kind in MAPPINGS else list(value)
                return table | {"plain": self._state.encode(pairs, path + place, tensors, copies)}
            items = value.items() if kind in MAPPINGS else enumerate(value)
            return table | {
                "items": [
                    [self._state.encode(key, path, tensors), node(item, f"{place}[{key!r}]")]
                    for key, item in items
                ]
            }

        return node(value, "")

    # ------------------------------------------------------------ putting back

    def put(self, node: Any, current: Any, tensors: Mapping[str, Stored], made: list[Any]) -> Any:
        """The value that `encode` wrote, in the object that is there, where it was there all the time.

        Args:
            node: JSON.
            current: what is there now.
            tensors: the checkpoint's.
            made: the objects so far, as the JSON numbers them; is added to.
        """
        if "absent" in node:
            return MISSING
        if "again" in node:
            return made[node["again"]]
        if "kind" not in node:
            value = self._state.decode(node["value"], tensors)
            if "same" not in node:
                return value
            if node["same"] and self._fill(current, value):
                value = current
            made.append(value)
            return value
        kind = CONTAINERS[node["kind"]]
        fits = type(current) is kind
        place = len(made)
        made.append(None)
        if "plain" in node:
            items = self._state.decode(node["plain"], tensors)
        elif "floats" in node:
            items = self._state.decode(node["floats"], tensors).tolist()
        else:
            items = []
            for name, inner in node["items"]:
                key = self._state.decode(name, tensors)
                value = self.put(inner, _item(current, key) if fits else MISSING, tensors, made)
                items.append([key, value] if kind in MAPPINGS else value)
        made[place] = target = _filled(
            kind, current if fits and node["same"] else None, items, node["maxlen"]
        )
        return target

    def _fill(self, current: Any, value: Any) -> bool:
        numpy = sys.modules.get("numpy")
        if numpy is not None and type(value) is numpy.ndarray:
            fits = type(current) is numpy.ndarray and current.flags.writeable
            if not (fits and (current.shape, current.dtype) == (value.shape, value.dtype)):
                return False
            current[...] = value
            return True
        return current is not MISSING and self._toolkit.put(current, value)


def which(value: Any) -> Any:
    """What tells a value that is neither number nor tensor from another one, without a look at all of it."""
    if type(value) in (str, bytes):
        return value
    if type(value) in CONTAINERS.values():
        ends = list(itertools.islice(value.items() if isinstance(value, dict) else value, FIRST))
        return len(value), [
            which(part) for pair in ends for part in (pair if type(pair) is tuple else [pair])
        ]
    return type(value).__name__, id(value)


def in_words(value: Any) -> str:
    """A value in a few words, for a line."""
    if value is MISSING:
        return "absent"
    if hasattr(value, "shape") and hasattr(value, "dtype") and len(value.shape):
        return f"{str(value.dtype).rpartition('.')[2]} {list(value.shape)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def has_only_numbers(value: Any) -> bool:
    """Whether a value is no container of something else than numbers."""
    return type(value) not in CONTAINERS.values() or _all_numbers(value)


def _all_numbers(values: Any) -> bool:
    items = values.values() if isinstance(values, dict) else values
    return all(type(item) in NUMBERS for item in items)


def _of_array(array: Any) -> str:
    if array.nbytes <= WHOLE:
        return hashlib.sha256(array.tobytes()).hexdigest()
    flat = array.reshape(-1) if array.flags.c_contiguous else array.flat
    return hashlib.sha256(flat[:END].tobytes() + flat[-END:].tobytes()).hexdigest()


def _parts(value: Any, place: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """What of a value has an identity: itself, and what is in it."""
    if type(value) in NUMBERS or value is MISSING:
        return
    yield place, value
    if type(value) in CONTAINERS.values() and depth < DEEP and not _all_numbers(value):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parts(item, f"{place}[{key!r}]", depth + 1)


def _identity(value: Any) -> Callable[[Any], bool]:
    """What tells whether an object is this one; a tensor is not kept alive for it."""
    if type(value).__weakrefoffset__:
        reference = weakref.ref(value)
        return lambda other: reference() is other
    number = id(value)
    return lambda other: id(other) == number


def _item(values: Any, key: Any) -> Any:
    try:
        return values[key]
    except (KeyError, IndexError, TypeError):
        return MISSING


def _filled(kind: Any, current: Any, items: list[Any], maxlen: int | None) -> Any:
    if kind is tuple:
        return tuple(items)
    target = current
    if target is None:
        target = kind(maxlen=maxlen) if kind is collections.deque else kind()
    target.clear()
    if kind in MAPPINGS:
        target.update(dict(items))
    else:
        target.extend(items)
    return target
