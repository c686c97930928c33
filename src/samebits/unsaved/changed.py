"""Which attributes of held objects have changed since their object was held, and whether all can be saved."""

import re
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from samebits._printable import printable
from samebits.checkpoint.state import TrainingState
from samebits.errors import SamebitsError
from samebits.framework import Unsaved
from samebits.unsaved import source
from samebits.unsaved.attributes import Attribute, Attributes
from samebits.unsaved.frames import local_names, users_frames
from samebits.unsaved.report import matching, only_shown
from samebits.unsaved.values import MISSING, NotNumbers, Values, has_only_numbers, in_words, which

MONTH = 30 * 86_400.0  # seconds


@dataclass(frozen=True)
class Held:
    """An attribute when its object was held.

    Attributes:
        now: its digest in this process; of what is neither number nor tensor, which object it is.
        content: its digest for every process; None: it is neither number nor tensor.
        words: the value, for a line.
        same: by place in the value, what tells whether an object is the one that was there.
        clock: it is the time.
    """

    now: Any
    content: str | None
    words: str
    same: Mapping[str, Callable[[Any], bool]]
    clock: bool = False


@dataclass(frozen=True)
class Changes:
    """What one look has found.

    Attributes:
        saved: what has changed and a checkpoint holds, by path.
        left: numbers and tensors that have changed; something beside them, too, that cannot be saved.
        places: all that a checkpoint holds if it changes, as its object's identity and its name.
    """

    saved: dict[str, Attribute]
    left: list[Attribute]
    places: set[tuple[int, str]]


class Changed:
    """Which attributes of held objects have changed since they were held.

    All of an object, and of the objects in it, are numbers and tensors, or none of them is taken: a flag that
    says that a plan is made must not come back without the plan.

    Args:
        toolkit: the framework's part.
        state: the held objects.
        ignored: names that are left out; may grow.
    """

    def __init__(self, toolkit: Unsaved, state: TrainingState, ignored: Collection[str]) -> None:
        self._toolkit, self._state, self._ignored = toolkit, state, ignored
        self._values = Values(toolkit, state)
        self._objects: dict[str, Any] = {}
        self._loaders: set[str] = set()
        self._different: set[str] = set()  # owners that were not the first process's at first
        self._owners: dict[str, int] = {}  # identities, by path
        self._held: dict[str, Held] = {}
        self._in_states: dict[
            str, frozenset[str]
        ] = {}  # what an object's own state has, by the object's name
        self._aliases: dict[str, str] = {}  # what the user's variables call an owner, by its path
        self._clocks: frozenset[str] = frozenset()
        self._shown: dict[tuple[type, str], bool] = {}
        self._broken = False
        self.hold({name: target for name, target in state.objects.items() if name.isidentifier()})

    def hold(self, objects: Mapping[str, Any], loaders: bool = False) -> None:
        """Note what the attributes of these objects are now.

        Args:
            objects: by name.
            loaders: they give batches: containers of tensors in them are data, such as a cache.
        """
        held = {id(target) for target in self._objects.values()}
        new = {name: target for name, target in objects.items() if id(target) not in held}
        self._objects |= new
        self._loaders |= set(new) if loaders else set()
        self._tried(lambda: self._hold(new), None)

    def _hold(self, objects: Mapping[str, Any]) -> None:
        self._clocks = source.clock_attributes()
        attributes = self._look()
        self._in_states |= {name: self._state.names_in_state(name) for name in objects}
        names = local_names(users_frames())
        for path, owner in attributes.owners.items():
            self._owners.setdefault(path, id(owner))
            if id(owner) in names:
                self._aliases.setdefault(path, names[id(owner)])
        for path, attribute in attributes.all.items():
            if attribute.around[0] in objects:
                self._held.setdefault(path, self._as_held(attribute.value))

    def _as_held(self, value: Any) -> Held:
        try:
            content = None if self._values.is_held(value) else self._values.content(value)
            clock = type(value) is float and abs(value - time.time()) < MONTH
            same = self._values.same(value)
            return Held(self._values.now(value), content, in_words(value), same, clock)
        except NotNumbers:
            return Held(which(value), None, in_words(value), {})

    def _look(self) -> Attributes:
        self._values.saved = self._toolkit.saved(self._state.objects)
        return Attributes(self._toolkit, self._objects)

    def _tried(self, what: Callable[[], Any], otherwise: Any) -> Any:
        """Somebody's objects do whatever they do when they are looked at: a training must not end by it."""
        if self._broken:
            return otherwise
        try:
            return what()
        except SamebitsError:
            raise
        except Exception as error:
            self._broken = True
            line = f"no checkpoint has the objects' attributes: {type(error).__name__}: {error}"
            print(f"samebits: {printable(line)}", file=sys.stderr)
            return otherwise

    # ------------------------------------------------------------ what has changed

    def places(self) -> set[tuple[int, str]]:
        """The attributes that checkpoints hold if they change: each as its object's identity and its name."""
        places: set[tuple[int, str]] = self._tried(lambda: self._changes().places, set())
        return places

    def _changes(self) -> Changes:
        attributes = self._look()
        changed: dict[str, Attribute] = {}
        numbers: list[Attribute] = []
        spoilt: set[str] = set()
        for path, attribute in (attributes.all | self._gone(attributes)).items():
            if self._owners.get(attribute.around[-1]) != id(attribute.owner) or self._decides_nothing(
                attribute
            ):
                continue  # a new owner: the attribute that has it has changed, and says so
            if self._values.is_held(attribute.value):
                continue
            held = self._held.get(path) or self._as_held(MISSING)
            try:
                now: Any = self._values.now(attribute.value)
                fits = held.content is not None and self._values.fits(attribute.value, held.same)
                fits &= attribute.around[0] not in self._loaders or has_only_numbers(attribute.value)
            except NotNumbers:
                now, fits = which(attribute.value), False
            if fits:
                numbers.append(attribute)
            if now != held.now and fits:
                changed[path] = attribute
            elif now != held.now and not attribute.known:
                spoilt.update(attribute.around)

        def whole(attribute: Attribute) -> bool:
            return attribute.known or spoilt.isdisjoint(attribute.around)

        return Changes(
            {path: attribute for path, attribute in changed.items() if whole(attribute)},
            [attribute for attribute in changed.values() if not whole(attribute)],
            {(id(attribute.owner), attribute.name) for attribute in numbers if whole(attribute)},
        )

    def _gone(self, attributes: Attributes) -> dict[str, Attribute]:
        """Attributes that were there when their object was held, and are not now."""
        gone = {}
        for path in self._held.keys() - attributes.all.keys():
            owner, _, name = path.rpartition(".")
            if owner in attributes.owners:
                around = (re.split(r"[.\[]", path)[0], owner)
                gone[path] = Attribute(path, attributes.owners[owner], name, MISSING, around, False)
        return gone

    def _is_ignored(self, path: str) -> bool:
        """By its path, or as the user's variables call it, which is the name in a run's lines."""
        owner, _, name = path.rpartition(".")
        return any(
            matching(f"{called}.{name}", self._ignored) for called in (owner, self._aliases.get(owner, owner))
        )

    def _is_left_out(self, path: str) -> bool:
        return path.rpartition(".")[0] in self._different or self._is_ignored(path)

    def _decides_nothing(self, attribute: Attribute) -> bool:
        """Whether it is left out: its object's state has it, it is ignored, a clock, or only shown."""
        root, kind, name = attribute.around[0], type(attribute.owner), attribute.name
        if (kind, name) not in self._shown:
            self._shown[kind, name] = only_shown(kind, name)
        held = self._held.get(attribute.path)
        return (
            (attribute.owner is self._objects[root] and name.strip("_") in self._in_states[root])
            or self._is_left_out(attribute.path)
            or name in self._clocks
            or (held is not None and held.clock)
            or self._shown[kind, name]
        )
