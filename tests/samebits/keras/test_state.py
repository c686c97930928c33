"""What a checkpoint has of Keras's objects, and that they take it back."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import samebits.keras
from samebits.checkpoint import files
from samebits.checkpoint.state import TrainingState
from samebits.errors import UsageError
from samebits.keras import state

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = (X.sum(1) > 0).astype("int64")


def make(units: int = 3, optimizer: Any = None, **options: Any) -> keras.Model:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(units), layers.Dropout(0.5), layers.BatchNormalization()]
    )
    optimizer = optimizer or keras.optimizers.AdamW(0.01, use_ema=True, gradient_accumulation_steps=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True, **options)
    samebits.keras.build(model, [(X, Y)])
    return model


def round_trip(folder: Path, held: dict[str, Any], into: dict[str, Any]) -> None:
    """Write what is held to disk, and give it to other objects of the same names."""
    content, tensors = TrainingState(held, state).capture()
    checkpoint = files.read(files.write(folder, 1, {"state": json.loads(json.dumps(content))}, tensors))
    taker = TrainingState(into, state)
    taker.check(checkpoint.content["state"], checkpoint.tensors)
    taker.restore(checkpoint.content["state"], checkpoint.tensors)


def values(model: keras.Model) -> list[np.ndarray]:
    return [
        variable.numpy()
        for variable in (*model.variables, *model.optimizer.variables, *model.metrics_variables)
    ]


def test_a_model_continues_bit_by_bit(tmp_path: Path) -> None:
    model, other = make(), make()
    for _ in range(3):  # in the middle of an accumulation, of an epoch's metrics, of the dropout's stream
        model.train_on_batch(X, Y)
    round_trip(tmp_path, {"model": model}, {"model": other})
    for _ in range(3):
        assert model.train_on_batch(X, Y) == other.train_on_batch(X, Y)
    assert len(values(model)) == len(values(other)) == 29
    for here, there in zip(values(model), values(other), strict=True):
        assert here.tobytes() == there.tobytes()


def test_a_loss_scale_is_held(tmp_path: Path) -> None:
    def scaled() -> keras.optimizers.Optimizer:
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), dynamic_growth_steps=2)

    model, other = make(optimizer=scaled()), make(optimizer=scaled())
    for _ in range(3):
        model.train_on_batch(X, Y)
    round_trip(tmp_path, {"model": model}, {"model": other})
    assert float(other.optimizer.dynamic_scale) == 2.0**16
    assert int(other.optimizer.step_counter) == 1
    assert int(other.optimizer.iterations) == 3


def test_frozen_layers_are_held(tmp_path: Path) -> None:
    model, other = make(), make()
    model.layers[0].trainable = False
    round_trip(tmp_path, {"model": model}, {"model": other})
    assert [layer.trainable for layer in other.layers] == [False, True, True]


def test_generators_and_variables(tmp_path: Path) -> None:
    def held() -> dict[str, Any]:
        return {
            "keras": keras.random.SeedGenerator(random.randrange(1000)),
            "tensorflow": tf.random.Generator.from_seed(random.randrange(1000)),
            "variable": tf.Variable([random.random()]),
            "mean": keras.metrics.Mean(),
        }

    objects, other = held(), held()
    objects["mean"].update_state([1.0, 2.0])
    round_trip(tmp_path, objects, other)
    assert float(objects["variable"][0]) == float(other["variable"][0])
    assert float(other["mean"].result()) == 1.5
    for _ in range(2):
        assert float(keras.random.normal((), seed=objects["keras"])) == float(
            keras.random.normal((), seed=other["keras"])
        )
        assert float(objects["tensorflow"].normal(())) == float(other["tensorflow"].normal(()))


def draw() -> list[float]:
    draws = [
        random.random(),
        np.random.random(),
        keras.random.normal(()),
        tf.random.normal(()),
        tf.random.get_global_generator().normal(()),
    ]
    return [float(number) for number in draws]


@pytest.mark.parametrize("used", [False, True])
def test_global_generators(tmp_path: Path, used: bool) -> None:
    with samebits.isolated_rng():
        samebits.seed_everything(5)
        if used:
            draw()
        content, tensors = TrainingState({}, state).capture()
        checkpoint = files.read(files.write(tmp_path, 1, {"state": content}, tensors))
        expected = draw()
        samebits.seed_everything(6)
        draw()
        TrainingState({}, state).restore_generators(checkpoint.content["state"], checkpoint.tensors)
        assert draw() == expected


class Counts(keras.callbacks.Callback):
    def __init__(self, what: Any) -> None:
        super().__init__()
        self.what = what


def test_callbacks_remember(tmp_path: Path) -> None:
    def fit(epochs: int, *callbacks: keras.callbacks.Callback, losses: list[float]) -> None:
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        for epoch, loss in enumerate(losses):
            for callback in callbacks:
                callback.on_epoch_end(epoch, {"loss": loss})

    def held() -> dict[str, Any]:
        return {
            "stop": keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True),
            "reduce": keras.callbacks.ReduceLROnPlateau("loss", patience=3, min_delta=0.25),
            "counts": Counts({"seen": [1, 2.5]}),
        }

    model = make(optimizer=keras.optimizers.SGD(0.1))
    objects, other = held(), held()
    fit(3, objects["stop"], objects["reduce"], losses=[2.0, 1.0, 1.5])
    fit(0, other["stop"], other["reduce"], losses=[])
    other["counts"].what = {"seen": []}
    round_trip(tmp_path, objects, other)
    assert (other["stop"].best, other["stop"].wait) == (1.0, 1)
    assert np.array_equal(other["stop"].best_weights[0], objects["stop"].best_weights[0])
    assert other["counts"].what == {"seen": [1, 2.5]}
    for callback in (objects["reduce"], other["reduce"]):  # which way is up has been found out, and only once
        assert callback.min_delta == -0.25
        assert callback.monitor_op(1, 2)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: make(units=2), r"model has changed: dense/kernel is F32 \[4, 2\] here, and F32 \[4, 3\]"),
        (
            lambda: make(optimizer=keras.optimizers.AdamW(0.01)),
            r"optimizer variable 3 \(.*\) is F32 \[4, 3\] here, and F32 \[3\] in the checkpoint",
        ),
        (
            lambda: make(optimizer=keras.optimizers.SGD(0.01)),
            "its optimizer is SGD here, and AdamW in the checkpoint",
        ),
        (lambda: make(weighted_metrics=["accuracy"]), "it has 6 metrics variables here, and 4 in"),
    ],
)
def test_another_model_is_told_before_anything_is_touched(
    tmp_path: Path, other: Callable[[], keras.Model], words: str
) -> None:
    content, tensors = TrainingState({"model": make()}, state).capture()
    checkpoint = files.read(files.write(tmp_path, 1, {"state": content}, tensors))
    model = other()
    before = values(model)
    with pytest.raises(UsageError, match=words):
        TrainingState({"model": model}, state).check(checkpoint.content["state"], checkpoint.tensors)
    assert all(map(np.array_equal, before, values(model)))


class Branches(keras.Model):
    """Two layers of one shape, made in this order."""

    def __init__(self, order: str) -> None:
        super().__init__()
        for name in order:
            setattr(self, name, keras.layers.Dense(4))

    def call(self, x: Any) -> Any:
        return self.b(self.a(x))


def branches(order: str, trained: str) -> dict[str, Any]:
    model = Branches(order)
    model(X)
    optimizer = keras.optimizers.Adam()
    optimizer.build([weight for name in trained for weight in getattr(model, name).trainable_variables])
    return {"model": model, "optimizer": optimizer}


def test_another_order_of_layers_or_of_trained_weights_is_refused(tmp_path: Path) -> None:
    """Their shapes are the same, so the moments of one layer would go to the other one."""
    content, tensors = TrainingState(branches("ab", "ab"), state).capture()
    checkpoint = files.read(files.write(tmp_path, 1, {"state": json.loads(json.dumps(content))}, tensors))

    def check(order: str, trained: str) -> None:
        TrainingState(branches(order, trained), state).check(checkpoint.content["state"], checkpoint.tensors)

    check("ab", "ab")
    with pytest.raises(UsageError, match="model has changed: weight 0 is b/kernel here, and a/kernel in the"):
        check("ba", "ab")
    with pytest.raises(UsageError, match="trained weight 0 is model/b/kernel here, and model/a/kernel in"):
        check("ab", "ba")


def test_another_order_within_a_compiled_model_is_refused(tmp_path: Path) -> None:
    def compiled(trained: str) -> dict[str, Any]:
        held = branches("ab", trained)
        held["model"].compile(held.pop("optimizer"), "mse")
        return held

    content, tensors = TrainingState(compiled("ab"), state).capture()
    checkpoint = files.read(files.write(tmp_path, 1, {"state": json.loads(json.dumps(content))}, tensors))
    TrainingState(compiled("ab"), state).check(checkpoint.content["state"], checkpoint.tensors)
    with pytest.raises(UsageError, match="model has changed: trained weight 0 is b/kernel here, and a"):
        TrainingState(compiled("ba"), state).check(checkpoint.content["state"], checkpoint.tensors)


class Keeps(keras.layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.noise = tf.random.Generator.from_seed(1)

    def call(self, x: Any) -> Any:
        return x


def with_own_generator() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), Keeps()])
    model.layers[0].name = "keeps"
    return model


def compiled() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (lambda: {"net": keras.Sequential([keras.layers.Dense(2)])}, "has no weights yet: call it on"),
        (lambda: {"net": compiled()}, r"net has metrics .* call samebits\.keras\.build\(net, dataset\)"),
        (lambda: {"net": with_own_generator()}, r"net keeps a Generator in keeps\.noise, .* noise=…"),
        (lambda: {"opt": keras.optimizers.SGD()}, r"opt has no variables yet: call opt\.build"),
        (lambda: {"backup": keras.callbacks.BackupAndRestore("x")}, "BackupAndRestore puts back less"),
        (lambda: {"counts": Counts(object())}, "callback Counts keeps a object in what: give it state_dict"),
    ],
)
def test_what_cannot_be_had_is_told_at_once(held: Callable[[], dict[str, Any]], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        TrainingState(held(), state)
    assert "\n" not in str(caught.value)


def test_keras_3_10_has_the_global_generators_name_in_no_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.random import seed_generator

    from samebits.keras import global_generators

    now = global_generators._names()
    monkeypatch.delattr(seed_generator, "GLOBAL_SEED_GENERATOR")
    assert global_generators._names() == now
