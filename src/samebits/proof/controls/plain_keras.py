"""What a Keras script without samebits does."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

import samebits.keras
import samebits.run.loop
from samebits.hashing.batches import NONE
from samebits.proof.controls.plain import GlobalGenerator, do_nothing, patch


class PlainDataset(keras.utils.PyDataset):
    """As tutorials write one: shuffled at the end of an epoch, augmented where a batch is made.

    Between them its draws use every global generator: the order TensorFlow's, the brightness of a batch
    Keras's, the augmentation Python's and NumPy's.
    """

    latest_digest = NONE  # nobody looks at the batches of a plain script

    def __init__(
        self, x: np.ndarray, y: np.ndarray, batch_size: int, shuffle: bool, augment: Any, workers: int
    ) -> None:
        super().__init__(workers=workers)
        self.x, self.y, self.batch_size, self.augment = x, y, batch_size, augment
        self.shuffle = shuffle
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        brightness = float(keras.random.uniform((), 0.9, 1.1))
        samples = [self.augment(sample, GlobalGenerator()) for sample in self.x[chosen]]
        return np.stack(samples) * np.float32(brightness), self.y[chosen]

    def on_epoch_end(self) -> None:
        self.order = np.arange(len(self.x))
        if self.shuffle:
            self.order = tf.random.shuffle(self.order).numpy()


def dataset(
    x: np.ndarray,
    y: np.ndarray,
    *,
    seed: int,
    name: str = "train",
    batch_size: int = 32,
    shuffle: bool = False,
    augment: Any = None,
    workers: int = 1,
) -> PlainDataset:
    return PlainDataset(x, y, batch_size, shuffle, augment or (lambda sample, rng: sample), workers)


def install() -> None:
    """Put it in the place of samebits' dataset, and take the seeding of each step away."""
    patch(samebits.keras, dataset=dataset)
    patch(samebits.run.loop, seed_step=do_nothing)
