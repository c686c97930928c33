"""A Keras model's weights under names that come from its layer tree, and not from the process's history.

Keras numbers layers as they are made: the second model of a process has `sequential_1/dense_2/kernel` where
the first had `sequential/dense/kernel`. Here a weight's name is the path to it, joined by "/":

- a layer that is an attribute of its parent, or in a list or dictionary there, goes by the attribute, as in a
  PyTorch state dict: `encoder/attention`, `blocks/0`, `heads/left`;
- one of a `Sequential` or functional model goes by the name that the user gave, or else by its class, with a
  number from the second of its kind on: `conv2d`, `conv2d_1`, `logits`;
- a weight goes by its own name: `kernel`, `moving_mean`.

A shared layer is stored once, at the first place. Left out is what is no weight: the states of seed
generators, optimisers and metrics.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.src.utils.naming import to_snake_case

from samebits.errors import UsageError
from samebits.hashing import weights
from samebits.keras.keras2 import require_keras3


def save_weights(model: keras.Layer, path: str | os.PathLike[str]) -> str:
    """Write the model's weights, trainable or not, as safetensors, whole or not at all.

    Args:
        model: a built model or layer.
        path: the file.

    Returns:
        The file's SHA-256, as `sha256sum` prints it.

    Raises:
        UsageError: the model is not Keras 3 or not built, it has no weight or one that cannot be stored, or
            the file cannot be written.
    """
    return weights.save_tensors(weights.refuse_none(tensors(model)), path)


def hash_weights(model: keras.Layer) -> str:
    """The SHA-256 of the file that `save_weights` would write; copies one tensor at a time."""
    return weights.hash_tensors(weights.refuse_none(tensors(model)))


def tensors(model: keras.Layer) -> dict[str, weights.Tensor]:
    """Each weight, described under its canonical name. Nothing is copied yet.

    Raises:
        UsageError: the model is not Keras 3, not built, or holds a type that the format lacks.
    """
    return dict(_describe(name, variable) for name, variable in named_weights(model).items())


def named_weights(model: keras.Layer) -> dict[str, Any]:
    """Each weight's variable under its canonical name.

    Raises:
        UsageError: the model is not Keras 3 or not built.
    """
    require_keras3(model)
    if not isinstance(model, keras.Layer):
        raise UsageError(f"expected a Keras model or layer, not {type(model).__name__}")
    if not model.built:
        raise UsageError(
            f"{type(model).__name__} {model.name!r} has no weights yet: call it on a batch first"
        )
    named = dict(_walk(model, (), set()))
    missing = {id(variable) for variable in model.weights} - {id(variable) for variable in named.values()}
    if missing:
        # Fail closed, should a name be found twice or Keras keep weights where none were looked for.
        lost = [variable.path for variable in model.weights if id(variable) in missing]
        raise UsageError(
            f"weights {lost} have no name of their own: make their layers attributes of the model"
        )
    return named


def _describe(name: str, variable: Any) -> tuple[str, weights.Tensor]:
    dtype = str(variable.dtype)

    def read() -> memoryview | bytes:
        return weights.describe_array(name, variable.numpy())[1].read()

    return weights.describe(name, dtype, tuple(variable.shape), read)


def _walk(layer: keras.Layer, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """The weights of a layer and of all below it, but for those in `seen`, where they are added."""
    for where, part in named_layers(layer, path):
        for name, variable in _own(part, set()):
            if id(variable) not in seen:
                seen.add(id(variable))
                yield "/".join((*where, name)), variable


def named_layers(
    layer: keras.Layer, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], keras.Layer]]:
    """A layer and all below it, each under the path to it; a shared one at each place.

    Args:
        layer: may be without weights still.
        path: its own.
    """
    yield path, layer
    used: set[str] = set()
    for _ in _own(layer, used):
        pass
    children = _children(layer)
    # Names that the user chose are given first, so that a number that we add never takes one of them.
    attributes = _attributes(layer)
    names: dict[int, str] = {}
    for child in children:
        given = attributes.get(id(child)) or _given_name(child)
        if given is not None:
            names[id(child)] = _unused(given, used)
    for child in children:
        name = names.get(id(child)) or _unused(to_snake_case(type(child).__name__), used)
        yield from named_layers(child, (*path, name))


def _own(layer: keras.Layer, used: set[str]) -> Iterator[tuple[str, Any]]:
    """A layer's own weights under their own names, which are added to `used`."""
    for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
        yield _unused(_without_history(variable.name, "variable"), used), variable


def _children(layer: keras.Layer) -> list[keras.Layer]:
    """The layers directly below, each once, in the order in which they were given to it."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _attributes(layer: keras.Layer) -> dict[int, str]:
    """By id of the layer: the first attribute that holds it, as "name", "name/0" or "name/key"."""
    names: dict[int, str] = {}
    for name, value in vars(layer).items():
        # Keras keeps lists of its own under names with an underscore.
        if isinstance(value, keras.Layer):
            names.setdefault(id(value), name)
        elif not name.startswith("_"):
            _search(name, value, names)
    return names


def _search(path: str, value: Any, names: dict[int, str]) -> None:
    if isinstance(value, keras.Layer):
        names.setdefault(id(value), path)
    elif isinstance(value, list | tuple):
        for index, element in enumerate(value):
            _search(f"{path}/{index}", element, names)
    elif isinstance(value, Mapping):
        for key, element in value.items():
            _search(f"{path}/{key}", element, names)


def _given_name(layer: keras.Layer) -> str | None:
    """The layer's name, None if Keras made it from the class."""
    kind = to_snake_case(type(layer).__name__)
    name: str = layer.name
    return None if _without_history(name, kind) == kind else name


def _without_history(name: str, kind: str) -> str:
    """`kind` for kind, kind_1, kind_2 …; any other name as it is."""
    return kind if name.startswith(kind) and name[len(kind) :].lstrip("_").isdecimal() else name


def _unused(name: str, used: set[str]) -> str:
    """`name`, or the first of name_1, name_2 … that is not in `used`; it is put there."""
    candidate, number = name, 0
    while candidate in used:
        number += 1
        candidate = f"{name}_{number}"
    used.add(candidate)
    return candidate
