"""What decides how a training in Keras continues: models, optimisers, metrics, callbacks, generators.

Not to be had, because TensorFlow keeps it inside kernels, where nothing can read it: what legacy random
operations (`tf.random.normal` in a `tf.function`, or with a seed of its own) have drawn, and where a shuffled
`tf.data` pipeline is. Use `keras.random`, `tf.random.stateless_*` or a `tf.random.Generator`, and
`samebits.keras.dataset`. Two things cannot be seen from outside and have to be held by name: a `tf.Variable`
and a generator that are kept anywhere but in an attribute of a layer.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from samebits.checkpoint.encoding import TAG
from samebits.checkpoint.state import Kind
from samebits.hashing.weights import DTYPES, Stored, Tensor, describe_array, stored_array
from samebits.keras.keras2 import require_keras3
from samebits.keras.loading import Dataset
from samebits.keras.weights import named_weights


def snapshot(copies: dict[str, Any]) -> Any:
    """What `TrainingState.capture` asks about tensors: each is copied into the CPU's memory, anew."""

    def leaf(path: str, value: Any) -> tuple[dict[str, Any], str, Tensor] | None:
        if not isinstance(value, tf.Tensor | tf.Variable | keras.Variable):
            return None
        return {TAG: "tensor"}, *describe_array(path, np.array(value))

    return leaf


def make_tensor(node: Mapping[str, Any], stored: Stored) -> tf.Tensor:
    """The tensor that `snapshot` copied."""
    return tf.convert_to_tensor(stored_array(node["tensor"], stored))


def missing(objects: Mapping[str, Any]) -> str | None:
    """What the held objects need and do not have, in words; None when all is there."""
    known = {id(part) for target in objects.values() for part in _with_layers(target)}
    for name, target in objects.items():
        if isinstance(target, keras.Layer):
            named_weights(target)  # refuses a model that is not built
            if _lacks_metrics(target):
                return (
                    f"{name} has metrics whose variables are not made yet: call samebits.keras.build({name}, "
                    "dataset) before"
                )
            for layer in target._flatten_layers():
                for attribute, value in vars(layer).items():
                    if isinstance(value, tf.Variable | tf.random.Generator) and id(value) not in known:
                        return (
                            f"{name} keeps a {type(value).__name__} in {layer.name}.{attribute}, which Keras "
                            f"knows nothing of: hold it too, {attribute.strip('_')}=…"
                        )
        elif isinstance(target, keras.optimizers.Optimizer) and not target.built:
            return f"{name} has no variables yet: call {name}.build(model.trainable_variables) before"
        elif isinstance(target, keras.callbacks.BackupAndRestore):
            return "BackupAndRestore puts back less, after us: leave it out of the callbacks"
        elif isinstance(target, keras.callbacks.Callback) and not _gives_state(target):
            for attribute, value in vars(target).items():
                model = isinstance(value, keras.Layer) and value.weights and attribute not in NO_MEMORY
                if model and id(value) not in known:
                    return (
                        f"the callback {type(target).__name__} keeps a {type(value).__name__} in "
                        f"{attribute}: hold it too, {attribute.strip('_')}=…, or give the callback "
                        "`stateless = True` if the training is the same without it"
                    )
            for attribute, value in remembered_by(target).items():
                if not _is_plain(value):
                    return (
                        f"the callback {type(target).__name__} keeps a {type(value).__name__} in "
                        f"{attribute}: give it state_dict and load_state_dict, or `stateless = True` if the "
                        "training is the same without it"
                    )
    return None


def watch(objects: Mapping[str, Any]) -> None:
    """Make the variables of the held models' optimizers, which Keras makes in the first step.

    From now on it is known by name which weights a held optimizer trains.
    """
    layers = {name: target for name, target in sorted(objects.items()) if isinstance(target, keras.Layer)}
    for target in objects.values():
        if isinstance(target, keras.optimizers.Optimizer):
            _layers[target] = layers
        optimizer = getattr(target, "optimizer", None) if isinstance(target, keras.Model) else None
        if optimizer is not None and not optimizer.built:
            require_keras3(optimizer)
            optimizer.build(target.trainable_variables)


_layers: "WeakKeyDictionary[Any, Mapping[str, keras.Layer]]" = WeakKeyDictionary()  # held with an optimizer


def why_not_resumable(loader: Any) -> str | None:
    """None: no other package wraps a loader of Keras's."""
    return None


def order_is_saved(loader: Any, objects: Mapping[str, Any]) -> bool:
    """No: a pipeline keeps it inside its kernels, and of other loaders nothing is known."""
    return False


def begin_step(objects: Mapping[str, Any]) -> None:
    """A new step begins. Keras keeps nothing between steps that is no variable; a dataset counts them."""
    Dataset.step += 1


KNOWN = ("samebits.", "keras.")  # packages of which is known what their objects do with evaluation


def watches_evaluation(objects: Mapping[str, Any]) -> list[str]:
    """The held callbacks by which evaluation decides: Keras gives its numbers names that begin with val_."""
    deciding = keras.callbacks.EarlyStopping | keras.callbacks.ReduceLROnPlateau
    return [
        f"{name} watches {callback.monitor}"
        for name, callback in objects.items()
        if isinstance(callback, deciding) and callback.monitor.startswith("val_")
    ]


def takes_a_metric(target: Any) -> bool:
    """Whether an object is given a metric in every epoch. In Keras a callback's `monitor` says which."""
    return False


def mark(target: Any) -> Any:
    """Of a callback, what it remembers, unless it is one of Keras's that watches the training."""
    if isinstance(target, keras.callbacks.Callback):
        if type(target).__module__.startswith("keras.") and not watches_evaluation({"": target}):
            return None
        return target.state_dict() if _gives_state(target) else remembered_by(target)
    if isinstance(target, keras.Layer | keras.optimizers.Optimizer | keras.metrics.Metric):
        return None
    return target.state_dict() if _gives_state(target) else None


def running_statistics(objects: Mapping[str, Any]) -> dict[str, int]:
    """None: Keras itself evaluates without touching them."""
    return {}


DECIDE_NOTHING = (  # they show or write what the training does
    keras.callbacks.CSVLogger,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.TensorBoard,
)


def stateless(callback: keras.callbacks.Callback) -> bool:
    """Whether the training is the same without a callback: one of Keras's, or it says so."""
    return bool(getattr(callback, "stateless", isinstance(callback, DECIDE_NOTHING)))


def build(model: keras.Model, dataset: Any) -> None:
    """Make the variables that Keras would make in the first step: the optimizer's and the metrics'.

    >>> samebits.keras.build(model, train_set)
    >>> run.checkpoint(model=model)

    `RunLog` does it for `model.fit`.

    Args:
        model: compiled, and with weights (it has an Input, or was called on a batch).
        dataset: of `samebits.keras.dataset`, or anything that gives a batch for an index; only the shapes and
            types of its first batch are looked at, and nothing is drawn.
    """
    named_weights(model)
    if _lacks_metrics(model):
        model._symbolic_build(data_batch=dataset[0])
    watch({"model": model})


def _lacks_metrics(model: keras.Layer) -> bool:
    """Whether it was compiled with metrics that have no variables yet."""
    metrics = getattr(model, "_compile_metrics", None)
    return metrics is not None and not metrics.built


def _get_layer(layer: keras.Layer) -> dict[str, Any]:
    parts = {name: _values(variables) for name, variables in _parts(layer).items()}
    return {
        "weights": {name: variable.numpy() for name, variable in named_weights(layer).items()},
        **parts,
        "optimizers": _optimizers(layer),
        "trained": _trained(getattr(layer, "optimizer", None), {"": layer}),
        "trainable": [part.trainable for part in layer._flatten_layers()],
    }


def _parts(layer: keras.Layer) -> dict[str, list[Any]]:
    """The variables that are no weights, in an order that the layer's structure gives."""
    weights = {id(variable) for variable in named_weights(layer).values()}
    optimizer = getattr(layer, "optimizer", None)
    return {
        "generators": [variable for variable in layer.variables if id(variable) not in weights],
        "metrics": list({id(variable): variable for variable in layer.metrics_variables}.values()),
        "optimizer": [] if optimizer is None else optimizer.variables,
    }


def _optimizers(layer: keras.Layer) -> list[str]:
    """The classes of a model's optimizer and of those inside it."""
    names, optimizer = [], getattr(layer, "optimizer", None)
    while optimizer is not None:
        names.append(type(optimizer).__name__)
        optimizer = getattr(optimizer, "inner_optimizer", None)
    return names


def _trained(optimizer: Any, layers: Mapping[str, keras.Layer]) -> list[str]:
    """The names of the weights that an optimizer trains, in the order of its variables.

    Its variables' own names have the process's history in them. A variable of no held layer is `unknown`.
    """
    names: dict[int, str] = {}
    for name, layer in layers.items():
        for path, variable in named_weights(layer).items():
            names.setdefault(id(variable), f"{name}/{path}".lstrip("/"))
    return [names.get(id(variable), "unknown") for variable in getattr(optimizer, "_trainable_variables", ())]


def _order_differs(what: str, here: list[str], there: list[str]) -> str | None:
    for number, (name, was) in enumerate(itertools.zip_longest(here, there)):
        if name != was:
            return (
                f"{what} {number} is {name or 'absent'} here, and {was or 'absent'} in the checkpoint: make "
                "the model's layers, and give the optimizer its variables, in one order that is the same in "
                "every process (a set has no such order)"
            )
    return None


def _get_optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    trained = _trained(optimizer, _layers[optimizer])
    return {"trained": trained, "variables": _values(optimizer.variables)}


def _optimizer_differs(optimizer: keras.optimizers.Optimizer, state: dict[str, Any]) -> str | None:
    trained = _trained(optimizer, _layers[optimizer])
    return _list_differs("variable", optimizer.variables, state["variables"]) or _order_differs(
        "trained weight", trained, state["trained"]
    )


def _put_layer(layer: keras.Layer, state: dict[str, Any]) -> None:
    for part, trainable in zip(layer._flatten_layers(), state["trainable"], strict=True):
        if part.trainable != trainable:
            part.trainable = trainable
    for name, variable in named_weights(layer).items():
        variable.assign(state["weights"][name])
    for name, variables in _parts(layer).items():
        _assign(variables, state[name])


def _layer_differs(layer: keras.Layer, state: dict[str, Any]) -> str | None:
    here, there = named_weights(layer), state["weights"]
    for name in {**here, **there}:
        if differs := _differs(name, here.get(name), there.get(name)):
            return differs
    if _optimizers(layer) != state["optimizers"]:
        names = [" of ".join(names) or "none" for names in (_optimizers(layer), state["optimizers"])]
        return f"its optimizer is {names[0]} here, and {names[1]} in the checkpoint"
    for name, variables in _parts(layer).items():
        if differs := _list_differs(f"{name} variable", variables, state[name]):
            return differs
    layers = len(list(layer._flatten_layers()))
    if layers != len(state["trainable"]):
        return f"it has {layers} layers here, and {len(state['trainable'])} in the checkpoint"
    if differs := _order_differs("weight", list(here), list(there)):
        return differs
    trained = _trained(getattr(layer, "optimizer", None), {"": layer})
    return _order_differs("trained weight", trained, state["trained"])


def _values(variables: list[Any]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def _assign(variables: list[Any], values: list[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _list_differs(what: str, variables: list[Any], state: list[Stored]) -> str | None:
    for number, (variable, stored) in enumerate(zip(variables, state, strict=False)):
        path = getattr(variable, "path", variable.name)
        if differs := _differs(f"{what} {number} ({path})", variable, stored):
            return differs
    if len(variables) == len(state):
        return None
    return f"it has {len(variables)} {what}s here, and {len(state)} in the checkpoint"


def _differs(name: str, variable: Any, stored: Stored | None) -> str | None:
    here, there = _described(variable), _described(stored)
    return None if here == there else f"{name} is {here} here, and {there} in the checkpoint"


def _described(value: Any) -> str:
    if value is None:
        return "absent"
    dtype = value.dtype if isinstance(value, Stored) else DTYPES[tf.as_dtype(value.dtype).name]
    return f"{dtype} {list(value.shape)}"


def _of_variables(kind: Any, variables: Callable[[Any], list[Any]]) -> Kind:
    """The kind of objects whose state is a list of variables."""
    return Kind(
        lambda target: isinstance(target, kind),
        lambda target: _values(variables(target)),
        lambda target, state: _assign(variables(target), state),
        lambda target, state: _list_differs("variable", variables(target), state),
    )


def _gives_state(target: Any) -> bool:
    return hasattr(target, "state_dict") and hasattr(target, "load_state_dict")


def _with_layers(target: Any) -> list[Any]:
    return [target, *target._flatten_layers()] if isinstance(target, keras.Layer) else [target]


NO_MEMORY = ("_model", "params")  # of a callback: Keras gives it these


def remembered_by(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """What a callback remembers: its attributes, less what Keras gave it and what can be called."""
    return {
        name: value for name, value in vars(callback).items() if name not in NO_MEMORY and not callable(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(element) for key, element in value.items())
    if type(value) in (list, tuple, set, frozenset):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | bytes | np.ndarray | np.generic)


def _get_callback(callback: keras.callbacks.Callback) -> dict[str, Any]:
    # Keras's monitors find out in their first epoch which way is up, and turn min_delta's sign with it.
    knows = getattr(callback, "monitor_op", None) is not None
    return {"attributes": remembered_by(callback), "monitors": knows}


def _put_callback(callback: Any, state: dict[str, Any]) -> None:
    if state["monitors"] and callback.monitor_op is None:
        callback._set_monitor_op()
    for name, value in state["attributes"].items():
        _put_attribute(vars(callback), name, value)


def _put_attribute(attributes: dict[str, Any], name: str, value: Any) -> None:
    """Lists, dictionaries and arrays are filled in place: another object may share them."""
    current = attributes.get(name)
    if type(current) is type(value) is list:
        current[:] = value
    elif type(current) is type(value) is dict:
        current.clear()
        current.update(value)
    elif type(current) is type(value) is np.ndarray and (
        current.shape,
        current.dtype,
        current.flags.writeable,
    ) == (
        value.shape,
        value.dtype,
        True,
    ):
        current[...] = value
    else:
        attributes[name] = value


REMEMBERING = Kind(
    lambda target: isinstance(target, keras.callbacks.Callback) and not _gives_state(target),
    _get_callback,
    _put_callback,
)
KINDS = (
    REMEMBERING,
    Kind(lambda target: isinstance(target, keras.Layer), _get_layer, _put_layer, _layer_differs),
    Kind(
        lambda target: isinstance(target, keras.optimizers.Optimizer),
        _get_optimizer,
        lambda target, state: _assign(target.variables, state["variables"]),
        _optimizer_differs,
    ),
    _of_variables(keras.metrics.Metric, lambda target: target.variables),
    _of_variables(keras.random.SeedGenerator, lambda target: [target.state]),
    _of_variables(tf.random.Generator, lambda target: [target.state]),
    _of_variables(keras.Variable | tf.Variable, lambda target: [target]),
)
