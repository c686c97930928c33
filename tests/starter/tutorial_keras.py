"""Train a small convolutional network on handwritten digits, with Keras."""

import keras
import numpy as np

from .data import augment, load_digits
from .model_keras import build_model
from .settings import Settings


def train(settings: Settings) -> None:
    keras.utils.set_random_seed(settings.seed)
    train_split, test_split = load_digits(settings.data)

    rng = np.random.default_rng(0)
    augmented = np.stack([augment(image, rng) for image in train_split.images])

    model = build_model(settings.dropout)
    model.compile(
        optimizer=keras.optimizers.AdamW(settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        augmented,
        train_split.labels,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        validation_data=(test_split.images, test_split.labels),
    )
    model.save_weights("model.weights.h5")


if __name__ == "__main__":
    train(Settings())
