"""What each framework calls the things that causes name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The words of a framework.

    Attributes:
        stream: the generator that initial weights are drawn from, as a record names it.
        mode: how a model's mode differs between two runs.
        scaler: what leaves steps out where gradients are infinite.
        deterministic: what names operations that do not repeat, or replaces them.
        unwritten: how memory that nobody wrote is avoided.
    """

    stream: str
    mode: str
    scaler: str
    deterministic: str
    unwritten: str


TORCH = Words(
    stream="torch",
    mode="model.train() or model.eval() was called in one only",
    scaler="GradScaler",
    deterministic="torch.use_deterministic_algorithms(True) names or replaces it",
    unwritten="initialise what torch.empty gives",
)
KERAS = Words(
    stream="python",  # a layer without a seed takes one from it, and draws its weights by that
    mode="the model was called with training=True in one only",
    scaler="LossScaleOptimizer",
    deterministic="tf.config.experimental.enable_op_determinism() refuses or replaces it",
    unwritten="give the weight an initializer",
)


def words_of(framework: str) -> Words:
    """The words of the framework that a record names."""
    return KERAS if framework == "keras" else TORCH


def generator_words(name: str) -> str:
    """What a generator is, for people.

    >>> generator_words("keras:dropout")
    'the seed generator of `dropout`'
    """
    if name.startswith("keras:"):
        return f"the seed generator of `{name.removeprefix('keras:')}`"
    known = {
        "keras": "Keras's global seed generator",
        "tensorflow": "TensorFlow's global generator",
        "tensorflow seeds": "TensorFlow's generator of seeds for operations",
    }
    return known.get(name, f"{name}'s generator")
