"""What is watched keeps its type, its repr and its pickle."""

import json
import subprocess
import sys

SCRIPT = """
import concurrent.futures, copy, inspect, json, multiprocessing.pool, os, pickle, queue, random, sys, uuid
import numpy as np

if sys.argv[1] == "watched":
    from samebits.chance.begin import begin
    begin()

class Own(random.Random):
    pass

class OwnGenerator(np.random.Generator):
    pass

class OwnSet(set):
    pass

class OwnQueue(queue.Queue):
    pass

def signature(function):
    try:
        return str(inspect.signature(function))
    except ValueError as error:
        return "none"

kinds = [random.Random, random.SystemRandom, random.seed, random.Random(1).seed]
kinds += [np.random.RandomState, np.random.Generator, np.random.default_rng, np.random.seed]
kinds += [concurrent.futures.as_completed, multiprocessing.pool.Pool, queue.Queue, queue.Queue.get]
kinds += [concurrent.futures.Future.add_done_callback, multiprocessing.pool.Pool.apply_async, uuid.uuid4]
kinds += [random.SystemRandom.getrandbits, os.urandom, set, frozenset, random.Random.seed]
functions = [kind for kind in kinds if not isinstance(kind, type)]
says = [[type(kind).__name__, kind.__qualname__, kind.__doc__] for kind in kinds]
numpys = (np.random.RandomState(3), np.random.default_rng(3), np.random.PCG64(3))
for made in (Own(3), random.Random(3), *numpys):
    again = pickle.loads(pickle.dumps(made))
    twin = copy.deepcopy(made)
    assert type(again) is type(made) is type(twin)
    draw = "random_raw" if isinstance(made, np.random.PCG64) else "random"
    says.append([type(made).__mro__[0].__name__, getattr(again, draw)() == getattr(made, draw)()])
says.append([isinstance(Own(), random.Random), isinstance(np.random.RandomState(1), np.random.RandomState)])
says += [[function.__name__, signature(function)] for function in functions]
assert pickle.loads(pickle.dumps(os.urandom)) is os.urandom and len(os.urandom(3)) == 3
own = OwnGenerator(np.random.PCG64(4))
says.append(["own", own.random() == copy.deepcopy(np.random.Generator(np.random.PCG64(4))).random()])
kept = OwnSet([3, 1, 2])
says.append([type(copy.copy(kept)).__name__, type(iter(kept)).__name__, repr(kept), sorted(kept)])
says.append([repr(set), str(iter(frozenset("a")))[:14], len(set(iter(kept)) & {1, 2})])
says.append(["queue", isinstance(OwnQueue(), queue.Queue)])
random.seed(5), np.random.seed(5)
says.append([random.random(), float(np.random.rand()), float(np.random.default_rng(7).random())])
json.dump(says, sys.stdout)
"""


def test_nothing_that_a_program_sees_is_another():
    def says(word):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, word], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    plain, watched = says("plain"), says("watched")
    # Of all that is looked at, two functions of C are Python's now.
    changed = [before for before, after in zip(plain, watched, strict=True) if before[0] != after[0]]
    assert [row[1] for row in changed] in (["urandom"], ["seed", "urandom"])
    assert [row[1:] for row in plain] == [row[1:] for row in watched]
