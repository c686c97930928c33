"""Trains two small models in Keras's own loop, and prints the processor's seconds of each one's steps.

`make bench ARGS=record` runs it with and without a record. The first epoch, in which the graph is traced, is
not measured.
"""

import time

import keras
import numpy as np
from keras import layers

BATCHES = 10


def convolutional() -> tuple[keras.Model, tuple[int, ...], int]:
    """1.2 million parameters, images of 32 × 32."""
    inner = [
        layers.Conv2D(32, 3, activation="relu", padding="same"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(256, "relu"),
        layers.Dropout(0.5),
        layers.Dense(10),
    ]
    return keras.Sequential([keras.Input((32, 32, 3)), *inner]), (32, 32, 3), 64


def dense() -> tuple[keras.Model, tuple[int, ...], int]:
    """0.7 million parameters, rows of 784."""
    inner = [layers.Dense(512, "relu"), layers.Dense(512, "relu"), layers.Dense(10)]
    return keras.Sequential([keras.Input((784,)), *inner]), (784,), 128


for name, (make, epochs) in {"small CNN": (convolutional, 4), "dense net": (dense, 8)}.items():
    keras.utils.set_random_seed(0)
    model, shape, size = make()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
    inputs = np.random.default_rng(0).random((BATCHES * size, *shape), dtype="float32")
    labels = np.arange(len(inputs)) % 10
    model.fit(inputs, labels, batch_size=size, verbose=0)
    began = time.process_time()
    model.fit(inputs, labels, batch_size=size, epochs=epochs, verbose=0)
    print(f"{name} in Keras, batch {size}={BATCHES * epochs}={time.process_time() - began}")
