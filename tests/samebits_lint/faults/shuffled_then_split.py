"""Shuffled, batched, and then split by take and skip."""

import tensorflow as tf

data = tf.data.Dataset.from_tensor_slices(list(range(100)))
data = data.shuffle(buffer_size=100)
data = data.batch(10)
train, validation = data.take(8), data.skip(8)
