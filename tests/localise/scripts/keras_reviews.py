"""Are the words kind or not? Files of words from folders, an embedding and a GRU, arrays in model.fit."""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

FOLDER = Path(sys.argv[1])
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 21
LENGTH, BATCH = 12, 8


def read():
    """The words of each file, and whether they are kind, as its folder says."""
    files = sorted(FOLDER.glob("*/*.txt"))
    return [file.read_text().split() for file in files], [file.parent.name == "kind" for file in files]


def numbers(texts):
    vocabulary = sorted({word for text in texts for word in text})
    known = {word: number for number, word in enumerate(vocabulary, 1)}
    table = np.zeros((len(texts), LENGTH), dtype="int32")
    for row, text in zip(table, texts, strict=True):
        row[: len(text)] = [known[word] for word in text[:LENGTH]]
    return table, len(vocabulary) + 1


def network(words):
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(words, 8, name="words")(inputs)
    x = layers.SpatialDropout1D(0.1)(x)
    x = layers.GRU(12, name="reader")(x)
    x = layers.Dense(8, activation="tanh", name="middle")(x)
    x = layers.Dropout(0.2)(x)
    kind = layers.Dense(1, name="kind")(x)
    length = layers.Dense(1, name="length")(x)
    return keras.Model(inputs, {"kind": kind, "length": length})


def main():
    keras.utils.set_random_seed(SEED)
    texts, kind = read()
    x, words = numbers(texts)
    y = {
        "kind": np.array(kind, dtype="float32")[:, None],
        "length": (x > 0).mean(1, keepdims=True).astype("float32"),
    }
    model = network(words)
    rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=12, warmup_target=0.02, warmup_steps=3)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, epsilon=1e-7, global_clipnorm=1.0)
    losses = {"kind": keras.losses.BinaryCrossentropy(from_logits=True), "length": "mse"}
    model.compile(optimizer, losses, loss_weights={"kind": 1.0, "length": 0.5})
    history = model.fit(x, y, BATCH, EPOCHS, verbose=0)
    print(f"last loss {history.history['loss'][-1]:.9f}")


if __name__ == "__main__":
    main()
