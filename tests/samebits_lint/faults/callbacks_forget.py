"""The backup has no state of the callback that lowers the learning rate."""

import keras

keras.utils.set_random_seed(0)


def fit(model, x, y):
    callbacks = [keras.callbacks.BackupAndRestore("backup"), keras.callbacks.ReduceLROnPlateau("loss")]
    model.fit(x, y, epochs=9, callbacks=callbacks)
