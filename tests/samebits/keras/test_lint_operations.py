"""The names that `samebits lint` looks for, and what TensorFlow refuses."""

import tensorflow as tf

from samebits.keras.errors import NO_KERNEL
from samebits_lint import operations


def test_every_refusal_has_a_name_or_a_reason():
    named, untold = set(operations.TENSORFLOW.values()), set(operations.TENSORFLOW_UNTOLD)
    assert named | untold == {operation for _, operation, _ in NO_KERNEL}
    assert not named & untold


def test_the_names_are_tensorflows():
    for dotted in operations.TENSORFLOW:
        operation = tf
        for part in dotted.split(".")[1:]:
            operation = getattr(operation, part)
        assert callable(operation)
