"""A training with Keras's `fit`, which saves by a callback. Knows nothing of samebits."""

import sys

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(3)
inputs = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
targets = inputs.sum(1, keepdims=True)
if "backup" in sys.argv:
    often = 3 if "often" in sys.argv else "epoch"
    callback, begun = keras.callbacks.BackupAndRestore("out", save_freq=often, delete_checkpoint=False), 0
else:
    callback, begun = keras.callbacks.ModelCheckpoint("out/{epoch}.keras"), 0
if "--load" in sys.argv:
    path = sys.argv[sys.argv.index("--load") + 1]
    model, begun = keras.models.load_model(path), int(path.split("/")[-1].split(".")[0])
else:
    hidden = [layers.Dense(8, "relu"), *([layers.Dropout(0.3)] if "dropout" in sys.argv else [])]
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
callbacks = [callback]
if "early" in sys.argv:  # the loss never rises, so it stops after three epochs
    callbacks.append(keras.callbacks.EarlyStopping("loss", mode="max", patience=2))
model.fit(
    inputs,
    targets,
    batch_size=8,
    epochs=5 if "early" in sys.argv else 3,
    initial_epoch=begun,
    shuffle=False,
    callbacks=callbacks,
    verbose=0,
)
