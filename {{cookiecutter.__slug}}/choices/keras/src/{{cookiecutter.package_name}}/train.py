"""Train a small convolutional network on handwritten digits, with Keras."""

import keras

import samebits.keras

from .data import augment, load_digits
from .model import build_model
from .settings import Settings


def train(settings: Settings) -> None:
    train_split, test_split = load_digits(settings.data)

    with samebits.keras.open_run(settings) as run:
        with run.stream("initialisation"):
            model = build_model(settings.dropout)
        model.compile(
            optimizer=keras.optimizers.AdamW(settings.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        run.fit(
            model,
            train_split.images,
            train_split.labels,
            augment=augment,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            workers=settings.workers,
            validation_data=(test_split.images, test_split.labels),
        )
        run.finish(model)


if __name__ == "__main__":
    samebits.main(train, Settings)
