"""The names under which a record knows Keras's variables."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from samebits.errors import UsageError
from samebits.keras.weights import named_layers, named_weights


def held(variable: Any) -> Any:
    """The backend's own variable; a Keras variable's `value` would have another type under autocasting."""
    return variable._value if isinstance(variable, keras.Variable) else variable


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
