"""Chance in TensorFlow: generators with a seed of the operating system's, seeds from a clock."""

import json

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


# A run: what TensorFlow refuses is named by line; what Keras drew unseen, without it.
BEFORE = """
import contextlib
import keras
import tensorflow as tf
{first}
keras.random.normal((2,))
import samebits
import samebits.keras

def draw():
    return tf.random.normal([2])  #!

refused = 0
for what in (draw, tf.function(draw)):
    try:
        what()  #!
    except RuntimeError:
        refused += 1
with samebits.keras.open_run({{"seed": 1}}, folder="run", resume="never") as run:  #!
    run.finish(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
print("refused", refused)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seeded", [False, True])
def test_a_run_names_draws_before_its_seed(start, tmp_path, seeded):
    script = BEFORE.format(first="keras.utils.set_random_seed(3)" if seeded else "")
    (tmp_path / "train.py").write_text(script)
    done = start("python", "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "run/manifest.json").read_text())["chance"]
    assert f"refused {0 if seeded else 2}" in done.stdout
    assert [row["where"] for row in rows] == ([] if seeded else marked(script))
    assert [row["certain"] for row in rows] == ([] if seeded else [True, True, False])


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
