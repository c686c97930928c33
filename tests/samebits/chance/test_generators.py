"""Generators without a seed are named where they were made and used; no others."""

from tests.samebits.chance.conftest import marked

PYTHON_AND_NUMPY = """
import random
import numpy as np
from numpy.random import default_rng

rng = random.Random()  #!
rng.random()
random.seed()  #!
random.random()
random.SystemRandom().shuffle([1, 2])  #!
for _ in range(3):
    default_rng().random()  #!
kept = np.random.default_rng(None)  #!
kept.random()
np.random.RandomState().rand()  #!
seed = None
np.random.RandomState(seed).rand()  #!
np.random.seed()  #!
np.random.Generator(np.random.PCG64()).random()  #!
child = np.random.default_rng().spawn(1)[0]  #!
child.random()
"""

EARLY = """
import random, sys
import numpy as np
from random import shuffle

np.random.rand()  #!
random.random()  #!
shuffle([1, 2])  #!

def later():
    return np.random.permutation(3)  #!

later()
random.seed(1)
np.random.seed(1)
random.random(), shuffle([1, 2])
later()
"""

SEEDED = """
import copy, pickle, random, secrets, tempfile, uuid
import numpy as np

class Own(random.Random):
    def seed(self, a=None, version=2):
        super().seed(4)

unused, state = random.Random(), random.Random(3).getstate()
later = random.Random()
later.seed(5)
later.random()
given = random.Random()
given.setstate(state)
given.random()
Own().random()
idle, old = np.random.default_rng(), np.random.RandomState()
seed = 3
for make in (np.random.default_rng, np.random.RandomState, random.Random):
    made = make(seed)
    copied, loaded = copy.deepcopy(made), pickle.loads(pickle.dumps(made))
    assert type(copied) is type(made) is type(loaded)
    assert copied.random() == loaded.random() == made.random()
np.random.RandomState(5).rand()
np.random.RandomState(seed + 1).rand()
np.random.seed(5)
random.seed(5)
assert type(random.seed) is type(random.Random(1).seed)
tempfile.mkdtemp()
uuid.uuid4(), secrets.token_hex()
"""


def test_each_generator_without_a_seed_is_named(watched):
    named = watched(PYTHON_AND_NUMPY)
    assert [row["where"] for row in named] == marked(PYTHON_AND_NUMPY)
    assert {row["kind"] for row in named} == {"generator"}
    (loop,) = (row for row in named if row["count"] == 3 and "default_rng" in row["source"])
    assert loop["source"] == "numpy.random.default_rng() without a seed"
    assert loop["fix"] == "numpy.random.default_rng(seed)"
    assert not any(row["library"] for row in named)


def test_what_has_a_seed_or_is_not_used_is_not_named(watched):
    assert watched(SEEDED) == []


def test_draws_before_a_seed_are_named_and_none_after_it(watched):
    named = watched(EARLY)
    assert [row["where"] for row in named] == marked(EARLY)
    assert {(row["kind"], row["count"]) for row in named} == {("global generator", 1)}
