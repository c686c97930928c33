"""What is watched keeps its type, its repr and its pickle."""

import json
import subprocess
import sys

SCRIPT = """
import concurrent.futures, copy, json, multiprocessing.pool, pickle, random, sys
import numpy as np

if sys.argv[1] == "watched":
    from samebits.chance.begin import begin
    begin()

class Own(random.Random):
    pass

kinds = [random.Random, random.SystemRandom, random.seed, random.Random(1).seed]
kinds += [np.random.RandomState, np.random.Generator, np.random.default_rng, np.random.seed]
kinds += [concurrent.futures.as_completed, multiprocessing.pool.Pool]
says = [[type(kind).__name__, kind.__qualname__, kind.__doc__] for kind in kinds]
numpys = (np.random.RandomState(3), np.random.default_rng(3), np.random.PCG64(3))
for made in (Own(3), random.Random(3), *numpys):
    again = pickle.loads(pickle.dumps(made))
    twin = copy.deepcopy(made)
    assert type(again) is type(made) is type(twin)
    draw = "random_raw" if isinstance(made, np.random.PCG64) else "random"
    says.append([type(made).__mro__[0].__name__, getattr(again, draw)() == getattr(made, draw)()])
says.append([isinstance(Own(), random.Random), isinstance(np.random.RandomState(1), np.random.RandomState)])
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
    # Of all that is looked at, one function of C is one of Python's now.
    changed = [one for one, other in zip(plain, watched, strict=True) if one[0] != other[0]]
    assert [one[1] for one in changed] in ([], ["seed"])
    assert [one[1:] for one in plain] == [one[1:] for one in watched]
