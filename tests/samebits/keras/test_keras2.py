"""Keras 2's classes are refused wherever they hide, and Keras 3's are not."""

from typing import Any

import keras
import pytest
import tensorflow as tf
from tensorflow.python.keras.engine.sequential import Sequential as OldSequential
from tensorflow.python.keras.layers import Dense as OldDense
from tensorflow.python.keras.optimizer_v2.adam import Adam as OldAdam

from samebits.errors import UsageError
from samebits.keras import hash_weights, require_keras3

# Not installed here: a class that says it comes from there.
TfKerasDense = type("Dense", (), {"__module__": "tf_keras.src.layers.core.dense", "name": "out"})


class Inherited(OldDense):  # type: ignore[misc]
    pass


class Hiding(keras.Model):
    """A Keras 3 model with an old layer in a dictionary in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = [{"a": OldDense(2, name="old")}]


@pytest.mark.parametrize(
    ("thing", "line"),
    [
        (
            OldDense(2, name="d"),
            "Dense 'd' comes from tensorflow.python.keras, which is Keras 2: `import keras`",
        ),
        (OldDense, "Dense comes from tensorflow.python.keras"),
        (Inherited(2, name="mine"), "Inherited 'mine' (by way of Dense) comes from tensorflow.python.keras"),
        (OldSequential([OldDense(2)], name="m"), "Sequential 'm' comes from tensorflow.python.keras"),
        (OldAdam(), "Adam comes from tensorflow.python.keras"),
        (TfKerasDense(), "Dense 'out' comes from tf_keras, which is Keras 2: `import keras`"),
        (Hiding(), "Dense 'old' comes from tensorflow.python.keras"),
    ],
    ids=["layer", "class", "inherited", "model", "optimiser", "tf_keras", "hidden"],
)
def test_refused(thing: Any, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_keras3(keras.layers.Dense(1), thing)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_says_what_to_import() -> None:
    for thing, instead in [
        (OldDense, "keras.layers.Dense"),
        (OldSequential, "keras.Sequential"),
        (OldAdam, "keras.optimizers.Adam"),
    ]:
        with pytest.raises(UsageError, match=f"use {instead}$"):
            require_keras3(thing)


def test_keras_3_passes() -> None:
    model = keras.Sequential([keras.Input((3,)), tf.keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    model.compile("adam", "mse", metrics=["mae"])
    lookalike = type("Dense", (), {"__module__": "tf_keras_of_mine"})
    require_keras3(
        model, model.optimizer, keras.layers.Dense, tf.keras.layers.Dense, lookalike(), None, "adam"
    )


def test_saving_refuses_too() -> None:
    with pytest.raises(UsageError, match="which is Keras 2"):
        hash_weights(Hiding())
