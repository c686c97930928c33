"""The attributes of held objects, and of what is in them: where each is, by a name for every process."""

import enum
import functools
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from samebits.framework import Unsaved
from samebits.unsaved import source
from samebits.unsaved.values import MISSING

DEEP = 12  # objects in objects
WIDE = 64  # objects of a list or a dictionary: a longer one is data
SPECIAL = types.FunctionType | types.MethodType | types.ModuleType | type | enum.Enum | BaseException


@dataclass(frozen=True)
class Attribute:
    """One of an object.

    Attributes:
        path: its name: that of the held object, and how it is reached from there.
        owner: the object that has it.
        name: what the object calls it.
        value: what it is now.
        around: the paths of its owner and of the objects around that.
        known: its owner is the framework's, and it is one that the user's code sets.
    """

    path: str
    owner: Any
    name: str
    value: Any
    around: tuple[str, ...]
    known: bool


class Attributes:
    """Those of some objects, as they are now.

    Args:
        toolkit: the framework's part.
        objects: by name.

    Attributes:
        all: the attributes, by path.
        owners: the objects that may have some, by path.
    """

    def __init__(self, toolkit: Unsaved, objects: Mapping[str, Any]) -> None:
        self.all: dict[str, Attribute] = {}
        self.owners: dict[str, Any] = {}
        self._toolkit = toolkit
        self._set = source.set_attributes()
        self._seen = {id(target): target for target in objects.values()}
        for name, target in objects.items():
            if self._is_owner(target):
                self._owner(name, target, ())

    def _is_owner(self, value: Any) -> bool:
        keeps = self._toolkit.keeps(value)
        if keeps is not None:
            return keeps
        if type(value).__module__.startswith(self._toolkit.KNOWN):  # wherever it is installed
            return False
        return source.is_users_class(type(value)) and not isinstance(value, SPECIAL | Iterator)

    def _owner(self, path: str, owner: Any, around: tuple[str, ...]) -> None:
        self.owners[path] = owner
        around = (*around, path)
        known = type(owner).__module__.startswith(self._toolkit.KNOWN)
        for part, value in self._parts(owner):
            name = part.removeprefix(".")
            if part.startswith(".") and has(owner, name) and not _is_cached(type(owner), name):
                self.all[path + part] = Attribute(path + part, owner, name, value, around, known)
            self._inside(path + part, value, around)

    def _inside(self, path: str, value: Any, around: tuple[str, ...]) -> None:
        """The objects that a value is, or has in it."""
        if type(value) in (list, tuple):
            for number, item in enumerate(value if len(value) <= WIDE else ()):
                self._inside(f"{path}[{number}]", item, around)
        elif type(value) is dict:
            for key, item in value.items() if len(value) <= WIDE else ():
                self._inside(f"{path}[{key!r}]", item, around)
        elif id(value) not in self._seen and len(around) < DEEP and self._is_owner(value):
            self._seen[id(value)] = value
            self._owner(path, value, around)

    def _parts(self, owner: Any) -> list[tuple[str, Any]]:
        known = type(owner).__module__.startswith(self._toolkit.KNOWN)
        names = self._set
        if not known and not source.is_users_class(type(owner)):  # of a package of which nothing is known
            names = frozenset(name for name, _ in attributes_of(owner))
        parts = self._toolkit.parts(owner, True, names)
        if parts is not None:
            return [(part, value) for part, value, of_whole in parts if not of_whole and " " not in part]
        return [
            (f".{name}", value)
            for name, value in attributes_of(owner)
            if name in names or not (known or name.startswith("_")) or self._is_owner(value)
        ]


def has(owner: Any, name: str) -> bool:
    """Whether an object has an attribute of its own: no module's child, no property."""
    return name in (getattr(owner, "__dict__", None) or {}) or any(
        name in _slots(k) for k in type(owner).__mro__
    )


def put(owner: Any, name: str, value: Any) -> None:
    """Give an object another attribute, or take it away, without the object's own code where that can be."""
    table = getattr(owner, "__dict__", None)
    if value is not MISSING and table is not None and (name in table or not hasattr(type(owner), name)):
        table[name] = value
    elif value is not MISSING:
        setattr(owner, name, value)
    elif table is not None:
        table.pop(name, None)
    elif hasattr(owner, name):
        delattr(owner, name)


def attributes_of(value: Any) -> list[tuple[str, Any]]:
    """An object's own attributes, without asking its class's properties and `__getattr__`."""
    attributes = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        for name in _slots(kind):
            try:
                attributes.setdefault(name, vars(kind)[name].__get__(value))
            except (AttributeError, KeyError):
                continue
    return [(name, attribute) for name, attribute in attributes.items() if not _is_cached(type(value), name)]


def _is_cached(kind: type, name: str) -> bool:
    """Whether it is a `cached_property`, which is computed anew where it is missing."""
    return any(type(vars(base).get(name)) is functools.cached_property for base in kind.__mro__)


def _slots(kind: type) -> tuple[str, ...]:
    if not source.is_users_class(kind):
        return ()
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
