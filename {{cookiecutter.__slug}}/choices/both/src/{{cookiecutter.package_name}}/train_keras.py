"""Train a small convolutional network on handwritten digits, with Keras."""

import keras

import samebits
import samebits.keras

from .data import augment, load_digits
from .model_keras import build_model
from .settings import Settings


def train(settings: Settings) -> None:
    device = samebits.keras.choose_device(settings.device)
    samebits.keras.make_deterministic()
    samebits.seed_everything(settings.seed)
    train_split, test_split = load_digits(settings.data)

    with samebits.open_run(settings, framework="keras", device=device) as run:
        train_set = samebits.keras.dataset(
            train_split.images,
            train_split.labels,
            seed=settings.seed,
            batch_size=settings.batch_size,
            shuffle=True,
            augment=augment,
            workers=settings.workers,
        )

        with run.stream("initialisation"):
            model = build_model(settings.dropout)
        model.compile(
            optimizer=keras.optimizers.AdamW(settings.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(
            train_set,
            epochs=settings.epochs,
            shuffle=False,  # the dataset has an order of its own, derived from seed and epoch
            verbose=0,
            validation_data=(test_split.images, test_split.labels),
            validation_freq=settings.evaluated_epochs(),
            callbacks=[samebits.keras.RunLog(run, train_set)],  # an interrupted run resumes where it was
        )
        run.finish(model)


if __name__ == "__main__":
    samebits.main(train, Settings)
