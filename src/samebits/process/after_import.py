"""What is to happen as soon as a module has been imported; nothing is imported for it."""

import importlib.abc
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_waiting: dict[str, list[Callable[[], None]]] = {}


def after_import(name: str, then: Callable[[], None]) -> None:
    """Call a function when a module's import ends; now, where it has ended.

    Args:
        name: the module's full name.
        then: may not raise.
    """
    if is_imported(name):
        then()
        return
    _waiting.setdefault(name, []).append(then)
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


def is_imported(name: str) -> bool:
    """Whether a module is there, and its import has ended."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return name in sys.modules and not getattr(spec, "_initializing", False)


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the others find a module, and adds to what executes it."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _waiting:
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next((spec for finder in others if (spec := finder.find_spec(name, path, target))), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            for then in _waiting.pop(name, ()):
                then()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign] # of this one loader object
        return spec


FINDER = _Finder()
