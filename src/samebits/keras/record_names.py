"""The names under which a record knows Keras's variables: those of the model that was called."""

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from samebits.errors import UsageError
from samebits.keras.weights import named_layers, named_weights


def held(variable: Any) -> Any:
    """The backend's own variable; a Keras variable's `value` would have another type under autocasting."""
    return variable._value if isinstance(variable, keras.Variable) else variable


class Models:
    """The models that were called, and the names of their variables.

    A variable keeps the first name that it got. A name that is taken is given again with the model's class,
    and a number, in front.
    """

    def __init__(self) -> None:
        self._models: dict[int, weakref.ref[Any]] = {}
        self._names: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._taken: set[str] = set()

    def is_new(self, model: Any) -> bool:
        """Whether it was never added."""
        known = self._models.get(id(model))
        return known is None or known() is not model

    def add(self, model: Any) -> int:
        """Name a model's trainable variables; returns how many of them had no name.

        Args:
            model: is built; may be added again, when it has more.
        """
        self._models[id(model)] = weakref.ref(model)
        new = [(name, variable) for name, variable in parameters(model) if self._name(variable) is None]
        for name, variable in new:
            self._take(name, variable, type(model).__name__)
        return len(new)

    def all(self) -> list[Any]:
        """The models that are there still, in the order in which they were added."""
        return [model for known in self._models.values() if (model := known()) is not None]

    def names(self, variables: Sequence[Any], number: int) -> list[str]:
        """The names of an optimiser's variables.

        Args:
            variables: in its order.
            number: the optimiser's, for those that no model has.
        """
        if any(self._name(variable) is None for variable in variables):
            for model in self.all():  # it has got more since
                self.add(model)
        named = []
        for at, variable in enumerate(variables):
            name = self._name(variable)
            if name is None:
                name = self._take(f"optimizer.{number}.{at}", variable, "optimizer")
            named.append(name)
        return named

    def _name(self, variable: Any) -> str | None:
        known = self._names.get(id(held(variable)))
        return known[1] if known is not None and known[0]() is held(variable) else None

    def _take(self, name: str, variable: Any, owner: str) -> str:
        """A name is never given again: when a model goes depends on the garbage collection."""
        wanted, number = name, 1
        while name in self._taken:
            name = f"{owner}{f'-{number}' if number > 1 else ''}.{wanted}"
            number += 1
        self._taken.add(name)
        self._names[id(held(variable))] = weakref.ref(held(variable)), name
        return name


def parameters(model: Any) -> list[tuple[str, Any]]:
    """A model's variables that can be trained, frozen or not, each once."""
    return [(name, variable) for name, variable in _weights(model) if variable.trainable]


def buffers(model: Any) -> list[tuple[str, Any]]:
    """A model's variables that no optimiser trains, such as moving averages, each once."""
    return [(name, variable) for name, variable in _weights(model) if not variable.trainable]


def _weights(model: Any) -> list[tuple[str, Any]]:
    try:
        return list(named_weights(model).items())
    except UsageError:  # it keeps weights where none are looked for
        return [(variable.path, variable) for variable in getattr(model, "weights", ())]


def seeds(model: Any) -> dict[str, Any]:
    """The states of the seed generators of a model's layers, by "keras:dropout", each once."""
    states: dict[str, Any] = {}
    for path, layer in named_layers(model):
        for at, generator in enumerate(getattr(layer, "_seed_generators", ())):
            name = "keras:" + ("/".join(path) or type(layer).__name__) + (f":{at}" if at else "")
            if all(generator.state is not known for known in states.values()):
                states[name] = generator.state
    return states


def state(optimizer: Any, names: Sequence[str]) -> list[tuple[str, Any]]:
    """The parts of an optimiser's state, by the name of their parameter: "dense/kernel.momentums".

    The learning rate is none of them: it has a place of its own.

    Args:
        optimizer: has its variables.
        names: of the variables that it trains, in its order.
    """
    return list(_state(optimizer, names, ""))


def _state(optimizer: Any, names: Sequence[str], prefix: str) -> Iterator[tuple[str, Any]]:
    trained = getattr(optimizer, "_trainable_variables", ())
    slots: dict[int, str] = {}
    for attribute, values in vars(optimizer).items():
        if attribute in ("_trainable_variables", "_variables") or not isinstance(values, list):
            continue
        if len(values) == len(trained):
            slots |= {
                id(value): f"{name}.{attribute.strip('_')}"
                for name, value in zip(names, values, strict=True)
                if value is not None
            }
    rate = getattr(optimizer, "_learning_rate", None)
    for at, variable in enumerate(getattr(optimizer, "_variables", ())):
        if variable is not rate:
            own = f"{prefix}{getattr(variable, 'name', at)}"
            yield slots.get(id(variable), own), variable
    if (inner := getattr(optimizer, "inner_optimizer", None)) is not None:
        yield from _state(inner, names, "inner.")
