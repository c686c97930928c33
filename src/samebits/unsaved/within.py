"""From a value to what is in it."""

import enum
import functools
import gc
import inspect
import itertools
import time
import types
import weakref
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

from samebits.framework import Unsaved
from samebits.process.code_owner import is_users_file, owner
from samebits.unsaved import source
from samebits.unsaved.about import About, of_kind
from samebits.unsaved.attributes import attributes_of
from samebits.unsaved.digests import CONTAINERS, PLAIN, is_short, single
from samebits.unsaved.frames import variables
from samebits.unsaved.in_states import is_kept, kept
from samebits.unsaved.liveness import live_names

DEPTH = 9
WIDTH = 64  # of a list or a dictionary: from a longer one, the ends
# Packages whose objects show or save what a training does, or run other code; what they keep decides nothing.
_SHOWING = """
    _io abc aim argparse asyncio builtins click clearml codecs comet_ml concurrent contextlib cProfile ctypes
    dataclasses dis gc importlib inspect io IPython ipykernel ipywidgets json logging loguru matplotlib mlflow
    multiprocessing neptune os pathlib PIL plotly posixpath re rich samebits select seaborn selectors shutil
    signal socket subprocess swanlab sys tabulate tempfile tensorboard tensorboardX threading time tqdm typing
    types visdom wandb warnings weakref zipfile
"""
SHOWING = tuple(_SHOWING.split())
# Packages written in C whose objects do not change.
CONSTANT = (
    *("_abc", "_contextvars", "_ctypes", "_operator", "_struct", "_thread"),
    *("decimal", "functools", "numpy", "operator", "zoneinfo"),
)


class TooLong(Exception):  # noqa: N818 - an answer, not a fault
    """The time for looking is used up."""


class Within:
    """Follows values to what is in them.

    Args:
        toolkit: the framework's part.
        objects: what the run holds, by name.
        until: when looking must end, by `time.thread_time`.
        carried: the attributes that checkpoints hold by themselves: identities of their objects, and names.

    Attributes:
        values: the digests, by a key that is the same in every look.
        about: what is known of each.
        unknown: the names of objects of code in C, which nobody can look into, each with its class.
    """

    def __init__(
        self, toolkit: Unsaved, objects: Mapping[str, Any], until: float, carried: Set[tuple[int, str]]
    ) -> None:
        self.values: dict[str, Any] = {}
        self.about: dict[str, About] = {}
        self.unknown: dict[str, str] = {}
        self._toolkit, self._until, self._carried = toolkit, until, carried
        self._held = {id(target) for target in objects.values()}
        self._saved = toolkit.saved(objects)
        self._set = source.set_attributes()
        self._seen: dict[int, Any] = {}
        self._names: dict[int, str] = {}  # of objects in the user's frames, by identity
        self._count = 0

    def _leaf(self, about: About, key: str, digest: Any) -> None:
        self.values[key] = digest
        self.about[key] = about

    def _look(self, about: About, key: str, value: Any, depth: int) -> None:
        kind = type(value)
        if kind in PLAIN:
            self._leaf(of_kind(about, kind), key, (kind.__name__, value if is_short(value) else hash(value)))
            return
        if id(value) in self._seen or id(value) in self._saved or depth > DEPTH:
            return
        self._seen[id(value)] = value
        self._count += 1
        if self._count % 256 == 0 and time.thread_time() > self._until:
            raise TooLong
        if (leaf := self._toolkit.leaf(value, self._saved)) is not None:
            if leaf[0]:
                self._leaf(of_kind(about, leaf[0]), key, leaf)
            return
        if (leaf := single(value)) is not None:
            self._leaf(of_kind(about, leaf[0]), key, leaf)
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
        return self._toolkit.leaf(value, self._saved) or single(value)

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
            self._leaf(of_kind(about, kind), key, kind.__qualname__)
            self._look(
                About(kind.__name__, "", None, "local", kind.__name__), f"{key} class", kind, depth + 1
            )
        if self._parts(about, key, value, depth, held):
            return
        in_state = kept(value) if held else None
        constant = (*self._toolkit.KNOWN, *CONSTANT)
        known = kind.__module__.startswith(self._toolkit.KNOWN)
        if not users and _is_closed(value) and not kind.__module__.startswith(constant):
            self.unknown[about.name] = f"{kind.__module__}.{kind.__qualname__}"
        for name, part in attributes_of(value):
            if in_state is not None and is_kept(name, part, in_state):
                continue
            if name in self._set or not (name.startswith("_") or known):
                self._attribute(about, key, value, name, part, depth)

    def _parts(self, about: About, key: str, value: Any, depth: int, held: bool) -> bool:
        """One of the framework's own objects: its room says what of it is looked at."""
        parts = self._toolkit.parts(value, held, self._set)
        if parts is None:
            return False
        outer = about.whole or of_kind(about, type(value))
        for part, inner, of_whole in parts:
            if of_whole:
                self._look(replace(outer, parent=None, fixed=True), f"{key}{part}", inner, depth)
            elif part.startswith("."):
                self._attribute(replace(about, whole=outer), key, value, part[1:], inner, depth)
            else:
                child = replace(about, name=about.name + part, parent=key, whole=outer)
                self._look(child, key + part, inner, depth + 1)
        return True

    def _attribute(self, about: About, key: str, owner: Any, name: str, value: Any, depth: int) -> None:
        if isinstance(inspect.getattr_static(type(owner), name, None), functools.cached_property):
            return  # of the framework's objects: its room names them
        child = replace(
            about,
            name=f"{about.name}.{name}",
            parent=key,
            root="attribute",
            base=name.rpartition(".")[2],
            owner=type(owner),
            fixed=False,
            carried=(id(owner), name) in self._carried,
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
        held = variables(frame)
        place = (frame.f_lasti, *(value for _, value in held if type(value) is int))
        self._leaf(of_kind(about, "iterator"), key, place)
        if is_users_file(code.co_filename):
            live = live_names(frame)
            for name, value in held:
                if name in live:
                    child = About(name, "", None, "closure", name, code)
                    self._look(child, f"{key}<{name}>", value, depth + 1)

    def _iterator(self, about: About, key: str, iterator: Any, depth: int) -> None:
        counts: tuple[Any, ...] = ()
        if type(iterator) is itertools.count:
            counts = (repr(iterator),)
        elif type(iterator).__module__ == "builtins" and type(iterator).__name__.endswith("iterator"):
            counts = tuple(part for part in iterator.__reduce__() if type(part) is int)
        if counts:
            self._leaf(of_kind(about, "iterator"), key, counts)
        for number, part in enumerate(gc.get_referents(iterator)):
            inside = replace(of_kind(about, "iterator"), fixed=True)
            self._look(inside, f"{key}~{number}", part, depth + 1)

    def _container(self, about: About, key: str, values: Any, depth: int) -> None:
        kind = type(values)
        about = of_kind(about, kind)
        self._leaf(about, f"{key} length", len(values))
        if isinstance(values, dict):
            items = list(_ends(values.items(), len(values)))
            named = [(f"[{k!r}]" if isinstance(k, str | int) else "[…]", item) for k, item in items]
        else:
            named = [(f"[{number}]", item) for number, item in enumerate(_ends(values, len(values)))]
        if isinstance(values, set | frozenset):
            if all(type(item) in PLAIN for _, item in named):
                self._leaf(about, f"{key} items", hash(frozenset(item for _, item in named)))
            return
        for part, item in named:
            child = about
            if not about.fixed:
                # A number in a dictionary has a name; those in a list, and tensors in both, are the whole's.
                is_named = isinstance(values, dict) and part != "[…]" and type(item) in PLAIN
                inside = type(item) not in PLAIN and self._single(item) is None
                if is_named or inside:
                    child = replace(about, name=about.name + part, parent=key)
                else:
                    child = replace(about, fixed=True)
            self._look(child, key + part, item, depth + 1)


def _is_closed(value: Any) -> bool:
    """Whether an object is of a class written in C and shows nothing of what it has."""
    python = any("__slots__" in vars(kind) or "__dict__" in vars(kind) for kind in type(value).__mro__[:-1])
    return not python and not hasattr(value, "__dict__") and not hasattr(type(value), "__next__")


def cell_is_full(cell: types.CellType) -> bool:
    """Whether a closure's variable has a value by now."""
    try:
        cell.cell_contents  # noqa: B018 - it raises
    except ValueError:
        return False
    return True


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
