"""A seed that is another one in every run is named where it is given; a constant never is."""

import os
import subprocess
import sys

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

BY_ANY_WAY = """
import os, random, secrets, sys, time, uuid
import numpy as np

class Thing:
    pass

def seed_everything(seed=None):
    if seed is None:
        seed = secrets.randbits(32)
    random.seed(seed)  #!

def fallback(seed):
    return seed or int.from_bytes(os.urandom(4), "big")

thing = Thing()
seed_everything()
np.random.seed(fallback(0))  #!
np.random.seed(uuid.uuid4().int % 2**32)  #!
values = [uuid.uuid4() for _ in range(2)]
np.random.default_rng([value.int for value in values])  #!
random.seed(str(thing))  #!
random.seed(hash(thing))  #!
np.random.seed(id(thing) % 2**32)  #!
numbers = dict(seed=os.getpid())
random.seed(numbers["seed"])  #!
np.random.seed(int(secrets.token_hex(4), 16))  #!
np.random.seed(int.from_bytes(secrets.token_bytes(4), "little"))  #!
np.random.default_rng(np.frombuffer(os.urandom(16), dtype=np.uint32))  #!
random.seed(int(time.strftime("%H%M%S")))  #!
random.seed(f"run-{os.getpid()}")  #!
random.seed(hash("name"))
random.seed(hash((1, 2)))
seed_everything(2147483648 + 11)
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


def test_a_number_of_the_systems_is_named_whatever_way_it_went(watched):
    named = watched(BY_ANY_WAY)
    assert [row["where"] for row in named] == marked(BY_ANY_WAY)
    assert {row["kind"] for row in named} == {"seed"}
    sources = [row["source"] for row in named]
    assert sources[0] == "a seed from secrets for random"
    assert sources[5] == "a seed from hash() of an object, which is its address for random"


def test_a_hash_of_a_text_is_named_where_no_variable_fixes_it():
    """Outside of the entrypoint; inside, it is the same in every run."""
    script = """
import random
from samebits.chance.begin import begin
from samebits.chance.records import RECORDS
begin()
name = "a name"
random.seed(hash(name))
print(*(source.source for source in RECORDS.counts))
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    for more, says in (
        ({}, "a seed from hash() of a text, while PYTHONHASHSEED is not set for random"),
        ({"PYTHONHASHSEED": "0"}, ""),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**environment, **more},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == says
