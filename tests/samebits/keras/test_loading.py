"""The batches follow from (seed, name, epoch), whatever Keras, its threads and the generators do."""

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from samebits.errors import UsageError
from samebits.hashing.batches import batch_digest
from samebits.keras import dataset
from samebits.keras.loading import Batch, Dataset
from samebits.rng.isolation import stream

X = np.arange(50, dtype=np.float32).reshape(50, 1)
Y = np.arange(50)


def noise(sample: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    time.sleep(rng.random() / 2000)  # threads finish in another order than they start
    return sample + rng.random(sample.shape, np.float32) / 2


def make(**options: Any) -> Dataset:
    return dataset(X, Y, **{"seed": 7, "batch_size": 8, "shuffle": True, "augment": noise} | options)


def seen(batches: Any) -> list[list[float]]:
    return [batch[0].ravel().tolist() for batch in batches]


class Recorder(keras.Model):
    """Remembers what it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones")
        self.steps: list[list[float]] = []
        self.compile("sgd", "mse", run_eagerly=True)

    def call(self, x: Any) -> Any:
        return x * self.scale

    def train_step(self, data: Any) -> dict[str, Any]:
        self.steps.append(data[0].numpy().ravel().tolist())
        return super().train_step(data)


def in_one(epochs: list[list[list[float]]]) -> list[list[float]]:
    return [batch for epoch in epochs for batch in epoch]


def trained(data: Dataset, epochs: int = 3, **options: Any) -> list[list[float]]:
    model = Recorder()
    model.fit(data, epochs=epochs, verbose=0, **options)
    return model.steps


@pytest.fixture(scope="module")
def expected() -> list[list[list[float]]]:
    """Three epochs of batches, prepared without threads or Keras."""
    data = make(workers=0)
    return [seen(data) for _ in range(3)]


def test_every_epoch_has_every_sample_in_another_order(expected: list[list[list[float]]]) -> None:
    orders = [[int(value) for batch in epoch for value in batch] for epoch in expected]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert [len(batch) for batch in expected[0]] == [8] * 6 + [2]
    noises = {value % 1 for epoch in expected for batch in epoch for value in batch}
    assert len(noises) == 150


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 4}, {"workers": 4, "max_queue_size": 1}])
def test_workers_do_not_matter(options: dict[str, int], expected: list[list[list[float]]]) -> None:
    data = make(**options)
    assert [seen(data) for _ in range(3)] == expected


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_fit_trains_on_these_batches(workers: int, expected: list[list[list[float]]]) -> None:
    data = make(workers=workers)
    validation = make(name="validation", workers=workers)
    random.seed(threading.get_native_id() + time.time_ns())  # Keras shuffles with this one, and must not here
    assert trained(data, validation_data=validation) == in_one(expected)
    assert (data.epoch, validation.epoch) == (3, 3)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_fit_by_parts(expected: list[list[list[float]]]) -> None:
    # Of 7 batches Keras makes epochs of 3, 3 and 1 steps.
    assert trained(make(workers=4), epochs=7, steps_per_epoch=3) == in_one(expected)[:17]
    data = make()
    assert trained(data, epochs=1) + trained(data, epochs=2) == in_one(expected)
    data = make()
    data.set_epoch(2)
    assert trained(data, epochs=1) == expected[2]


def test_epochs_of_one_batch() -> None:
    data = make(batch_size=50)
    batches = [seen(data)[0] for _ in range(3)]
    data = make(batch_size=50)
    assert trained(data) == batches
    assert data.epoch == 3


def test_an_abandoned_pass_does_not_count(expected: list[list[list[float]]]) -> None:
    data = make(workers=4)
    for _ in data:
        break
    assert seen(data) == expected[0]


def test_only_seed_name_epoch_and_index_matter(expected: list[list[list[float]]]) -> None:
    assert seen(make(seed=8)) != expected[0]
    for name, options in (("order", {"augment": None}), ("noise", {"shuffle": False})):
        assert seen(make(name=name, **options)) != seen(make(**options))
    in_order = make(shuffle=False)
    assert [int(value) for batch in seen(in_order) for value in batch] == list(range(50))
    assert {value for batch in seen(make(shuffle=False)) for value in batch} == {
        value for batch in expected[0] for value in batch
    }
    assert np.array_equal(make()[3][0].ravel(), expected[0][3])
    assert make()[3][1].tolist() == [int(value) for value in expected[0][3]]


def digests(data: Dataset) -> list[bytes | None]:
    return [data.latest_digest for _ in data]


def test_digests() -> None:
    assert make().latest_digest is None
    data = make()
    first, second = digests(data), digests(data)
    assert first == digests(make(workers=0)) != second
    plain = dataset(X, Y, seed=7, batch_size=25)
    assert (
        digests(plain) == digests(plain) == [batch_digest((X[:25], Y[:25])), batch_digest((X[25:], Y[25:]))]
    )


@pytest.mark.parametrize("workers", [0, 4])
@pytest.mark.parametrize("first", [0, 3, 6, 7])
def test_a_pass_begins_within_an_epoch(
    workers: int, first: int, expected: list[list[list[float]]], recwarn: pytest.WarningsRecorder
) -> None:
    asked: list[float] = []

    def noted(sample: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        asked.append(float(sample[0]))
        return noise(sample, rng)

    data = make(augment=noted, workers=workers)
    asked.clear()  # of what was tried when the dataset was made
    data.begin_at(1, first)
    assert seen(data) == expected[1][first:]
    assert len(asked) == sum(map(len, expected[1][first:]))  # nothing is prepared for the batches before
    assert seen(data) == expected[2]
    for epochs in (1, 2):
        data.begin_at(1, first)
        assert trained(data, epochs) == in_one(expected[1:])[first : epochs * 7]
        assert data.epoch == 1 + epochs
    # Keras does not say that it ran out of data.
    assert [str(warning.message) for warning in recwarn if "ran out of data" in str(warning.message)] == []


def draws_from_globals(sample: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    global_numbers = random.random() + np.random.rand()
    return sample + (global_numbers + rng.random()) / 8


@pytest.mark.parametrize("epochs", [1, 2])
def test_global_draws_follow_from_the_sample_whatever_the_number_of_threads(epochs: int) -> None:
    def trained_by(workers: int) -> list[list[float]]:
        data = make(augment=draws_from_globals, workers=workers)
        assert data.draws_globally
        return trained(data, epochs)

    first = trained_by(0)
    random.seed(5)
    np.random.seed(5)
    state = random.getstate()
    assert trained_by(4) == first
    assert random.getstate() == state  # the training's own generators do not notice
    assert len({number for batch in first for number in batch}) == 50 * epochs
    assert not make().draws_globally


RNG = np.random.default_rng(0)


def test_draws_that_cannot_be_seeded_for_a_sample_are_refused() -> None:
    kept = random.Random(0)
    unseedable = {
        r"augment's kept is a random\.Random": lambda sample, rng: sample + kept.random(),
        "augment's RNG is a numpy.random._generator.Generator": lambda sample, rng: sample + RNG.random(),
        "augment draws from TensorFlow's global": lambda sample, rng: sample + tf.random.uniform(()).numpy(),
        "augment draws from Keras's global": lambda sample, rng: sample + keras.random.uniform(()).numpy(),
        r"augment\.generator is a keras": keras.layers.RandomFlip(),
    }
    for words, augment in unseedable.items():
        with pytest.raises(UsageError, match=words) as caught, stream(0, "TensorFlow draws only when seeded"):
            make(augment=augment)
        assert "\n" not in str(caught.value)


def test_weights_inputs_only_evaluate_and_predict() -> None:
    batch: Batch = next(iter(dataset(X, Y, sample_weight=X[:, 0], seed=0)))
    assert [part.shape for part in batch] == [(32, 1), (32,), (32,)]
    model = Recorder()
    assert model.predict(dataset(X, seed=0), verbose=0).tolist() == X.tolist()
    assert model.evaluate(dataset(X, X, seed=0), verbose=0) == 0


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            lambda: dataset(X, Y[1:], seed=0),
            r"'train' got arrays of \[50, 49\] samples: equal lengths are needed",
        ),
        (lambda: dataset(X[:0], seed=0), r"arrays of \[0\] samples"),
        (lambda: dataset(X, seed=-1), "seed is -1"),
        (lambda: make(batch_size=0), "batch_size=0: it must be at least 1"),
        (lambda: make(workers=-1), "workers=-1: it must be at least 0"),
        (lambda: make(max_queue_size=0), "max_queue_size=0"),
        (lambda: make().set_epoch(-1), "set to epoch -1"),
        (lambda: make().begin_at(0, 8), "set to batch 8 of 7"),
        (lambda: trained(make(), class_weight={0: 2.0}), "class_weight was given beside dataset 'train'"),
        (lambda: trained(make(), sample_weight=X), "sample_weight was given beside dataset"),
    ],
)
def test_wrong_use_is_one_line(act: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_several_devices_are_refused() -> None:
    class Strategy:
        num_replicas_in_sync = 2

    class EpochIterator:
        """As Keras's own calls its adapter."""

        def __init__(self, distribute_strategy: Any, **kwargs: Any) -> None:
            make().get_tf_dataset()

    with pytest.raises(UsageError, match="dataset 'train' feeds one device"):
        EpochIterator(Strategy())


# Trains a network in four ways and prints a hash of each. Its argument: how many workers our dataset has.
TRAIN = """
import json, random, sys
import keras, numpy as np, samebits, samebits.keras

samebits.seed_everything(1)
samebits.keras.make_deterministic()
x = np.random.default_rng(0).normal(size=(96, 6, 6, 1)).astype("float32")
y = (x.sum((1, 2, 3)) > 0).astype("int64")

def flip(sample, rng):
    return sample[:, ::-1] if rng.random() < 0.5 else sample

class Plain(keras.utils.PyDataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return x[index * 8 : index * 8 + 8], y[index * 8 : index * 8 + 8]

def hash_after(*data, **options):
    layers = keras.layers
    with samebits.stream(5, "model"):
        model = keras.Sequential([layers.Flatten(), layers.Dropout(0.5), layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(*data, epochs=2, verbose=0, **options)
    return samebits.keras.hash_weights(model)

workers = int(sys.argv[1])
ours = samebits.keras.dataset(x, y, seed=3, batch_size=8, shuffle=True, augment=flip, workers=workers)
print(json.dumps({
    "ours": hash_after(ours),
    "digest": ours.latest_digest.hex(),
    "PyDataset": hash_after(Plain(workers=4), shuffle=True),
    "arrays": hash_after(x, y, batch_size=8, shuffle=True),
    "arrays in order": hash_after(x, y, batch_size=8, shuffle=False),
}))
"""


def test_two_processes_train_the_same_weights(start: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    first, second = (start("python", "-c", TRAIN, workers) for workers in (0, 4))
    results = json.loads(first.stdout or first.stderr)
    assert results == json.loads(second.stdout or second.stderr)
    assert len({results[way] for way in ("ours", "PyDataset", "arrays", "arrays in order")}) == 4


@pytest.mark.parametrize(("ends", "numbers"), [(True, [[5, 5], [6, 6]]), (False, [[5], [6]])])
def test_what_is_left_of_a_pass_is_counted_as_this_keras_counts(
    monkeypatch: pytest.MonkeyPatch, ends: bool, numbers: list[list[int]]
) -> None:
    """Keras 3.10 takes a step's first batch only. What it takes is what its own iterator gives."""
    from keras.src.backend.tensorflow.trainer import TFEpochIterator

    from samebits.keras import loading

    data = make()
    passes = TFEpochIterator(x=data, distribute_strategy=tf.distribute.get_strategy())
    assert len(next(iter(TFEpochIterator._enumerate_iterator(passes)))) == (3 if loading.ENDS else 2)
    data.begin_at(0, 5)
    monkeypatch.setattr(loading, "ENDS", ends)
    assert [counted for *counted, _ in passes._enumerate_iterator()] == numbers
