"""Keras 2 is refused: it neither takes Keras 3's seeds nor keeps its generators where they can be seen."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from samebits.errors import UsageError

# Looked for in the classes of objects: `import tensorflow` alone loads modules of the first one.
LEGACY = ("tensorflow.python.keras", "tf_keras")


def require_keras3(*objects: Any) -> None:
    """Refuse models, layers and optimisers (objects or classes) that are Keras 2 or inherit from it.

    What a Keras model holds (its layers, other attributes, what it was compiled with) is looked at, too.

    Raises:
        UsageError: one of them comes from `tensorflow.python.keras` or `tf_keras`; says what to import.
    """
    seen: set[int] = set()
    waiting = deque(objects)
    while waiting:
        target = waiting.popleft()
        if id(target) in seen:
            continue
        seen.add(id(target))
        cls = target if isinstance(target, type) else type(target)
        for base in cls.__mro__:
            package = next((name for name in LEGACY if f"{base.__module__}.".startswith(f"{name}.")), None)
            if package is not None:
                raise UsageError(_line(target, cls, base, package))
        waiting.extend(_parts(target))


def _parts(target: Any) -> Iterable[Any]:
    """What a list, a dictionary or a Keras object holds."""
    if isinstance(target, list | tuple):
        return target
    if isinstance(target, dict):
        return target.values()
    if any(base.__module__.startswith("keras.") for base in type(target).__mro__):
        return list(getattr(target, "__dict__", {}).values())
    return ()


def _line(target: Any, cls: type, base: type, package: str) -> str:
    import keras

    name = getattr(target, "name", None)
    what = f"{cls.__name__} {name!r}" if isinstance(name, str) and target is not cls else cls.__name__
    if base is not cls:
        what += f" (by way of {base.__name__})"
    places = {
        "keras": keras,
        "keras.layers": keras.layers,
        "keras.optimizers": keras.optimizers,
        "keras.losses": keras.losses,
        "keras.metrics": keras.metrics,
    }
    place = next((place for place, module in places.items() if hasattr(module, base.__name__)), None)
    instead = f"{place}.{base.__name__}" if place else "what it offers"
    return f"{what} comes from {package}, which is Keras 2: `import keras` (version 3) and use {instead}"
