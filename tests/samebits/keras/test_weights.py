"""Keras names come from the layer tree: free of history, without collisions, complete."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import safetensors.numpy
from keras import layers

from samebits import stream
from samebits._files import sha256_file
from samebits.errors import UsageError
from samebits.hashing import weights
from samebits.keras import hash_weights, save_weights, tensors


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomFlip(),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(),
            layers.Conv2D(2, 3, name="mine"),
            layers.Conv2D(2, 3),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, name="logits"),
        ]
    )


def functional() -> keras.Model:
    """A shared layer, a nested model, and a name of the user's that looks like one of Keras's."""
    inputs = keras.Input((4,))
    shared = layers.Dense(4)
    inner = keras.Sequential([layers.Dense(4), layers.Dense(4)])
    return keras.Model(inputs, layers.Dense(4, name="dense_7")(inner(shared(shared(inputs)))))


class Subclassed(keras.Model):
    """Attributes, lists, dictionaries, one layer twice, library layers with layers inside, own weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(2, name="same")
        self.again = self.first
        self.second = layers.Dense(2, name="same")
        self.blocks = [layers.Dense(2), [layers.Dense(2)]]
        self.heads = {"a": layers.Dense(2)}
        self._hidden = [layers.Dense(2), layers.Dense(2)]
        self.recurrent = layers.Bidirectional(layers.LSTM(2))
        self.cells = layers.RNN([layers.LSTMCell(2), layers.LSTMCell(2)], return_sequences=True)
        self.attention = layers.MultiHeadAttention(1, 2)
        self.model = keras.Sequential([layers.Dense(2)])
        self.scale = self.add_weight(shape=(), initializer="ones")
        self.offset = keras.Variable(np.zeros(2, np.int32), trainable=False, name="offset")
        self.drop = layers.Dropout(0.5)

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.again(self.second(self.first(x))) * self.scale
        for layer in (self.blocks[0], self.blocks[1][0], self.heads["a"], *self._hidden):
            x = layer(x)
        x = self.recurrent(self.cells(self.attention(x, x)))
        return self.model(self.drop(x, training=training))


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, 3, 2), np.float32))
    return model


def filled(model: keras.Model) -> keras.Model:
    """Values that depend on nothing but the place in `model.weights`."""
    model.set_weights([np.full(w.shape, number, w.dtype) for number, w in enumerate(model.weights)])
    return model


@pytest.mark.parametrize("make", [sequential, functional, subclassed])
def test_free_of_history_and_complete(make: Callable[[], keras.Model], tmp_path: Path) -> None:
    first, second = filled(make()), filled(make())
    assert [w.path for w in first.weights] != [w.path for w in second.weights]  # Keras's own names
    assert hash_weights(first) == hash_weights(second) == save_weights(second, tmp_path / "w")
    loaded = safetensors.numpy.load_file(tmp_path / "w")
    assert sorted(float(w.flat[0]) for w in loaded.values()) == list(range(len(second.weights)))
    assert sha256_file(tmp_path / "w") == hash_weights(first)
    second.weights[-1].assign(second.weights[-1] + 1)
    assert hash_weights(second) != hash_weights(first)


def test_names_of_a_sequential_model() -> None:
    model = sequential()
    model.compile("adam", "mse", metrics=["mae"])
    with stream(0, "fit"):  # the optimiser, the metrics and the generators have states after this
        model.fit(np.zeros((4, 8, 8, 1)), np.zeros((4, 3)), verbose=0)
    normal = [f"batch_normalization/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")]
    convolutions = [
        f"{layer}/{name}" for layer in ("conv2d", "mine", "conv2d_1") for name in ("kernel", "bias")
    ]
    assert sorted(tensors(model)) == sorted([*normal, *convolutions, "logits/kernel", "logits/bias"])
    assert any("seed_generator_state" in variable.path for variable in model.variables)


def test_names_of_a_functional_model() -> None:
    dense = ["dense", "dense_1", "sequential/dense", "sequential/dense_1"]
    assert sorted(tensors(functional())) == sorted(
        f"{layer}/{name}" for layer in dense for name in ("bias", "kernel")
    )


def test_names_of_a_subclassed_model() -> None:
    names = set(tensors(subclassed()))
    dense = ["first", "second", "blocks/0", "blocks/1/0", "heads/a", "dense", "dense_1", "model/dense"]
    assert {name.removesuffix("/kernel") for name in names if name.endswith("/kernel")} > set(dense)
    assert {"variable", "offset", "recurrent/forward_layer/cell/kernel", "cells/cell/cells/1/bias"} < names
    assert not any(name.startswith("again") for name in names)


def test_our_numbers_never_take_a_users_name() -> None:
    class Kind(layers.Dense):
        """Keras would call these kind, kind_1 …"""

    for _ in range(3):
        Kind(1)  # so that Keras itself does not call one of the next two kind_1
    model = keras.Sequential([keras.Input((1,)), Kind(1), Kind(1), layers.Dense(1, name="kind_1")])
    assert {name.split("/")[0] for name in tensors(model)} == {"kind", "kind_1", "kind_2"}
    (user,) = (layer for layer in model.layers if layer.name == "kind_1" and type(layer) is layers.Dense)
    user.kernel.assign([[5.0]])
    assert np.frombuffer(tensors(model)["kind_1/kernel"].read(), np.float32)[0] == 5


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float64", "int8", "bool", "complex64", "complex128"]
)
def test_types(dtype: str) -> None:
    layer = layers.Layer()
    values = np.array([[0, 1, 1], [1, 0, 0]]).astype("float32" if dtype == "bfloat16" else dtype)
    layer.w = layer.add_weight(shape=(2, 3), dtype=dtype, initializer="zeros", name="w", trainable=False)
    layer.built = True
    layer.w.assign(keras.ops.cast(values, dtype))
    (name, tensor), *more = tensors(layer).items()
    assert not more
    assert name == ("w:complex128" if dtype == "complex128" else "w")
    content = bytes(tensor.read())
    if dtype == "bfloat16":
        assert content == (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    else:
        assert content == values.tobytes()
    assert len(content) == tensor.size
    assert weights.hash_tensors(tensors(layer)) == hash_weights(layer)


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Sequential 'unbuilt' has no weights yet: call it on a batch first"):
        save_weights(keras.Sequential([layers.Dense(2)], name="unbuilt"), tmp_path / "w")
    with pytest.raises(UsageError, match="expected a Keras model or layer, not dict"):
        save_weights({}, tmp_path / "w")
    model = sequential()
    with pytest.raises(UsageError, match="cannot write"):
        save_weights(model, tmp_path / "missing" / "w")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:.build\\(\\). was called")
def test_fails_closed_when_names_collide() -> None:
    class Parent(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.heads = {"a/kernel": layers.Dense(1), "a": layers.Layer()}
            part = layers.Dense(1, name="x")
            self.heads["a"].kernel = part

        def call(self, x: Any) -> Any:
            return self.heads["a/kernel"](self.heads["a"].kernel(x))

    model = Parent()
    model(np.zeros((1, 1), np.float32))
    with pytest.raises(UsageError, match="have no name of their own"):
        hash_weights(model)
