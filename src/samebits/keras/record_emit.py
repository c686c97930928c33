"""Values on their way out of a training: read at once, or by an operation of the graph that is being traced.

In a graph nothing has a value yet. So what is wanted is put together with places for the tensors, and one
`tf.numpy_function` gives their values to the same function that takes them where nothing is traced.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import record as tapes

from samebits.keras.record_names import held
from samebits.keras.record_safe import can_be_read
from samebits.record.guarded import tell
from samebits.record.training import DEEPEST

_COMPOSITE = (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)
LAST = "_samebits_last"  # of a graph: the operation that takes values out after all others


class Slot(NamedTuple):
    """The place of a tensor's value."""

    at: int


class Parts(NamedTuple):
    """The places of the tensors that a sparse or ragged tensor consists of."""

    kind: str
    slots: tuple[Slot, ...]


class Unread:
    """Stands for a tensor that nobody can read without other bits."""

    def __repr__(self) -> str:
        return "unread"


UNREAD = Unread()


def emit(take: Callable[[Any], None], value: Any, unread: Callable[[Any], None] | None = None) -> None:
    """Call a function with a value in which each tensor and variable is an array; in a graph, when it runs.

    What two calls in the same graph take comes in the order of the calls.

    Args:
        take: may raise; the program does not notice.
        value: tables, lists, tuples, tensors, variables and anything else.
        unread: is called at once with the value, in which UNREAD stands for what cannot be read.
    """
    tensors: list[Any] = []
    with tapes.stop_recording():
        template = _pack(value, tensors, {}, 0)
        if unread is not None:
            unread(template)
        if tf.executing_eagerly():
            take(_fill(template, [_array(tensor) for tensor in tensors]))
            return

        def run(*arrays: Any) -> list[Any]:
            try:
                take(_fill(template, arrays))
            except Exception as error:
                tell(f"{take.__module__}.{take.__qualname__}", error)
            return []

        graph = tf.compat.v1.get_default_graph()
        last = getattr(graph, LAST, None)
        with tf.control_dependencies([] if last is None else [last]):
            setattr(graph, LAST, tf.numpy_function(run, tensors, []))


def _pack(value: Any, tensors: list[Any], known: dict[int, Slot], depth: int) -> Any:
    """A value with a Slot for each tensor, which is added to `tensors`, the same one once."""
    value = held(value)
    if isinstance(value, _COMPOSITE):
        flat = [_pack(part, tensors, known, depth) for part in tf.nest.flatten(value, expand_composites=True)]
        return UNREAD if UNREAD in flat else Parts(type(value).__name__, tuple(flat))
    if isinstance(value, tf.Tensor | tf.Variable):
        if value.dtype in (tf.variant, tf.resource):
            return f"a {value.dtype.name}"
        if id(value) not in known:
            if tf.is_symbolic_tensor(value) and not can_be_read(value):
                return UNREAD
            known[id(value)] = Slot(len(tensors))
            tensors.append(tf.convert_to_tensor(value))
        return known[id(value)]
    if depth < DEEPEST and isinstance(value, Mapping):
        return {key: _pack(part, tensors, known, depth + 1) for key, part in value.items()}
    if depth < DEEPEST and isinstance(value, list | tuple) and not isinstance(value, Slot | Parts):
        parts = [_pack(part, tensors, known, depth + 1) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def _fill(template: Any, arrays: Any) -> Any:
    if isinstance(template, Slot):
        return arrays[template.at]
    if isinstance(template, Parts):
        return [template.kind, *(arrays[slot.at] for slot in template.slots)]
    if isinstance(template, dict):
        return {key: _fill(part, arrays) for key, part in template.items()}
    if isinstance(template, list):
        return [_fill(part, arrays) for part in template]
    if type(template) is tuple:
        return tuple(_fill(part, arrays) for part in template)
    return template


def _array(tensor: Any) -> Any:
    return tensor.numpy()


def read(variable: Any) -> np.ndarray | None:
    """A variable's value now, whatever is being traced; None where it has none yet."""
    try:
        with tf.init_scope():
            return np.asarray(keras.ops.convert_to_numpy(tf.convert_to_tensor(held(variable))))
    except (NotImplementedError, RuntimeError, ValueError, tf.errors.OpError):
        return None
