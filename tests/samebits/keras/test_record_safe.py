"""Which tensors of a graph are read: those between two operations that TensorFlow joins are not."""

import pytest

tf = pytest.importorskip("tensorflow")

from samebits.keras.record_safe import can_be_read  # noqa: E402


def traced(build):
    """Whether the tensor that a function names may be read, after it has been traced."""
    told = []

    @tf.function
    def graph(x, rate):
        told.append(can_be_read(build(x, rate)))
        return x

    graph.get_concrete_function(tf.ones((3, 3)), tf.constant(0.1))
    return told[0]


def followed(tensor, user):
    """The tensor, of which an operation makes something that is used."""
    tf.add(user(tensor), 1.0)
    return tensor


@pytest.mark.parametrize(
    ("build", "readable"),
    [
        pytest.param(lambda x, r: followed(x * x, lambda t: t * r), False, id="a product of a product"),
        pytest.param(lambda x, r: followed(x + x, lambda t: t + r), False, id="a sum of a sum"),
        pytest.param(lambda x, r: followed(x + x, lambda t: t * r), True, id="a product of a sum"),
        pytest.param(lambda x, r: followed(x @ x, lambda t: t * r), True, id="a product of a matrix"),
        pytest.param(lambda x, r: followed(x @ x, lambda t: tf.nn.bias_add(t, t[0])), True, id="used twice"),
        pytest.param(lambda x, r: followed(x @ x, tf.nn.relu), False, id="an activation of a matrix"),
        pytest.param(lambda x, r: followed(tf.exp(x), tf.math.log), False, id="two of one element"),
        pytest.param(lambda x, r: followed(tf.exp(x), tf.reduce_sum), True, id="a sum over elements"),
        pytest.param(lambda x, r: followed(tf.nn.relu(x), lambda t: t - x), True, id="a model's output"),
        pytest.param(lambda x, r: followed(x + x, lambda t: x - t), True, id="a difference of a sum"),
        pytest.param(lambda x, r: followed(x, lambda t: t * r), True, id="what is given"),
        pytest.param(lambda x, r: tf.identity(followed(x * x, lambda t: t * r)), False, id="another name"),
        pytest.param(
            lambda x, r: followed(x * x, lambda t: tf.identity_n([r, t])[1] * r), False, id="by another name"
        ),
        pytest.param(lambda x, r: x * x, True, id="what a function returns"),
    ],
)
def test_what_may_be_read(build, readable):
    assert traced(build) is readable
