"""Small trainings in Keras of every kind, without samebits; prints the SHA-256 of the weights of each."""

import hashlib
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

IMAGES = np.random.default_rng(0).normal(size=(32, 8, 8, 1)).astype("float32")
ROWS = np.random.default_rng(1).normal(size=(32, 6)).astype("float32")
CLASSES = np.arange(32) % 3
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def told(name, *models):
    """Print what a training has ended with."""
    sha256 = hashlib.sha256()
    for model in models:
        for value in model.get_weights():
            sha256.update(np.ascontiguousarray(value).tobytes())
    print(name, sha256.hexdigest(), flush=True)


def perceptron(dropout=0.2):
    keras.utils.set_random_seed(1)
    return keras.Sequential([
        keras.Input((6,)),
        layers.Dense(16, "relu"),
        *([] if dropout is None else [layers.Dropout(dropout)]),
        layers.Dense(3, kernel_regularizer="l2"),
    ])  # fmt: skip


def fitted(name, optimizer, model=None, data=ROWS, **compiled):
    model = perceptron() if model is None else model
    model.compile(optimizer, LOSS, metrics=["accuracy"], **compiled)
    model.fit(data, CLASSES, batch_size=8, epochs=1, verbose=0)
    told(name, model)


def joined():
    """TensorFlow joins the last product of a gradient, of gamma or of clipping, with the learning rate."""
    for clip in (None, 0.05):
        keras.utils.set_random_seed(6)
        inner = [layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dense(3)]
        model = keras.Sequential([keras.Input((6,)), *inner])
        model.compile(keras.optimizers.SGD(0.03, global_clipnorm=clip), LOSS)
        history = model.fit(ROWS, CLASSES, batch_size=8, epochs=6, verbose=0).history
        told(f"joined {history['loss'][-1]}", model)


def convolutional():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([
        keras.Input((8, 8, 1)),
        layers.RandomFlip(),
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(3),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(1e-2), LOSS, metrics=["accuracy"])
    validation = IMAGES[:8], CLASSES[:8]
    model.fit(IMAGES, CLASSES, batch_size=8, epochs=2, validation_data=validation, verbose=0)
    told("convolutional", model)
    print("evaluated", *model.evaluate(*validation, verbose=0), model.predict(IMAGES[:8], verbose=0).sum())


def scaled():
    """Half precision: the first loss is scaled so high that the optimiser skips the step."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    model = perceptron()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2), initial_scale=2.0**30)
    fitted("mixed_float16", optimizer, model)
    keras.config.set_dtype_policy("mixed_bfloat16")
    fitted("mixed_bfloat16", keras.optimizers.SGD(0.1, 0.9))
    keras.config.set_dtype_policy(policy)


def recurrent():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((5,)), layers.Embedding(9, 4), layers.LSTM(6), layers.Dense(3)])
    words = (np.arange(160) * 7 % 9).reshape(32, 5)
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 4)
    fitted("recurrent", keras.optimizers.SGD(schedule, momentum=0.9), model, words)


def batches():
    for start in range(0, 32, 8):
        yield tf.constant(ROWS[start : start + 8]), tf.constant(CLASSES[start : start + 8])


def by_hand(name, wrap):
    model, optimizer = perceptron(), keras.optimizers.AdamW(1e-2)
    model.build((None, 6))

    @wrap
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            loss = LOSS(targets, model(inputs, training=True)) + tf.add_n(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @wrap
    def look(inputs):
        return model(inputs, training=False)

    for inputs, targets in batches():
        step(inputs, targets)
    look(inputs)
    told(name, model)


def loop_in_a_graph(name, loop):
    model, optimizer = perceptron(), keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    rows, classes = tf.constant(ROWS), tf.constant(CLASSES)

    def step(inputs, targets):
        with tf.GradientTape() as tape:
            loss = LOSS(targets, model(inputs, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    @tf.function
    def counted():
        for at in tf.range(0, 32, 8):
            if at > -1:
                step(rows[at : at + 8], classes[at : at + 8])

    data = tf.data.Dataset.from_tensor_slices((ROWS, CLASSES)).batch(8)

    @tf.function
    def through_data():
        for inputs, targets in data:
            step(inputs, targets)

    (counted if loop == "counted" else through_data)()
    told(name, model)


def one_by_one():
    model = perceptron()
    model.compile(keras.optimizers.RMSprop(1e-2), LOSS)
    for start in range(0, 32, 8):
        model.train_on_batch(ROWS[start : start + 8], CLASSES[start : start + 8])
    told("train_on_batch", model)


class Adversarial(keras.Model):
    """Two models with an optimiser each, as Keras's pages on custom steps have them."""

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([keras.Input((4,)), layers.Dense(6)])
        self.critic = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(1)])
        self.seeds = keras.random.SeedGenerator(5)

    def compile(self, first, second):
        super().compile()
        self.first, self.second = first, second
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, data):
        noise = keras.random.normal((8, 4), seed=self.seeds)
        both = tf.concat([self.generator(noise), data], 0)
        labels = tf.concat([tf.ones((8, 1)), tf.zeros((8, 1))], 0)
        with tf.GradientTape() as tape:
            loss = self.loss_fn(labels, self.critic(both))
        gradients = tape.gradient(loss, self.critic.trainable_weights)
        self.first.apply(gradients, self.critic.trainable_weights)
        with tf.GradientTape() as tape:
            other = self.loss_fn(tf.zeros((8, 1)), self.critic(self.generator(noise)))
        gradients = tape.gradient(other, self.generator.trainable_weights)
        self.second.apply(gradients, self.generator.trainable_weights)
        return {"critic": loss, "generator": other}


def adversarial():
    keras.utils.set_random_seed(4)
    model = Adversarial()
    model.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-3))
    model.fit(ROWS, batch_size=8, epochs=1, verbose=0)
    told("adversarial", model.generator, model.critic)


SGD, ADAM = keras.optimizers.SGD, keras.optimizers.Adam
TRAININGS = {
    "plain": lambda: fitted("plain", SGD(0.1)),
    "clipped": lambda: fitted("clipped", ADAM(1e-2, global_clipnorm=0.05)),
    "accumulated": lambda: fitted("accumulated", SGD(0.1, gradient_accumulation_steps=2)),
    "several": lambda: fitted("several", ADAM(1e-2), steps_per_execution=3),
    "eager": lambda: fitted("eager", SGD(0.1), run_eagerly=True),
    "joined": joined,
    "convolutional": convolutional,
    "half": scaled,
    "recurrent": recurrent,
    "hand": lambda: by_hand("hand", lambda function: function),
    "function": lambda: by_hand("function", tf.function),
    "range": lambda: loop_in_a_graph("range", "counted"),
    "dataset": lambda: loop_in_a_graph("dataset", "data"),
    "batches": one_by_one,
    "adversarial": adversarial,
    # XLA compiles these three, unless operations are to be deterministic.
    "xla": lambda: fitted("xla", ADAM(1e-2), perceptron(None), jit_compile=True),
    "xla several": lambda: fitted(
        "xla several", ADAM(1e-2), perceptron(None), jit_compile=True, steps_per_execution=2
    ),
    "xla function": lambda: by_hand("xla function", tf.function(jit_compile=True)),
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or TRAININGS:
        TRAININGS[chosen]()
