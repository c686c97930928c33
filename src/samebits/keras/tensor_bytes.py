"""TensorFlow's and Keras's tensors and variables: recognised, and as bytes."""

from typing import Any

import keras
import numpy
import tensorflow as tf

from samebits.framework import Contents

_COMPOSITE = (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor or a variable of TensorFlow's or Keras's."""
    return isinstance(value, (tf.Tensor, tf.Variable, keras.Variable, keras.KerasTensor, *_COMPOSITE))


def raw(tensor: Any) -> bytes:
    """The bytes of its values, row by row."""
    return numpy.ascontiguousarray(tensor).tobytes()


def contents(tensor: Any) -> Contents:
    """All that a tensor's value consists of. Of sparse and ragged ones the indices and the values count."""
    dtype, shape = getattr(tensor.dtype, "name", tensor.dtype), _known(tensor.shape)
    if isinstance(tensor, _COMPOSITE):
        return Contents(type(tensor).__qualname__, tf.nest.flatten(tensor, True), dtype, shape)
    try:
        array = numpy.ascontiguousarray(tensor)
    except (NotImplementedError, ValueError, TypeError, RuntimeError):  # a symbol of a graph has no values
        return Contents(f"{type(tensor).__module__}.{type(tensor).__qualname__}", None, dtype, shape)
    if array.dtype.hasobject:
        return Contents("texts", array.ravel().tolist(), dtype, shape)
    return Contents("", array.reshape(-1).view("u1") if array.size else b"", dtype, shape)


def _known(shape: Any) -> tuple[int, ...]:
    """A shape without what only a run of the graph will tell; () where not even the rank is known."""
    rank = getattr(shape, "rank", len(shape) if isinstance(shape, tuple) else None)
    return () if rank is None else tuple(-1 if size is None else size for size in shape)
