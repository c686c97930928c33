"""TensorFlow's and Keras's tensors have the digests of NumPy's arrays; what is not dense counts, too."""

import keras
import numpy as np
import tensorflow as tf

from samebits.hashing.digest import digest, rows


def test_a_tensors_digest_is_its_arrays() -> None:
    x = np.arange(6, dtype="f4").reshape(2, 3)
    for same in (tf.constant(x), tf.Variable(x), keras.Variable(x), keras.ops.convert_to_tensor(x)):
        assert digest(same) == digest(x)
        assert rows(same) == rows(x)
    assert (
        len({digest(tf.cast(x, kind)) for kind in ("bfloat16", "float16", "int8", "bool", "complex64")}) == 5
    )
    assert digest(tf.cast(x, "bfloat16")) != digest(tf.cast(x + 1, "bfloat16"))
    assert digest(tf.zeros((0, 3))) != digest(tf.zeros((3, 0)))
    assert digest(tf.constant(["a", "b"])) != digest(tf.constant(["b", "a"]))


def test_sparse_and_ragged_tensors_count() -> None:
    unread: set[str] = set()
    others = [
        tf.sparse.from_dense([[0, 1], [2, 0]]),
        tf.sparse.from_dense([[0, 1], [0, 2]]),
        tf.ragged.constant([[1], [2, 3]]),
        tf.ragged.constant([[1, 2], [3]]),
        tf.IndexedSlices(tf.ones((1, 2)), tf.constant([0])),
        tf.IndexedSlices(tf.ones((1, 2)), tf.constant([1])),
    ]
    assert len({digest(each, unread) for each in others}) == len(others)
    assert digest(others[0]) == digest(tf.sparse.from_dense([[0, 1], [2, 0]]))
    assert rows(others[0]) is None
    assert not {name for name in unread if "ensor" in name}


def test_a_symbol_is_named() -> None:
    unread: set[str] = set()
    digest(keras.Input((3,)), unread)
    seen = []

    @tf.function
    def graph(x: tf.Tensor) -> tf.Tensor:
        seen.append(digest(x, unread))
        return x

    graph(tf.constant([1.0]))
    assert len(unread) == 2
    assert len(seen) == 1
