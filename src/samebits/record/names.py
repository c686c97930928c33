"""The names under which a record knows parameters: those of the model that was called."""

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def _itself(value: Any) -> Any:
    return value


class Models:
    """The models that were called, and the names of their parameters.

    A parameter keeps the first name that it got. A name that is taken is given again with the model's class,
    and a number, in front; also where its model is gone, since when that is known depends on the garbage
    collection.

    Args:
        parameters: gives a model's parameters, by name.
        class_of: gives the class of a model, without what wraps it.
        held: gives what stands for a parameter as long as it lives; the parameter itself, if not given.
    """

    def __init__(
        self,
        parameters: Callable[[Any], Iterable[tuple[str, Any]]],
        class_of: Callable[[Any], str],
        held: Callable[[Any], Any] = _itself,
    ) -> None:
        self._parameters, self._class_of, self._held = parameters, class_of, held
        self._models: dict[int, weakref.ref[Any]] = {}
        self._names: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._taken: set[str] = set()
        self._times: dict[tuple[str, str], int] = {}  # so often a name was wanted for a class

    def is_new(self, model: Any) -> bool:
        """Whether it was never added."""
        known = self._models.get(id(model))
        return known is None or known() is not model

    def add(self, model: Any) -> int:
        """Name a model's parameters; returns how many of them had no name.

        Args:
            model: may be added again, when it has more.
        """
        self._models[id(model)] = weakref.ref(model)
        new = [each for each in self._parameters(model) if self._name(each[1]) is None]
        for name, parameter in new:
            self._take(name, parameter, self._class_of(model))
        return len(new)

    def all(self) -> list[Any]:
        """The models that are there still, in the order in which they were added."""
        return [model for known in [*self._models.values()] if (model := known()) is not None]

    def parameters(self) -> list[Any]:
        """Every parameter that has a name and is there still, in the order of naming."""
        return [parameter for known, _ in [*self._names.values()] if (parameter := known()) is not None]

    def names(self, parameters: Sequence[Any], otherwise: Callable[[int], str]) -> list[str]:
        """The names of some parameters.

        Args:
            parameters: of an optimiser, in its order.
            otherwise: the name of the one at a place that no model has.
        """
        if any(self._name(parameter) is None for parameter in parameters):
            for model in self.all():  # it has got more since
                self.add(model)
        named = []
        for at, parameter in enumerate(parameters):
            name = self._name(parameter)
            named.append(self._take(otherwise(at), parameter, "optimizer") if name is None else name)
        return named

    def _name(self, parameter: Any) -> str | None:
        held = self._held(parameter)
        known = self._names.get(id(held))
        return known[1] if known is not None and known[0]() is held else None

    def _take(self, wanted: str, parameter: Any, owner: str) -> str:
        name, number = wanted, self._times.get((owner, wanted), 0)
        while name in self._taken:
            number += 1
            name = f"{owner}{f'-{number}' if number > 1 else ''}.{wanted}"
            self._times[owner, wanted] = number
        self._taken.add(name)
        held = self._held(parameter)
        self._names[id(held)] = weakref.ref(held), name
        return name
