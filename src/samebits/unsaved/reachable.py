"""What a training can reach around a step, less what its checkpoints hold: a cheap digest of each value.

Nothing is called that a user wrote but `state_dict` of what the run holds, which each checkpoint calls, too.
"""

import collections
import datetime
import decimal
import enum
import fractions
import functools
import gc
import inspect
import itertools
import random
import sys
import time
import types
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any

from samebits.checkpoint.state import RunState
from samebits.framework import Unsaved
from samebits.process.code_owner import is_users_file, owner
from samebits.rng import generators
from samebits.unsaved import source
from samebits.unsaved.liveness import live_names

DEPTH = 9
WIDTH = 64  # of a list or a dictionary: from a longer one, the ends
WHOLE = 1 << 20  # bytes: of a larger array, the ends
END = 1 << 12  # bytes of each
TEXT = 80  # characters: of a longer one, its hash
PLAIN = (bool, int, float, complex, str, bytes, type(None))
CLOCKS = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
VALUES = (decimal.Decimal, fractions.Fraction, enum.Enum, PurePath, range, slice)
CONTAINERS = (dict, list, tuple, set, frozenset, collections.deque)
# Packages whose objects show or save what a training does, or run other code; what they keep decides nothing.
_SHOWING = """
    _io abc aim argparse asyncio builtins click clearml codecs comet_ml concurrent contextlib cProfile ctypes
    dataclasses dis gc importlib inspect io IPython ipykernel ipywidgets json logging loguru matplotlib mlflow
    multiprocessing neptune os pathlib PIL plotly posixpath re rich samebits select seaborn selectors shutil
    signal socket subprocess swanlab sys tabulate tempfile tensorboard tensorboardX threading time tqdm typing
    types visdom wandb warnings weakref zipfile
"""
SHOWING = tuple(_SHOWING.split())


@dataclass(frozen=True)
class About:
    """What is known of a value besides its digest.

    Attributes:
        name: as the code writes it.
        kind: of what type it is, in a word.
        parent: the key of the object that has it; None for a variable.
        root: what kind of name it is: "local", "global", "attribute", "class", "closure", "default" …
        base: the last plain name in `name`: what a source file is searched for.
        owner: where it is searched for: a class or the code of a function.
        shown: it only ends in what is printed or logged.
        whole: the outermost of the framework's objects around, such as a model around a layer.
        fixed: what is inside is reported under this name and kind.
    """

    name: str
    kind: str
    parent: str | None
    root: str
    base: str
    owner: Any = None
    shown: bool = False
    whole: "About | None" = None
    fixed: bool = False


class TooLong(Exception):  # noqa: N818 - an answer, not a fault
    """The time for looking is used up."""


@dataclass(frozen=True)
class Training:
    """What is looked at.

    Attributes:
        toolkit: the framework's part.
        objects: what the run holds, by name.
        ours: objects of the run itself, not to be looked at.
        in_libraries: the generators that libraries keep in their modules, each with its name.
    """

    toolkit: Unsaved
    objects: Mapping[str, Any]
    ours: tuple[Any, ...]
    in_libraries: list[tuple[str, Any]] = field(default_factory=list)

    def find_in_libraries(self) -> None:
        """Look through all modules for generators: 50 ms."""
        kinds = tuple(kind for _, row in generators.imported() for kind in row.kinds())
        held = {"samebits", *(name.partition(".")[0] for name in generators.ROWS)}  # checkpoints have theirs
        self.in_libraries[:] = [
            (f"{name}.{attribute}", value)
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] not in held
            for attribute, value in list(getattr(module, "__dict__", {}).items())
            if issubclass(type(value), kinds)  # isinstance asks the value, and a library may warn then
        ]


class Walk:
    """One look at what is alive.

    Args:
        training: what is looked at.
        epoch: the one that runs, which the run itself gives back.
        until: when looking must end, by `time.thread_time`.

    Attributes:
        values: the digests, by a key that is the same in every look.
        about: what is known of each.
    """

    def __init__(self, training: Training, epoch: int, until: float) -> None:
        self.values: dict[str, Any] = {}
        self.about: dict[str, About] = {}
        objects, self._toolkit = training.objects, training.toolkit
        self._objects, self._epoch, self._until = objects, epoch, until
        self._held = {id(one) for one in objects.values()}
        whole = [part for one in objects.values() for part in _saved_whole(one)]
        self._seen: dict[int, Any] = {
            id(one): one for one in (*training.ours, *_global_generators(), *whole, objects)
        }
        self._saved = self._toolkit.saved(objects)
        self._in_libraries = training.in_libraries
        self._set = source.set_attributes()
        self._names: dict[int, str] = {}
        self._count = 0

    # ------------------------------------------------------------ where looking begins

    def run(self, frames: list[FrameType], loader: Any) -> None:
        """Everything: what is held, the loader, the user's frames, the user's modules."""
        names = self._names = _local_names(frames)
        for held, one in self._objects.items():
            name = names.get(id(one), held)
            self._look(About(name, "", None, "local", name, _code(frames)), f"held {held}", one, 0)
        if loader is not None:
            name = names.get(id(loader), "loader")
            self._look(About(name, "", None, "local", name, _code(frames)), "loader", loader, 0)
        shown: dict[int, frozenset[str]] = {}
        for frame in reversed(frames):  # whether what a function returns is only shown, its caller says
            caller = frame.f_back
            only = caller is not None and source.shows_result(caller, shown.get(id(caller)))
            shown[id(frame)] = source.shown_names(frame.f_code, not only)
        for frame in frames:
            if frame.f_code.co_name != "<module>":
                self._frame(frame, shown[id(frame)])
        running = {id(frame.f_globals): frame for frame in frames if frame.f_code.co_name == "<module>"}
        for module in source.users_modules():
            self._module(module, running.get(id(vars(module))))
        for name, generator in self._in_libraries:
            self._look(About(name, "", None, "library", name), name, generator, 0)
        for name, fix in self._toolkit.between_steps().items():
            self._leaf(About(name, "cache", None, "fix", fix), f"framework {name}", self._count)

    def iterators(self, generator: Any, frame: FrameType | None) -> None:
        """What goes through the run's batches: the count of an `enumerate`, the other parts of a `zip`."""
        code = variable = None
        if frame is not None:
            code = frame.f_code
            variable = source.loop_variable(code, frame.f_lineno)
        for around in _around(generator):
            if type(around) is enumerate:
                shown = code is not None and variable in source.shown_names(code)
                name = f"{variable or 'the count'} of enumerate"
                about = About(name, "int", None, "loop", variable or "", code, shown)
                self._leaf(about, "enumerate", around.__reduce__()[1][1])
            else:
                name = type(around).__name__
                self._look(About(f"{name}(…)", "", None, "iterator", variable or "", code), name, around, 0)

    def _frame(self, frame: FrameType, shown: frozenset[str]) -> None:
        live, code = live_names(frame), frame.f_code
        for name, value in list(frame.f_locals.items()):
            if name in live and not name.startswith(".") and not self._is_epoch(code, name, value):
                root = "closure" if name in code.co_freevars else "local"
                about = About(name, "", None, root, name, code, name in shown)
                self._look(about, f"{code.co_qualname}:{name}", value, 0)

    def _module(self, module: types.ModuleType, frame: FrameType | None) -> None:
        live = live_names(frame) if frame is not None else None
        shown = source.shown_names(frame.f_code) if frame is not None else frozenset()
        prefix = "" if module.__name__ in ("__main__", "__mp_main__") else f"{module.__name__}."
        for name, value in list(vars(module).items()):
            if not name.startswith("__") and (live is None or name in live):
                if frame is not None and self._is_epoch(frame.f_code, name, value):
                    continue
                about = About(prefix + name, "", None, "global", name, module.__file__, name in shown)
                self._look(about, f"{module.__name__}.{name}", value, 0)

    def _is_epoch(self, code: CodeType, name: str, value: Any) -> bool:
        """Whether it is the variable of `for epoch in run.epochs(…)`, which the run gives back."""
        return type(value) is int and value == self._epoch and source.is_loop_variable(code, name)

    # ------------------------------------------------------------ from value to value

    def _leaf(self, about: About, key: str, digest: Any) -> None:
        self.values[key] = digest
        self.about[key] = about

    def _look(self, about: About, key: str, value: Any, depth: int) -> None:
        kind = type(value)
        if kind in PLAIN:
            self._leaf(_of_kind(about, kind), key, (kind.__name__, value if _short(value) else hash(value)))
            return
        if id(value) in self._seen or id(value) in self._saved or depth > DEPTH:
            return
        self._seen[id(value)] = value
        self._count += 1
        if self._count % 256 == 0 and time.thread_time() > self._until:
            raise TooLong
        if (leaf := self._toolkit.leaf(value, self._saved)) is not None:
            if leaf[0]:
                self._leaf(_of_kind(about, leaf[0]), key, leaf)
            return
        if (leaf := _leaf(value)) is not None:
            self._leaf(_of_kind(about, leaf[0]), key, leaf)
            return
        if isinstance(value, type):
            self._class(about, key, value, depth)
        elif isinstance(value, types.FunctionType):
            self._function(about, key, value, depth)
        elif isinstance(value, types.MethodType):
            name = self._names.get(id(value.__self__), type(value.__self__).__name__)
            self._look(replace(about, name=name), f"{key}'s self", value.__self__, depth + 1)
            self._look(about, key, value.__func__, depth + 1)
        elif isinstance(value, functools.partial):
            for number, part in enumerate((value.func, value.args, value.keywords)):
                self._look(about, f"{key}({number})", part, depth + 1)
        elif isinstance(value, functools._lru_cache_wrapper):
            self._cache(about, key, value, depth)
        elif isinstance(value, types.GeneratorType):
            self._generator(about, key, value, depth)
        elif isinstance(value, CONTAINERS):
            self._container(about, key, value, depth)
        elif kind.__module__ in ("builtins", "itertools") and hasattr(kind, "__next__"):
            self._iterator(about, key, value, depth)
        else:
            self._object(about, key, value, depth)

    def _single(self, value: Any) -> tuple[str, Any] | None:
        return self._toolkit.leaf(value, self._saved) or _leaf(value)

    def _object(self, about: About, key: str, value: Any, depth: int) -> None:
        kind, held = type(value), id(value) in self._held
        if isinstance(value, types.ModuleType | types.CodeType | types.FrameType | weakref.ref):
            return
        users = source.is_users_class(kind)
        if not users and kind.__module__.partition(".")[0] in SHOWING:
            if kind.__module__.startswith("samebits."):
                self._parts(about, key, value, depth, held)
            return
        if not about.fixed and id(value) in self._names:
            about = replace(about, name=self._names[id(value)])
        if users and not about.shown:
            self._leaf(_of_kind(about, kind), key, kind.__qualname__)
            self._look(
                About(kind.__name__, "", None, "local", kind.__name__), f"{key} class", kind, depth + 1
            )
        if self._parts(about, key, value, depth, held):
            return
        kept = _kept(value) if held else None
        known = kind.__module__.startswith(self._toolkit.KNOWN)
        for name, one in _attributes(value):
            if kept is not None and _is_kept(name, one, kept):
                continue
            if name in self._set or not (name.startswith("_") or known):
                self._attribute(about, key, value, name, one, depth)

    def _parts(self, about: About, key: str, value: Any, depth: int, held: bool) -> bool:
        """One of the framework's own objects: its room says what of it is looked at."""
        parts = self._toolkit.parts(value, held, self._set)
        if parts is None:
            return False
        outer = about.whole or _of_kind(about, type(value))
        for part, one, of_whole in parts:
            if of_whole:
                self._look(replace(outer, parent=None, fixed=True), f"{key}{part}", one, depth)
            elif part.startswith("."):
                self._attribute(replace(about, whole=outer), key, value, part[1:], one, depth)
            else:
                self._look(
                    replace(about, name=about.name + part, parent=key, whole=outer),
                    key + part,
                    one,
                    depth + 1,
                )
        return True

    def _attribute(self, about: About, key: str, owner: Any, name: str, value: Any, depth: int) -> None:
        if isinstance(inspect.getattr_static(type(owner), name, None), functools.cached_property):
            return
        child = replace(
            about,
            name=f"{about.name}.{name}",
            parent=key,
            root="attribute",
            base=name,
            owner=type(owner),
            fixed=False,
        )
        self._look(child, f"{key}.{name}", value, depth + 1)

    def _class(self, about: About, key: str, kind: type, depth: int) -> None:
        if not source.is_users_class(kind) or issubclass(kind, enum.Enum):
            return
        for name, value in list(vars(kind).items()):
            if not name.startswith("__") and not isinstance(value, property | staticmethod | classmethod):
                child = About(f"{about.name}.{name}", "", key, "class", name, kind)
                self._look(child, f"{key}.{name}", value, depth + 1)

    def _function(self, about: About, key: str, function: types.FunctionType, depth: int) -> None:
        code = function.__code__
        if not is_users_file(code.co_filename):  # a wrapper
            if (inner := vars(function).get("__wrapped__")) is not None:
                self._look(about, key, inner, depth + 1)
            return
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            if cell_is_full(cell):
                child = About(name, "", None, "closure", name, code)
                self._look(child, f"{key}<{name}>", cell.cell_contents, depth + 1)
        defaults = function.__defaults__ or ()
        positional = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
        for name, value in (
            *zip(positional, defaults, strict=False),
            *(function.__kwdefaults__ or {}).items(),
        ):
            child = About(name, "", None, "default", name, code)
            self._look(child, f"{key}({name}=)", value, depth + 1)
        for name, value in list(vars(function).items()):
            child = replace(
                about, name=f"{about.name}.{name}", parent=key, root="attribute", base=name, owner=code
            )
            self._look(child, f"{key}.{name}", value, depth + 1)

    def _cache(self, about: About, key: str, cache: Any, depth: int) -> None:
        inner = cache.__wrapped__
        code = getattr(inner, "__code__", None)
        if code is None or not is_users_file(code.co_filename):
            return
        name = about.name if about.root in ("global", "local") else inner.__name__
        child = About(name, "lru_cache", None, "cache", inner.__name__, code)
        self._leaf(child, f"{key} cache", cache.cache_info().misses)
        self._look(about, key, inner, depth + 1)

    def _generator(self, about: About, key: str, generator: Any, depth: int) -> None:
        frame = generator.gi_frame
        code = generator.gi_code
        if frame is None or owner(code.co_filename) == "samebits":
            return
        place = (frame.f_lasti, *(one for one in frame.f_locals.values() if type(one) is int))
        self._leaf(_of_kind(about, "iterator"), key, place)
        if is_users_file(code.co_filename):
            live = live_names(frame)
            for name, value in list(frame.f_locals.items()):
                if name in live:
                    child = About(name, "", None, "closure", name, code)
                    self._look(child, f"{key}<{name}>", value, depth + 1)

    def _iterator(self, about: About, key: str, iterator: Any, depth: int) -> None:
        counts: tuple[Any, ...] = ()
        if type(iterator) is itertools.count:
            counts = (repr(iterator),)
        elif type(iterator).__module__ == "builtins" and type(iterator).__name__.endswith("iterator"):
            counts = tuple(one for one in iterator.__reduce__() if type(one) is int)
        if counts:
            self._leaf(_of_kind(about, "iterator"), key, counts)
        for number, part in enumerate(gc.get_referents(iterator)):
            inside = replace(_of_kind(about, "iterator"), fixed=True)
            self._look(inside, f"{key}~{number}", part, depth + 1)

    def _container(self, about: About, key: str, values: Any, depth: int) -> None:
        kind = type(values)
        about = _of_kind(about, kind)
        self._leaf(about, f"{key} length", len(values))
        if isinstance(values, dict):
            items = list(_ends(values.items(), len(values)))
            named = [(f"[{k!r}]" if isinstance(k, str | int) else "[…]", one) for k, one in items]
        else:
            named = [(f"[{number}]", one) for number, one in enumerate(_ends(values, len(values)))]
        if isinstance(values, set | frozenset):
            if all(type(one) in PLAIN for _, one in named):
                self._leaf(about, f"{key} items", hash(frozenset(one for _, one in named)))
            return
        for part, one in named:
            child = about
            if not about.fixed:
                # A number in a dictionary has a name; those in a list, and tensors in both, are the whole's.
                named_one = isinstance(values, dict) and part != "[…]" and type(one) in PLAIN
                inside = type(one) not in PLAIN and self._single(one) is None
                if named_one or inside:
                    child = replace(about, name=about.name + part, parent=key)
                else:
                    child = replace(about, fixed=True)
            self._look(child, key + part, one, depth + 1)


# ------------------------------------------------------------ single values


def _leaf(value: Any) -> tuple[str, Any] | None:
    """Kind and digest of a value in which nothing else is looked at; None for others."""
    if isinstance(value, random.SystemRandom):
        return "system", None  # has no state
    if isinstance(value, random.Random):
        return "generator", hash(value.getstate())
    if isinstance(value, CLOCKS):
        return "clock", value
    if isinstance(value, VALUES):
        return type(value).__name__, repr(value)
    if isinstance(value, bytearray):
        return "bytearray", _bytes(memoryview(value))
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "random"):
        return None
    if isinstance(value, numpy.ndarray):
        return "array", digest_array(value)
    if isinstance(value, numpy.generic):
        return type(value).__name__, value.tobytes()
    if isinstance(value, numpy.random.Generator):
        return "generator", repr(value.bit_generator.state)
    if isinstance(value, numpy.random.RandomState):
        return "generator", hash(repr(value.get_state(legacy=False)))
    if isinstance(value, numpy.random.BitGenerator):
        return "generator", repr(value.state)
    return None


def digest_array(array: Any) -> tuple[Any, ...]:
    """A digest of a NumPy array: of all of it up to 1 MB, of the ends of a larger one."""
    if array.dtype.hasobject:
        return array.shape, str(array.dtype)
    if array.nbytes <= WHOLE:
        return array.shape, str(array.dtype), hash(array.tobytes())
    if not array.flags.c_contiguous:
        flat = array.flat
        return array.shape, str(array.dtype), hash(flat[:64].tobytes()), hash(flat[-64:].tobytes())
    return array.shape, str(array.dtype), _bytes(memoryview(array).cast("B"))


def _bytes(content: memoryview) -> int:
    if len(content) <= WHOLE:
        return hash(bytes(content))
    return hash((len(content), bytes(content[:END]), bytes(content[-END:])))


def cell_is_full(cell: types.CellType) -> bool:
    """Whether a closure's variable has a value by now."""
    try:
        cell.cell_contents  # noqa: B018 - it raises
    except ValueError:
        return False
    return True


def _short(value: Any) -> bool:
    return not isinstance(value, str | bytes) or len(value) <= TEXT


def _of_kind(about: About, kind: type | str) -> About:
    if about.fixed:
        return about
    return replace(about, kind=kind if isinstance(kind, str) else kind.__name__)


def _ends(values: Iterable[Any], number: int) -> Iterable[Any]:
    if number <= WIDTH:
        return list(values)
    items = iter(values)
    first = list(itertools.islice(items, WIDTH // 2))
    try:
        last = list(itertools.islice(reversed(values), WIDTH // 2))  # type: ignore[call-overload]
    except TypeError:
        last = []
    return [*first, *last[::-1]]


def _attributes(value: Any) -> list[tuple[str, Any]]:
    """An object's own attributes, without asking its class's properties and `__getattr__`."""
    found = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        for name in _slots(kind):
            try:
                found.setdefault(name, vars(kind)[name].__get__(value))
            except (AttributeError, KeyError):
                continue
    return list(found.items())


def _slots(kind: type) -> Iterable[str]:
    if not source.is_users_class(kind):
        return ()
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _kept(value: Any) -> dict[str, Any] | None:
    """What a held object's `state_dict` has."""
    state = value.state_dict() if callable(getattr(value, "state_dict", None)) else None
    return dict(state) if isinstance(state, Mapping) else {} if state is not None else None


def _is_kept(name: str, value: Any, kept: Mapping[str, Any]) -> bool:
    """Whether an attribute is in its object's `state_dict`: by its name, or as the same value."""
    if name.strip("_") in {str(one).strip("_") for one in kept}:
        return True
    if type(value) in PLAIN:
        return any(type(one) is type(value) and one == value for one in kept.values())
    return any(one is value or (type(one) in CONTAINERS and _equal(one, value)) for one in kept.values())


def _equal(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # tensors and arrays inside have no one truth
        return False


def _global_generators() -> list[Any]:
    return [one for _, row in generators.imported() for one in row.shared()]


def _code(frames: list[FrameType]) -> CodeType | None:
    return frames[0].f_code if frames else None


def _local_names(frames: list[FrameType]) -> dict[int, str]:
    """The names of objects in the user's frames, the innermost one's first, by identity."""
    names: dict[int, str] = {}
    there = [(name, value) for frame in frames for name, value in frame.f_locals.items()]
    for name, value in sorted(there, key=lambda one: one[0] == "self"):  # any other name says more
        if type(value) not in PLAIN:
            names.setdefault(id(value), name)
    return names


def _saved_whole(held: Any) -> list[Any]:
    """Held objects of which checkpoints hold all, and what `run.state` has."""
    if isinstance(held, RunState):
        return [held, *(value for value in vars(held).values() if type(value) not in PLAIN)]
    return [held] if _leaf(held) is not None else []


def _around(generator: Any) -> list[Any]:
    """The iterators of Python's that go through a generator, and those around these."""
    found: list[Any] = []
    level = [generator]
    for _ in range(4):
        level = [
            one
            for one in gc.get_referrers(*level)
            if type(one).__module__ in ("builtins", "itertools")
            and hasattr(type(one), "__next__")
            and not isinstance(one, types.GeneratorType)
        ]
        if not level:
            break
        found += level
    return found
