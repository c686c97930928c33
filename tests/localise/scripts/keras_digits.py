"""scikit-learn's handwritten digits with a small convnet, tf.data and model.fit."""

import argparse

import keras
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=4)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=32)
args = parser.parse_args()
TRAIN, HELD = 160, 64


def brighten(image, target):
    """Another brightness and a little noise for each picture."""
    image = image * tf.random.uniform([], 0.9, 1.1) + tf.random.normal(tf.shape(image), stddev=0.02)
    return image, target


def load():
    digits = load_digits()
    images = (digits.images[..., None] / 16.0).astype("float32")
    return images, keras.utils.to_categorical(digits.target)


def network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same", use_bias=False, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu", name="second"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, name="head"),
        ]
    )


def slower(epoch, rate):
    return rate if epoch < 1 else rate * 0.5


def main():
    keras.utils.set_random_seed(args.seed)
    images, targets = load()
    train = tf.data.Dataset.from_tensor_slices((images[:TRAIN], targets[:TRAIN]))
    train = train.shuffle(TRAIN).map(brighten).batch(args.batch_size)
    held = (images[TRAIN : TRAIN + HELD], targets[TRAIN : TRAIN + HELD])
    model = network()
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.5)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05)
    model.compile(optimizer, loss)
    callbacks = [keras.callbacks.LearningRateScheduler(slower)]
    history = model.fit(train, epochs=args.epochs, validation_data=held, callbacks=callbacks, verbose=0)
    print(f"last loss {history.history['loss'][-1]:.9f}")


if __name__ == "__main__":
    main()
