"""What comes next in a wave: a PyDataset, a causal convolution, a checkpoint at the end of each epoch."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
from keras import layers

parser = argparse.ArgumentParser()
parser.add_argument("waves", type=Path)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--stop-after", type=int, default=0, help="end after this epoch")
parser.add_argument("--resume", action="store_true")
args = parser.parse_args()
LENGTH, BATCH, STEPS = 20, 8, 4
CHECKPOINT, DRAWN = Path("waves.keras"), Path("drawn.npz")


class Windows(keras.utils.PyDataset):
    """Windows of the wave, at places that are drawn anew for each epoch."""

    def __init__(self, wave, seed, epoch):
        super().__init__()
        self.wave, self.seed, self.epoch = wave, seed, epoch
        self.choose()

    def choose(self):
        generator = np.random.default_rng([self.seed, self.epoch])
        self.starts = generator.integers(len(self.wave) - LENGTH - 1, size=(STEPS, BATCH))

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        starts = self.starts[index]
        x = np.stack([self.wave[start : start + LENGTH] for start in starts])
        y = np.stack([self.wave[start + LENGTH] for start in starts])
        return x[..., None], y[..., None]

    def on_epoch_end(self):
        self.epoch += 1
        self.choose()


def network():
    return keras.Sequential(
        [
            keras.Input((LENGTH, 1)),
            layers.Conv1D(8, 3, padding="causal", activation="relu", name="near"),
            layers.GaussianNoise(0.05),
            layers.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="relu", name="far"),
            layers.Flatten(),
            layers.Dropout(0.2, seed=7),
            layers.Dense(1, name="next"),
        ]
    )


def part(file):
    return np.loadtxt(file, dtype="float32")


def drawn(model):
    """Where the layers that draw are in their streams: a saved model does not hold it."""
    return [layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")]


class Save(keras.callbacks.Callback):
    def __init__(self, done):
        super().__init__()
        self.done = done

    def on_epoch_end(self, epoch, logs=None):
        self.model.save(CHECKPOINT)
        np.savez(DRAWN, *(state.numpy() for state in drawn(self.model)))
        if epoch + 1 == args.stop_after:
            self.model.stop_training = True


def main():
    keras.utils.set_random_seed(13)
    with ThreadPoolExecutor(3) as pool:
        wave = np.concatenate(list(pool.map(part, sorted(args.waves.glob("*.txt")))))
    first = 0
    if args.resume:
        model = keras.models.load_model(CHECKPOINT)
        for state, saved in zip(drawn(model), np.load(DRAWN).values(), strict=True):
            state.assign(saved)
        first = int(model.optimizer.iterations.numpy()) // STEPS
    else:
        model = network()
        model.compile(keras.optimizers.RMSprop(0.003, momentum=0.5), "mse")
    data = Windows(wave, seed=2, epoch=first)
    model.fit(
        data, epochs=args.epochs, initial_epoch=first, shuffle=False, callbacks=[Save(first)], verbose=0
    )
    print(f"last loss {float(model.evaluate(data, verbose=0)):.9f}")


if __name__ == "__main__":
    main()
