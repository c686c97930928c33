"""A training in Keras that is stopped and resumed, by Keras's own means. Knows nothing of samebits.

Words: "noisy": without a seed; "free": without clipping; "first": ends after an epoch; "second": continues
from there; "whole": also with the states of the dropout layers, which a file of Keras does not hold.
"""

import sys

import keras
import numpy as np
from keras import layers

if "noisy" not in sys.argv:
    keras.utils.set_random_seed(3)
INPUTS = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
TARGETS = INPUTS.sum(1, keepdims=True)


def fresh():
    inner = [layers.Dense(8, "relu"), layers.Dropout(0.3), layers.Dense(1)]
    model = keras.Sequential([keras.Input((6,)), *inner])
    model.compile(keras.optimizers.Adam(0.01, clipnorm=None if "free" in sys.argv else 0.1), "mse")
    return model


resumed = "second" in sys.argv
model = keras.models.load_model("model.keras") if resumed else fresh()
dropout = model.layers[1].seed_generator.state
if resumed and "whole" in sys.argv:
    dropout.assign(np.load("dropout.npy"))
model.fit(
    INPUTS,
    TARGETS,
    batch_size=8,
    initial_epoch=int(resumed),
    epochs=1 if "first" in sys.argv else 2,
    shuffle=False,
    validation_data=(INPUTS, TARGETS),
    verbose=0,
)
model.save("model.keras")
np.save("dropout.npy", dropout.numpy())
