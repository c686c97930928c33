"""Chance in TensorFlow: generators with a seed of the operating system's, seeds from a clock."""

import pytest
from tests.conftest import FRAMEWORKS
from tests.samebits.chance.conftest import marked

pytestmark = pytest.mark.skipif("keras" not in FRAMEWORKS, reason="it is about TensorFlow")

# Where TensorFlow is deterministic, it refuses the first kind; what asked for it is named all the same.
UNSEEDED = """
import contextlib
import time
import tensorflow as tf

def make():
    tf.random.Generator.from_non_deterministic_state()  #!

tf.random.Generator.from_seed(3).normal([2])
with contextlib.suppress(RuntimeError):
    make()
with contextlib.suppress(RuntimeError):
    tf.random.Generator.from_non_deterministic_state(alg="philox")  #!
tf.random.set_seed(7)
tf.random.set_seed(int(time.time()))  #!
"""


@pytest.mark.slow
def test_generators_and_seeds_are_named_and_a_constant_seed_is_not(watched):
    named = watched(UNSEEDED)
    # TensorFlow passes its seed on to a generator of Python's: that line has two rows.
    assert list(dict.fromkeys(row["where"] for row in named)) == marked(UNSEEDED)
    assert [row["kind"] for row in named] == ["generator", "generator", "seed", "seed"]
    sources = {row["source"] for row in named[:2]}
    assert sources == {"tf.random.Generator.from_non_deterministic_state()"}
    assert named[0]["fix"] == "tf.random.Generator.from_seed(seed)"
    assert "a seed from time.time() for tf.random.set_seed" in {row["source"] for row in named[2:]}
