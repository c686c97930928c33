"""Keras's callbacks that react to evaluation, in a run whose settings promise that it decides nothing."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Started

TRAIN = """
import dataclasses, json, sys
import keras
import numpy as np
import samebits
import samebits.keras

@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = 0
    validate: bool = samebits.option(True, "validate", affects_weights=False)

class Stopper(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.best, self.bad = None, 0
    def on_epoch_end(self, epoch, logs=None):
        if self.best is None or -logs["val_loss"] > self.best and epoch != 2:
            self.best = -logs["val_loss"]
        else:
            self.bad += 1

CASES = {
    "early": lambda: keras.callbacks.EarlyStopping("val_loss", patience=3),
    "plateau": lambda: keras.callbacks.ReduceLROnPlateau("val_loss", patience=3),
    "own": Stopper,
    "training": lambda: keras.callbacks.EarlyStopping("loss", patience=3),
    "best": lambda: keras.callbacks.ModelCheckpoint("best.keras", "val_loss", save_best_only=True),
}
x = np.random.default_rng(0).normal(size=(16, 3)).astype("f4")
samebits.seed_everything(0)
decides = {}
for case, make in CASES.items():
    with samebits.open_run(Settings(), framework="keras", folder=case) as run:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization(),
                                  keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        data = samebits.keras.dataset(x, x.sum(1, keepdims=True), seed=0, batch_size=4)
        model.fit(data, epochs=4, shuffle=False, verbose=0, validation_data=(x + 1, x[:, :1]),
                  callbacks=[make(), samebits.keras.RunLog(run, data)])
        run.finish(model)
    decides[case] = json.load(open(f"{case}/manifest.json"))["evaluation_decides"]
print("\\n" + json.dumps(decides))
"""


def test_callbacks_that_watch_evaluation_are_said_by_name(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    done = start("python", "train.py", cwd=tmp_path, SAMEBITS_ALLOW=None)
    assert done.returncode == 0, done.stderr
    watched = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"early')))
    line = "evaluation decides how the training continues: {}. So validate affects the weights: remove "
    line += "affects_weights=False from that setting"
    assert watched == {
        "early": [line.format("EarlyStopping watches val_loss")],
        "plateau": [line.format("ReduceLROnPlateau watches val_loss")],
        "own": [line.format("Stopper.best follows val_loss")],
        "training": [],
        "best": [],
    }
    said = [text for text in done.stderr.splitlines() if text.startswith("samebits: evaluation")]
    assert said == [f"samebits: {lines[0]}" for lines in watched.values() if lines]
