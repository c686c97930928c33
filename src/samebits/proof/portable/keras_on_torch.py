"""A small training in Keras on the torch backend, from exact data; prints its weights' sha256."""

import random

import keras
import numpy as np
import torch
from keras import layers

import samebits
import samebits.torch
from samebits.proof.portable import inputs


def main() -> None:
    """Convolution, normalisation, LSTM, dropout; AdamW as Keras has it."""
    samebits.torch.make_deterministic()
    random.seed(7)  # keras.utils.set_random_seed would import TensorFlow
    torch.manual_seed(7)
    images = inputs.numbers(96, 8, 8, 1, salt=1).astype(np.float32)
    labels = (inputs.integers(96, salt=2) % np.uint64(10)).astype(np.int64)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Reshape((16, 8)),
            layers.LSTM(12),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(0.01), loss=loss)
    model.fit(images, labels, epochs=2, batch_size=32, shuffle=False, verbose=0)
    print(samebits.torch.hash_weights({w.path: w.value for w in model.weights}))


if __name__ == "__main__":
    main()
