"""TensorFlow's and Keras's tensors and variables: recognised, and as bytes."""

from typing import Any

import keras
import numpy
import tensorflow as tf


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor or a variable of TensorFlow's or Keras's."""
    return isinstance(value, tf.Tensor | tf.Variable | keras.Variable)


def raw(tensor: Any) -> bytes:
    """The bytes of its values, row by row."""
    return numpy.ascontiguousarray(tensor).tobytes()
