"""What of Keras's and TensorFlow's objects may change from step to step, and which fields are their own."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samebits.keras.loading import Dataset
from samebits.keras.state import remembered_by
from samebits.unsaved.digests import digest_array

KNOWN = ("keras.", "tensorflow.", "tf_keras.", "keras_hub.", "keras_cv.", "keras_nlp.")
OF_LAYERS = frozenset(vars(keras.Layer())) | {"compiled", "loss", "optimizer", "stop_training", "history"}
OF_CALLBACKS = frozenset({"_model", "params", "model", "validation_data"})
_places = itertools.count()


def saved(objects: Mapping[str, Any]) -> dict[int, Any]:
    """The variables of held models, optimizers, metrics and generators, by identity."""
    parts: list[Any] = []
    for target in objects.values():
        if isinstance(target, keras.Layer):
            optimizer = getattr(target, "optimizer", None)
            parts += [*target.variables, *target.metrics_variables]
            target = optimizer
        if isinstance(target, keras.optimizers.Optimizer | keras.metrics.Metric):
            parts += target.variables
        elif isinstance(
            target, keras.random.SeedGenerator | tf.random.Generator | keras.Variable | tf.Variable
        ):
            parts.append(target)
    return {id(part): part for part in parts}


def leaf(value: Any, saved: Mapping[int, Any]) -> tuple[str, Any] | None:
    """Of a variable or a tensor its numbers; the place of a `tf.data` iterator cannot be asked."""
    if isinstance(value, tf.data.Dataset | keras.KerasTensor | tf.Graph | tf.TypeSpec):
        return "", None
    if isinstance(value, tf.data.Iterator):
        return "iterator", next(_places)
    if isinstance(value, keras.random.SeedGenerator | tf.random.Generator):
        return ("generator", _numbers(value.state)) if id(value.state) not in saved else ("", None)
    if isinstance(value, keras.Variable | tf.Variable):
        return "variable", _numbers(value)
    if isinstance(value, tf.Tensor):
        return ("tensor", _numbers(value)) if hasattr(value, "numpy") else ("", None)
    return None


def parts(value: Any, held: bool, set_: frozenset[str]) -> Iterable[tuple[str, Any, bool]] | None:
    """Of layers, optimizers, metrics, callbacks and data sets what no checkpoint holds."""
    if isinstance(value, keras.Layer):
        return _of_layer(value, set_)
    if isinstance(value, keras.optimizers.Optimizer):
        return _of_optimizer(value, set_)
    if isinstance(value, keras.metrics.Metric):
        return [(f".{variable.name}", variable, True) for variable in value.variables]
    if isinstance(value, keras.callbacks.Callback):
        return _of_callback(value, held, set_)
    if isinstance(value, Dataset):
        return [(f".{name}", getattr(value, name, None), False) for name in ("x", "y", "augment")]
    return None


def content(value: Any) -> tuple[Any, ...] | None:
    """Of a variable or a tensor that has numbers."""
    tensor = isinstance(value, tf.Tensor) and hasattr(value, "numpy")
    if not (tensor or isinstance(value, keras.Variable | tf.Variable)):
        return None
    array = np.asarray(value)
    return None if array.dtype.hasobject else (array.shape, str(array.dtype), array.tobytes())


def put(value: Any, other: Any) -> bool:
    """Variables take other numbers; tensors do not."""
    if not isinstance(value, keras.Variable | tf.Variable) or tuple(value.shape) != tuple(other.shape):
        return False
    value.assign(other)
    return True


def keeps(value: Any) -> bool | None:
    """Not what a compiled step may have read.

    TensorFlow reads an attribute of a layer, an optimizer, a loss or a metric when it compiles the step, and
    never again. A resumed process compiles with what is there then: so it must be what it was at first.
    Callbacks have all in their state. Threads read a data set ahead of the step, so what `augment` remembers
    belongs to a later one.
    """
    compiled = keras.Layer | keras.optimizers.Optimizer | keras.losses.Loss | keras.metrics.Metric
    if isinstance(value, compiled | keras.optimizers.schedules.LearningRateSchedule):
        return False
    return False if isinstance(value, keras.callbacks.Callback | Dataset) else None


def between_steps() -> dict[str, str]:
    """Nothing: Keras keeps no results between steps."""
    return {}


def _of_layer(layer: keras.Layer, set_: frozenset[str]) -> Iterator[tuple[str, Any, bool]]:
    for variable in layer.variables:
        yield f".{variable.path}", variable, True  # those of a model that is held are known, and left out
    if isinstance(layer, keras.Model):
        for number, child in enumerate(layer.layers):
            yield f".layers[{number}]", child, False
    else:
        names = {id(value): name for name, value in vars(layer).items()}
        for child in layer._flatten_layers(include_self=False, recursive=False):
            yield f".{names.get(id(child), child.name)}", child, False
    library = type(layer).__module__.startswith(KNOWN)
    for name in ("loss", "optimizer"):  # of a compiled model; variables that are held are known
        if not isinstance(value := vars(layer).get(name), str | None):
            yield f".{name}", value, False
    for name, value in list(vars(layer).items()):
        if name not in OF_LAYERS and (name in set_ or not (library or name.startswith("_"))):
            yield f".{name}", value, False


def _of_optimizer(
    optimizer: keras.optimizers.Optimizer, set_: frozenset[str]
) -> Iterator[tuple[str, Any, bool]]:
    for variable in optimizer.variables:
        yield f".{variable.name}", variable, True
    for name, value in list(vars(optimizer).items()):
        schedule = isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
        if schedule or (name in set_ and not isinstance(value, keras.Variable)):
            yield f".{name.lstrip('_')}", value, False


def _of_callback(
    callback: keras.callbacks.Callback, held: bool, set_: frozenset[str]
) -> Iterator[tuple[str, Any, bool]]:
    library = type(callback).__module__.startswith(KNOWN)
    kept = remembered_by(callback) if held else {}
    for name, value in list(vars(callback).items()):
        if name in OF_CALLBACKS or name in kept or name.startswith("_"):
            continue
        if name in set_ or callable(value) or not library:
            yield f".{name}", value, False


def _numbers(value: Any) -> Any:
    return digest_array(np.asarray(value))
