"""Train a small network out of the operations that are known for not repeating, with Keras on TensorFlow.

Digits on a CPU exercise little of what goes wrong on a GPU. Here scatter, gather, interpolation, cumulative
sums, embeddings, attention, CTC, recurrent layers and pooling run forward and backward on random sequences.
Each operation is tried by itself first; one without a deterministic kernel on this device is refused by name,
with what to use in its place, and left out of the network. `make smoke NET=hazards` trains it twice.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import samebits
import samebits.keras
from samebits.proof import hazards as shared
from samebits.proof.hazards import CLASSES, LENGTH, WIDTH, WORDS, Settings

# Every operation takes states (batch, LENGTH, WIDTH), float32, and words (batch, LENGTH), int32, and returns
# something of the states' shape. `places` are positions, several of them alike: additions that collide.


def places(words: Any) -> Any:
    """(batch, LENGTH), int32 in 0…LENGTH / 2: half of the positions are hit twice or more."""
    return words % (LENGTH // 2)


def cells(words: Any) -> Any:
    """(batch, LENGTH, 2), int32: the pairs (sequence, place) that TensorFlow's scatter takes."""
    rows = tf.broadcast_to(tf.range(tf.shape(words)[0])[:, None], tf.shape(words))
    return tf.stack([rows, places(words)], axis=-1)


def images(states: Any) -> Any:
    """(batch, 4, 4, WIDTH)"""
    return ops.reshape(states, (-1, 4, 4, WIDTH))


def sequences(images: Any) -> Any:
    """The inverse of `images`; larger images are averaged down to 4×4."""
    side = images.shape[1] // 4
    if side > 1:
        images = ops.average_pool(images, side)
    return ops.reshape(images, (-1, LENGTH, WIDTH))


def scatter(states: Any, words: Any) -> Any:
    return tf.scatter_nd(cells(words), states, tf.shape(states))


def scatter_add(states: Any, words: Any) -> Any:
    return tf.tensor_scatter_nd_add(states, cells(words), states)


def scatter_update(states: Any, words: Any) -> Any:
    return ops.scatter_update(states, cells(words), tf.reverse(states, [1]))


def sorted_segments(states: Any, words: Any) -> Any:
    ids = tf.repeat(tf.range(LENGTH), tf.shape(states)[0])
    return states * ops.segment_sum(tf.reshape(states, (-1, WIDTH)), ids, sorted=True)


def unsorted_segments(states: Any, words: Any) -> Any:
    ids = tf.reshape(places(words), (-1,))
    return states * ops.segment_sum(tf.reshape(states, (-1, WIDTH)), ids, num_segments=LENGTH)


def gather(states: Any, words: Any) -> Any:
    return ops.take_along_axis(states, places(words)[:, :, None], axis=1)


def take(states: Any, words: Any) -> Any:
    return ops.take(states, places(words)[0], axis=1)


def cumulative_sum(states: Any, words: Any) -> Any:
    return ops.cumsum(states, axis=1)


def resize(method: str) -> Callable[[Any, Any], Any]:
    def operation(states: Any, words: Any) -> Any:
        return sequences(ops.image.resize(images(states), (8, 8), interpolation=method))

    return operation


def crop_and_resize(states: Any, words: Any) -> Any:
    boxes = tf.tile([[0.0, 0.0, 0.7, 0.9]], (tf.shape(states)[0], 1))
    return sequences(tf.image.crop_and_resize(images(states), boxes, tf.range(tf.shape(states)[0]), (4, 4)))


def map_coordinates(states: Any, words: Any) -> Any:
    shift = tf.cast(words[0, :WIDTH], "float32") / WORDS
    rows, columns = tf.meshgrid(
        tf.range(float(LENGTH)) + shift, tf.range(float(WIDTH)) + shift, indexing="ij"
    )
    mean = tf.reduce_mean(states, axis=0)
    return states * ops.image.map_coordinates(mean, tf.stack([rows, columns]), order=1, fill_mode="nearest")


def max_pool(states: Any, words: Any) -> Any:
    return sequences(ops.max_pool(images(states), 3, strides=1, padding="same"))  # windows overlap


def max_pool_with_argmax(states: Any, words: Any) -> Any:
    return sequences(tf.nn.max_pool_with_argmax(images(states), 3, strides=1, padding="SAME")[0])


def average_pool(states: Any, words: Any) -> Any:
    return sequences(ops.average_pool(images(states), 3, strides=1, padding="same"))


def reflection_pad(states: Any, words: Any) -> Any:
    return sequences(ops.pad(images(states), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))


def bincount(states: Any, words: Any) -> Any:
    return (
        states
        * ops.bincount(words, minlength=WORDS, weights=tf.ones_like(words, "float32"))[:, :LENGTH, None]
    )


def fractional_max_pool(states: Any, words: Any) -> Any:
    # It draws the places of its windows, here without a seed: TensorFlow refuses it on every device.
    padded = ops.pad(images(states), ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sequences(tf.nn.fractional_max_pool(padded, (1.0, 1.5, 1.5, 1.0))[0])


class Operation(layers.Layer):
    """What is common to all: the result has the states' shape."""

    def compute_output_shape(self, states_shape: Any, words_shape: Any) -> Any:
        return states_shape


class Function(Operation):
    """An operation without weights, after a layer that has some: there is a gradient to send through it."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.project = layers.Dense(WIDTH)
        self.function = function

    def call(self, states: Any, words: Any) -> Any:
        return self.function(self.project(states), words)


class Embedding(Operation):
    def __init__(self) -> None:
        super().__init__()
        self.embed = layers.Embedding(WORDS, WIDTH)

    def call(self, states: Any, words: Any) -> Any:
        return states * self.embed(words)


class EmbeddingBag(Embedding):
    def call(self, states: Any, words: Any) -> Any:
        return states * ops.mean(self.embed(words), axis=1, keepdims=True)


class Attention(Operation):
    def __init__(self) -> None:
        super().__init__()
        self.attend = layers.MultiHeadAttention(num_heads=2, key_dim=WIDTH // 2)

    def call(self, states: Any, words: Any) -> Any:
        return self.attend(states, states, use_causal_mask=True)


class Layer(Operation):
    """A layer of Keras that maps the states, or the states seen as images, to something of their shape."""

    def __init__(self, layer: layers.Layer, on_images: bool = False) -> None:
        super().__init__()
        self.layer, self.on_images = layer, on_images

    def call(self, states: Any, words: Any) -> Any:
        return sequences(self.layer(images(states))) if self.on_images else self.layer(states)


class CTC(Operation):
    """Scales the states of a sequence by how badly they spell its first words."""

    def __init__(self) -> None:
        super().__init__()
        self.spell = layers.Dense(WORDS + 1)  # the blank comes first

    def call(self, states: Any, words: Any) -> Any:
        letters = self.spell(states)
        given = tf.fill((tf.shape(words)[0],), LENGTH)
        wanted = tf.fill((tf.shape(words)[0],), LENGTH // 4)
        loss = ops.ctc_loss(words[:, : LENGTH // 4] + 1, letters, wanted, given, mask_index=0)
        return states * loss[:, None, None] / LENGTH


def function(operation: Callable[[Any, Any], Any]) -> Callable[[], Operation]:
    return lambda: Function(operation)


HAZARDS: dict[str, Callable[[], Operation]] = {
    "scatter_nd": function(scatter),
    "tensor_scatter_nd_add": function(scatter_add),
    "scatter_update": function(scatter_update),
    "segment_sum (sorted)": function(sorted_segments),
    "segment_sum (unsorted)": function(unsorted_segments),
    "take_along_axis": function(gather),
    "take": function(take),
    "cumsum": function(cumulative_sum),
    "resize (bilinear)": function(resize("bilinear")),
    "resize (bicubic)": function(resize("bicubic")),
    "resize (nearest)": function(resize("nearest")),
    "crop_and_resize": function(crop_and_resize),
    "map_coordinates": function(map_coordinates),
    "max_pool": function(max_pool),
    "max_pool_with_argmax": function(max_pool_with_argmax),
    "average_pool": function(average_pool),
    "fractional_max_pool": function(fractional_max_pool),
    "pad (reflect)": function(reflection_pad),
    "bincount (weights)": function(bincount),
    "Embedding": Embedding,
    "EmbeddingBag": EmbeddingBag,
    "MultiHeadAttention": Attention,
    "LSTM": lambda: Layer(layers.LSTM(WIDTH, return_sequences=True)),
    "LSTM (not cuDNN's)": lambda: Layer(layers.LSTM(WIDTH, activation="relu", return_sequences=True)),
    "GRU": lambda: Layer(layers.GRU(WIDTH, return_sequences=True)),
    "Conv2DTranspose": lambda: Layer(
        layers.Conv2DTranspose(WIDTH, 4, strides=2, padding="same"), on_images=True
    ),
    "DepthwiseConv2D": lambda: Layer(layers.DepthwiseConv2D(3, padding="same"), on_images=True),
    "UpSampling2D": lambda: Layer(layers.UpSampling2D(2, interpolation="bilinear"), on_images=True),
    "ctc_loss": CTC,
}


def build_model(names: list[str]) -> keras.Model:
    """The operations one after the other, each added to what was before.

    Words (batch, LENGTH), int32, in; logits (batch, CLASSES) out.
    """
    words = keras.Input((LENGTH,), dtype="int32")
    states = layers.Embedding(WORDS, WIDTH)(words)
    for name in names:
        states = states + layers.LayerNormalization()(HAZARDS[name]()(states, words))
    features = layers.Dropout(0.1)(ops.mean(states, axis=1))
    return keras.Model(words, layers.Dense(CLASSES)(features))


def probe(seed: int, device: str, batch_size: int) -> dict[str, str]:
    """Try each operation by itself; returns those that are refused here, each with the reason."""
    return shared.probe(
        HAZARDS,
        lambda name: _tries(name, seed, batch_size),
        samebits.keras.explain,
        device=device,
        deterministic=samebits.keras.determinism()["deterministic_operations"],
    )


def _tries(name: str, seed: int, batch_size: int) -> set[str]:
    """The hashes of an operation's output and of all its gradients; one, unless it moves."""
    rng = np.random.default_rng(samebits.derive_seed(seed, "probe", name))
    states = tf.constant(rng.normal(size=(batch_size, LENGTH, WIDTH)), tf.float32)
    words = tf.constant(rng.integers(0, WORDS, size=(batch_size, LENGTH)), tf.int32)
    weight = tf.constant(rng.normal(size=states.shape), tf.float32)
    operation = HAZARDS[name]()
    hashes = set()
    for _ in range(shared.TRIES):
        with tf.GradientTape() as tape:
            tape.watch(states)
            output = operation(states, words, training=True)
            total = tf.reduce_sum(output * weight)
        gradients = tape.gradient(total, [states, *(weight.value for weight in operation.trainable_weights)])
        tensors = [
            output,
            *(tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None),
        ]
        hashes.add(hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest())
    return hashes


def train(settings: Settings) -> None:
    device = samebits.keras.choose_device(settings.device)
    samebits.keras.make_deterministic()
    samebits.seed_everything(settings.seed)

    with samebits.open_run(settings, framework="keras", device=device) as run:
        with run.stream("probe"):
            refused = probe(settings.seed, device, settings.batch_size)
        names = [name for name in HAZARDS if name not in refused]
        rng = np.random.default_rng(samebits.derive_seed(settings.seed, "data"))
        words = rng.integers(0, WORDS, size=(settings.steps * settings.batch_size, LENGTH), dtype=np.int32)
        data = samebits.keras.dataset(
            words, words.sum(1) % CLASSES, seed=settings.seed, batch_size=settings.batch_size, shuffle=True
        )
        with run.stream("initialisation"):
            model = build_model(names)
        optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
        optimizer.build(model.trainable_variables)
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function  # `model.fit` takes twice as long to build its graph, which is most of the time here
        def step(words: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = cross_entropy(labels, model(words, training=True))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return loss

        losses = [step(tf.constant(words), tf.constant(labels)) for words, labels in run.batches(data)]
        loss = float(tf.reduce_mean(losses))
        run.log(epoch=1, loss=loss, operations=len(names), refused=sorted(refused))
        run.finish(model)


if __name__ == "__main__":
    samebits.main(train, Settings)
