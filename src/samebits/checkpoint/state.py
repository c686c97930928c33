"""What decides how a training continues, as plain state and back: objects, and every global generator.

An object is held by the first `Kind` that takes it. A framework's own kinds (models, its generators) are in
samebits.torch.state and samebits.keras.state; here are those that need none.
"""

import contextlib
import pickle
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from samebits.checkpoint.encoding import TAG, decode, encode
from samebits.errors import SamebitsError, UsageError
from samebits.framework import State
from samebits.hashing.batches import batch_digest
from samebits.hashing.weights import Stored, Tensor, describe_array, stored_array
from samebits.process.code_owner import is_users_file
from samebits.rng import generators
from samebits.rng.isolation import isolated_rng


@dataclass(frozen=True)
class Kind:
    """How objects of a kind give their state and take it back.

    Attributes:
        takes: whether an object is of this kind.
        get: its state, of what `tree.encode` takes; tensors need not be copied.
        put: give the object such a state back.
        differs: what makes the object another one than the one that gave a state, or None. Asked before
            anything is touched or read: the state has a `weights.Stored` for each tensor.
    """

    takes: Callable[[Any], bool]
    get: Callable[[Any], Any]
    put: Callable[[Any, Any], object]
    differs: Callable[[Any, Any], str | None] = lambda target, state: None


class RunState:
    """Values of the user's own that a run's checkpoints hold: `run.state`.

    >>> for epoch in run.epochs(10):
    ...     run.state.seen = 0
    ...     for images, labels in run.batches(loader):
    ...         run.state.seen += len(images)

    Any attribute: None, booleans, numbers, text, tensors, arrays, and lists, tuples, sets and dictionaries of
    these. Anything else is refused when a checkpoint is made. When a run is resumed the attributes are those
    of the checkpoint, whatever was assigned before its loop or at the head of the epoch.
    """


class TrainingState:
    """The objects of a run by name, its own values, and the global generators.

    Raises:
        UsageError: one gives no state, or what it needs is not held, too.
    """

    def __init__(self, objects: Mapping[str, Any], toolkit: State) -> None:
        self.objects = dict(objects)
        self.toolkit = toolkit
        self._copies: dict[str, Any] = {}
        self._kinds = {name: self._kind(name, target) for name, target in objects.items()}
        if missing := toolkit.missing(self.objects):
            raise UsageError(f"run.checkpoint: {missing}")
        toolkit.watch(self.objects)

    def begin_step(self) -> None:
        """To be called before each step of the training."""
        self.toolkit.begin_step(self.objects)

    def remembered(self) -> Iterator[tuple[str, Any]]:
        """Name and state of the objects that remember things of their own: no models, no optimisers."""
        for name, target in self.objects.items():
            known = type(target).__module__.startswith(self.toolkit.KNOWN)
            if not known and not getattr(target, "stateless", False):
                if self._kinds[name] is KINDS[-1]:
                    yield name, target.state_dict()
                elif self._kinds[name] is self.toolkit.REMEMBERING:
                    yield name, self._kinds[name].get(target)["attributes"]
                elif self._kinds[name] is BY_ATTRIBUTES:
                    yield name, _numbers(target)

    def marks(self) -> dict[str, bytes]:
        """By name: what differs later if evaluation has changed an object, or a value of `run.state`."""
        marks: dict[str, bytes] = {}
        for name, target in self.objects.items():
            if isinstance(target, RunState):
                marks |= {f"{name}.{value}": batch_digest(now) for value, now in vars(target).items()}
                continue
            if type(target).__module__.startswith("samebits.") or getattr(target, "stateless", False):
                continue
            kind = self._kinds[name]
            if kind is BY_ATTRIBUTES:
                mark = _numbers(target)
            else:
                mark = kind.get(target) if kind in KINDS[:-1] else self.toolkit.mark(target)
            if mark is not None:
                marks[name] = batch_digest(mark)
        return marks

    def why_not_resumable(self, loader: Any) -> str | None:
        """Why a loader cannot give the training's batches, None when it can."""
        return self.toolkit.why_not_resumable(loader)

    def holds_a_place(self, part: Any) -> bool:
        """Whether something is held by its own `state_dict`, such as a loader: no model, no optimiser."""
        return any(part is target and self._kinds[name] is KINDS[-1] for name, target in self.objects.items())

    def names_in_state(self, name: str) -> frozenset[str]:
        """The names in the `state_dict` of a held object, without underscores at their ends."""
        if self._kinds.get(name) is not KINDS[-1]:
            return frozenset()
        state = self.objects[name].state_dict()
        return frozenset(str(key).strip("_") for key in state) if isinstance(state, Mapping) else frozenset()

    def order_is_saved(self, loader: Any) -> bool:
        """Whether a loader's order follows from its epoch, or from what is held and the global generators."""
        held = any(target is loader for target in self.objects.values())
        return held or self.toolkit.order_is_saved(loader, self.objects)

    @contextlib.contextmanager
    def unmoved(self) -> Iterator[Callable[[], bool]]:
        """A block that leaves the generators as they were, the global ones and those that are held.

        Returns:
            What tells inside whether one of them is not as it was.
        """
        kinds = tuple(kind for _, row in generators.imported() for kind in row.kinds())
        own = [
            (self._kinds[name], target) for name, target in self.objects.items() if isinstance(target, kinds)
        ]

        def states() -> list[Any]:
            return [kind.get(target) for kind, target in own]

        def all_states() -> bytes:
            return pickle.dumps([states(), [row.state() for _, row in generators.imported()]])

        kept = states()
        try:
            with isolated_rng():
                before = all_states()
                yield lambda: all_states() != before
        finally:
            for (kind, target), state in zip(own, kept, strict=True):
                kind.put(target, state)

    def capture(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The state now as JSON and as tensors, which are copies: the training may continue at once.

        The copies are overwritten by the next call.

        Raises:
            UsageError: something in the state cannot be stored.
        """
        tensors: dict[str, Tensor] = {}
        leaf = _leaf(self.toolkit.snapshot(self._copies))
        objects = {
            name: {
                "class": _class(target),
                "state": encode(self._kinds[name].get(target), name, tensors, leaf),
            }
            for name, target in self.objects.items()
        }
        now = {module: row.state() for module, row in generators.imported()}
        return {"objects": objects, "generators": encode(now, "generators", tensors, leaf)}, tensors

    def encode(
        self, value: Any, path: str, tensors: dict[str, Tensor], copies: dict[str, Any] | None = None
    ) -> Any:
        """A value that no object's state has, as JSON; its tensors are copied and put into `tensors`.

        Args:
            value: as `encoding.encode` takes it.
            path: the name of its tensors; of no object's state.
            tensors: is added to.
            copies: where former copies are found and new ones put; None: with those of `capture`.

        Raises:
            UsageError: something in it cannot be stored.
        """
        snapshot = self.toolkit.snapshot(self._copies if copies is None else copies)
        return encode(value, path, tensors, _leaf(snapshot))

    def decode(self, node: Any, tensors: Mapping[str, Stored]) -> Any:
        """The value that `encode` wrote.

        Raises:
            UsageError: it is nothing that `encode` writes.
        """
        return self._decode(node, tensors)

    def check(self, state: Mapping[str, Any], tensors: Mapping[str, Stored]) -> None:
        """Compare what is held with what a checkpoint holds; nothing is touched.

        Raises:
            UsageError: naming the first that is another.
        """
        there = state["objects"]
        if missing := sorted(set(there) ^ set(self.objects)):
            where = "run.checkpoint" if missing[0] in self.objects else "the checkpoint"
            raise UsageError(f"only {where} has {missing[0]!r}: it must have what the checkpoint has")
        for name, target in self.objects.items():
            if _class(target) != there[name]["class"]:
                raise UsageError(f"{name} is a {_class(target)}, and was a {there[name]['class']}")
            was = self._decode(there[name]["state"], tensors, read=False)
            with taken_from_a_file(name):
                differs = self._kinds[name].differs(target, was)
            if differs:
                raise UsageError(f"{name} has changed: {differs}")

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Stored]) -> None:
        """Give every object and every generator its state back, and look whether they took it.

        Raises:
            UsageError: an object is now not as it was: its way of taking a state leaves something out.
        """
        for name, target in self.objects.items():
            was = self._decode(state["objects"][name]["state"], tensors)
            with taken_from_a_file(name):
                self._kinds[name].put(target, was)
        self.restore_generators(state, tensors)
        now, copies = self.capture()
        for name in self.objects:
            if (path := _first_difference(state["objects"][name], now["objects"][name], name)) is not None:
                raise UsageError(f"{path} was not restored: {_class(self.objects[name])} does not restore it")
        for name, tensor in copies.items():
            if name.partition(".")[0] != "generators" and tensors[name].read() != tensor.read():
                raise UsageError(f"{name} was not restored bit by bit: its object restores other values")

    def restore_generators(self, state: Mapping[str, Any], tensors: Mapping[str, Stored]) -> None:
        """Put back the global generators of Python, NumPy and the framework on every device."""
        states = self._decode(state["generators"], tensors)
        with taken_from_a_file("the generators"):
            for module, row in generators.imported():
                if module in states:
                    row.put(states[module])

    def _kind(self, name: str, target: Any) -> Kind:
        if name != VALUES and (name == "generators" or not name.isidentifier()):
            raise UsageError(f"run.checkpoint takes no object called {name!r}: give it another name")
        for kind in (*self.toolkit.KINDS, *KINDS, BY_ATTRIBUTES):
            if kind.takes(target):
                return kind
        raise UsageError(
            f"run.checkpoint cannot save {name}, a {_class(target)}: it has no state_dict and load_state_dict"
            ", and is no object of a class of your own"
        )

    def _decode(self, node: Any, tensors: Mapping[str, Stored], read: bool = True) -> Any:
        def make(node: dict[str, Any]) -> Any:
            stored = tensors[node["tensor"]]
            if not read:
                return stored
            if node[TAG] == "array":
                array = stored_array(node["tensor"], stored)
                return array[()] if node["scalar"] else array
            return self.toolkit.make_tensor(node, stored)

        with taken_from_a_file("a value"):
            return decode(node, make)


@contextlib.contextmanager
def taken_from_a_file(what: str) -> Iterator[None]:
    """What is made of a state inside is out of a file, and anybody may have written that.

    Raises:
        UsageError: it could not be made. The line says where, as the fault can be in an object's own
            `load_state_dict`.
    """
    try:
        yield
    except SamebitsError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise UsageError(
            f"the checkpoint's state of {what} cannot be restored ({type(error).__name__}: {error}; "
            f"{place.filename}:{place.lineno}): `--resume never` starts from the beginning"
        ) from error


def _leaf(snapshot: Any) -> Any:
    def leaf(path: str, value: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
            scalar = isinstance(value, numpy.generic)
            return {TAG: "array", "scalar": scalar}, *describe_array(path, numpy.array(value))
        return snapshot(path, value)

    return leaf


def _class(target: Any) -> str:
    kind = type(target)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("__main__.").removeprefix("builtins.")


def _first_difference(before: Any, now: Any, path: str) -> str | None:
    """The place of the first difference between two values of JSON, None when they are equal."""
    if type(before) is not type(now):
        return path
    if isinstance(before, dict):
        pairs = [(f"{path}.{key}", before.get(key), now.get(key)) for key in {**before, **now}]
    elif isinstance(before, list) and len(before) == len(now):
        pairs = [(f"{path}.{index}", *pair) for index, pair in enumerate(zip(before, now, strict=True))]
    else:
        return None if before == now else path
    return next((difference for at, a, b in pairs if (difference := _first_difference(a, b, at))), None)


def _is_numpys(name: str) -> Callable[[Any], bool]:
    def takes(target: Any) -> bool:
        numpy = sys.modules.get("numpy.random")
        return numpy is not None and isinstance(target, getattr(numpy, name))

    return takes


def _put_values(target: RunState, values: dict[str, Any]) -> None:
    vars(target).clear()
    vars(target).update(values)


def _put_numpy(target: Any, state: Any) -> None:
    target.bit_generator.state = state


VALUES = "run.state"  # its name among the objects
KINDS = (
    Kind(lambda target: isinstance(target, RunState), lambda target: dict(vars(target)), _put_values),
    Kind(
        lambda target: isinstance(target, random.Random), lambda h: h.getstate(), lambda h, s: h.setstate(s)
    ),
    Kind(_is_numpys("Generator"), lambda target: target.bit_generator.state, _put_numpy),
    Kind(
        _is_numpys("RandomState"),
        lambda target: target.get_state(legacy=False),
        lambda target, state: target.set_state(state),
    ),
    Kind(
        lambda target: callable(getattr(target, "state_dict", None)) and hasattr(target, "load_state_dict"),
        lambda target: target.state_dict(),
        lambda target, state: target.load_state_dict(state),
    ),
)


def _numbers(target: Any) -> dict[str, Any]:
    """The numbers that an object of the user's remembers."""
    attributes = getattr(target, "__dict__", {})
    return {name: value for name, value in attributes.items() if type(value) in (bool, int, float)}


def _is_users_object(target: Any) -> bool:
    kind = type(target)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    ours = kind.__module__ == "__main__" or is_users_file(file)
    return ours and not isinstance(target, type | Iterator | Exception)


# Objects of the user's without a `state_dict`: what they remember is saved with all held objects' attributes.
BY_ATTRIBUTES = Kind(_is_users_object, lambda target: {}, lambda target, state: None)
