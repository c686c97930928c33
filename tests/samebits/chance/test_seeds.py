"""A seed that is another one in every run is named where it is given; a constant never is."""

from tests.samebits.chance.conftest import marked

CHANGING = """
import os, random, secrets, time, uuid
import numpy as np

def seed_all(seed, deterministic=True):
    random.seed(seed)  #!
    np.random.seed(seed % 2**32)  #!

class Data:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)  #!

random.seed(time.time())  #!
now = int(time.time() * 1000)
values = {"seed": now}
np.random.seed(values["seed"] % 2**32)  #!
np.random.seed(int(time.time()))  #!
number = os.getpid() + 1
random.Random(number)  #!
random.Random(x=uuid.uuid4().int)  #!
np.random.default_rng(seed=secrets.randbits(64))  #!
np.random.SeedSequence(int.from_bytes(os.urandom(8), "big"))  #!
seed_all(os.getpid())
Data(int(time.time()) + 3)
if now:
    seed = int(time.time())
np.random.seed(seed)  #!
"""

CONSTANT = """
import os, random, time
import numpy as np

def seed_all(seed):
    started = time.time()
    random.seed(seed)
    np.random.seed(seed)
    return time.time() - started

seed_all(1234567890)
seed_all(seed=int(os.environ.get("RANK", 0)) + 20261128)
rng = np.random.default_rng([1, 2])
random.seed("a name")
seed = 1700000000
random.Random(seed)
process = os.getpid()
np.random.default_rng(42)
np.random.RandomState(seed)
chosen = seed or int(time.time())
np.random.seed(chosen)
"""


def test_a_seed_that_is_another_one_in_every_run_is_named(watched):
    named = watched(CHANGING)
    assert [row["where"] for row in named] == marked(CHANGING)
    assert {row["kind"] for row in named} == {"seed"}
    sources = [row["source"] for row in named]
    assert sources[0] == "a seed from os.getpid() for random"
    assert sources[3] == "a seed from time.time() for random"
    assert sources[4] == "a seed from the clock (milliseconds) for numpy.random.seed"


def test_a_constant_seed_is_not_named(watched):
    assert watched(CONSTANT) == []
