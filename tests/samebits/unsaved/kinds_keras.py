"""Small trainings in Keras, each with state that no checkpoint holds: `python kinds_keras.py FOLDER NAME…`.

As kinds.py does; of a training that is refused, the line.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

import samebits.keras
import samebits.run.plots
from samebits.unsaved import watch

X = np.random.default_rng(0).standard_normal((48, 8)).astype("float32")
Y = X.sum(1, keepdims=True)


class Half(keras.layers.Layer):
    """Counts its calls, in Python."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def call(self, x):
        return x * 0.5


def made(run, *more):
    with run.stream("initialisation"):
        layers = [keras.layers.Dense(16, "tanh"), keras.layers.Dropout(0.1), *more, keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((8,)), *layers])
    model.compile(keras.optimizers.SGD(0.02), "mse")
    return model


def fit(run, model, *callbacks, **options):
    run.fit(model, X, Y, batch_size=8, epochs=3, callbacks=callbacks, **options)
    run.finish(model)


def control(run):
    fit(run, made(run), keras.callbacks.ReduceLROnPlateau("loss"), keras.callbacks.EarlyStopping("loss"))


def callback_with_a_closure(run):
    model = made(run)

    def shrinking():
        seen = 0

        def on_train_batch_end(batch, logs):
            nonlocal seen
            seen += 1
            model.optimizer.learning_rate = 0.05 / (1 + seen / 4)

        return keras.callbacks.LambdaCallback(on_train_batch_end=on_train_batch_end)

    fit(run, model, shrinking())


def callback_with_a_number(run):
    class Counting(keras.callbacks.Callback):  # which run.fit saves
        def __init__(self):
            super().__init__()
            self.seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            self.model.optimizer.learning_rate = 0.05 / (1 + self.seen / 4)

    fit(run, made(run), Counting())


def callable_in_a_callback(run):
    class Factor:
        def __init__(self):
            self.calls = 0

        def __call__(self):
            self.calls += 1
            return 0.05 / self.calls

    class Schedule(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.factor = Factor()

        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = self.factor()

    fit(run, made(run), Schedule())


class Teacher(keras.callbacks.Callback):
    def __init__(self, teacher):
        super().__init__()
        self.teacher = teacher

    def on_train_batch_end(self, batch, logs=None):
        for mine, theirs in zip(self.teacher.weights, self.model.weights, strict=True):
            mine.assign(0.9 * mine + 0.1 * theirs)


def model_in_a_callback(run):
    fit(run, made(run), Teacher(made(run)))


def model_in_a_callback_held(run):
    teacher = made(run)
    fit(run, made(run), Teacher(teacher), checkpoint={"teacher": teacher})


def the_model_itself_in_a_callback(run):
    class Own(keras.callbacks.Callback):
        def __init__(self, net):
            super().__init__()
            self.net = net

    model = made(run)
    fit(run, model, Own(model))


def attribute_of_a_layer(run):
    half = Half()
    model = made(run, half)

    class Calling(keras.callbacks.Callback):
        stateless = True

        def on_train_batch_end(self, batch, logs=None):
            half.calls += 1

    fit(run, model, Calling())


class Weighted:
    """The user's own weight of the samples, held by name."""

    def __init__(self):
        self.weights, self.calls = np.ones(8), 0

    def after(self, loss):
        self.calls += 1
        self.weights *= 1 + 0.01 * self.calls * loss


def held_object(run):
    model = made(run)
    weighted = Weighted()
    train_set = run.dataset(X, Y, batch_size=8, shuffle=True)
    samebits.keras.build(model, train_set)
    run.checkpoint(model=model, weighted=weighted)
    for _ in run.epochs(3):
        for x, y in run.batches(train_set):
            weighted.after(float(model.train_on_batch(x, y, sample_weight=weighted.weights)))
    run.finish(model)


def lists_in_a_callback(run):
    """A list that another object shares, and what it decides."""

    class Keeping(keras.callbacks.Callback):
        def __init__(self, losses):
            super().__init__()
            self.losses = losses

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(float(logs["loss"]))

    class Reading(keras.callbacks.Callback):
        stateless = True

        def __init__(self, losses):
            super().__init__()
            self.losses = losses

        def on_train_batch_end(self, batch, logs=None):
            self.model.optimizer.learning_rate = 0.02 / (1 + sum(self.losses) / 10)

    losses = []
    fit(run, made(run), Keeping(losses), Reading(losses))


def rate_of_dropout(run):
    class Less(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.layers[1].rate *= 0.9

    fit(run, made(run), Less())


def generator_of_ones_own(run):
    rng = np.random.default_rng(5)

    class Noise(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = 0.02 + 0.01 * rng.random()

    fit(run, made(run), Noise())


def own_loop(run):
    model = made(run)
    train_set = run.dataset(X, Y, batch_size=8, shuffle=True)
    samebits.keras.build(model, train_set)
    run.checkpoint(model=model)
    step = 0
    for _ in run.epochs(3):
        for x, y in run.batches(train_set):
            step += 1
            model.optimizer.learning_rate = 0.02 * min(1.0, step / 12)
            model.train_on_batch(x, y)
    run.finish(model)


def tensorflows_iterator(run):
    import tensorflow as tf

    model = made(run)
    train_set = run.dataset(X, Y, batch_size=8, shuffle=True)
    samebits.keras.build(model, train_set)
    run.checkpoint(model=model)
    more = iter(tf.data.Dataset.from_tensor_slices(X).shuffle(48, seed=1).repeat().batch(8))
    for _ in run.epochs(3):
        for x, y in run.batches(train_set):
            model.train_on_batch(x + next(more).numpy(), y)
    run.finish(model)


def main(folder, *names):
    samebits.run.plots.draw = lambda metrics: b""
    watch.FOR_STEPS, watch.SECONDS = 600.0, 900.0  # what is named must not depend on the machine's speed
    for name in names:
        place = Path(folder) / name
        try:
            with samebits.keras.open_run({"seed": 0}, device="cpu", folder=place) as run:
                globals()[name](run)
        except SystemExit:  # SAMEBITS_STOP_AT
            continue
        except samebits.UsageError as error:
            print(f"FOUND {json.dumps({name: str(error)})}", flush=True)
            continue
        manifest = json.loads((place / "manifest.json").read_text())
        print(f"FOUND {json.dumps({name: manifest['unsaved']})}", flush=True)
        print(f"SHA256 {json.dumps({name: manifest['weights_sha256']})}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
