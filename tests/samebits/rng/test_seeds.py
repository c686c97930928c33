"""Derived seeds, and seed_everything in processes of their own."""

import subprocess
import sys

import numpy as np
import pytest
from tests.conftest import printed

from samebits import UsageError, derive_seed, seed_everything

# Changing one of these changes every run of every project: raise the manifest's format along with it.
GOLDEN = {
    (0,): 2642284626055212822,
    (0, "dropout"): 2544350672122396241,
    (7, "train", "sample", 3, 41): 2680289488411325846,
    (2**63 - 1, "ü", -1): 8019184069545030185,
}


@pytest.mark.parametrize(("path", "seed"), GOLDEN.items())
def test_derived_seeds_never_change(path, seed):
    assert derive_seed(*path) == seed


def test_paths_are_unambiguous():
    paths = [
        (),
        (1,),
        ("1",),
        ("i1;",),
        (1, 1),
        (11,),
        ("a", "b"),
        ("ab",),
        ("a", "", "b"),
        ("", "ab"),
        (-1,),
    ]
    assert len({derive_seed(0, *path) for path in paths}) == len(paths)
    assert derive_seed(0, "a") != derive_seed(1, "a")
    assert derive_seed(np.int64(5), "a", np.int32(3)) == derive_seed(5, "a", 3)


def test_derived_seeds_fill_their_range():
    seeds = [derive_seed(0, number) for number in range(4000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    for bit in range(63):
        assert 1800 < sum(seed >> bit & 1 for seed in seeds) < 2200


@pytest.mark.parametrize("root", [True, 1.0, -1, 2**63, "1", None])
def test_a_seed_that_is_none_is_refused_in_one_line(root):
    for use in (derive_seed, seed_everything):
        with pytest.raises(UsageError, match=r"^seed is .*: give an integer from 0 to 2\*\*63 - 1$"):
            use(root)


@pytest.mark.parametrize("element", [True, 1.5, None, ("a",), b"a"])
def test_a_path_of_something_else_is_refused(element):
    with pytest.raises(UsageError, match="derived from names and integers"):
        derive_seed(0, element)


def test_importing_samebits_imports_no_framework():
    code = "import samebits, sys; samebits.derive_seed(0)"
    code += "; print({'numpy', 'torch', 'tensorflow'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_torch_gets_the_plain_seed_wherever_it_is_imported(start):
    draw = """
import random, numpy
print([random.random(), *numpy.random.rand(3).tolist()])
print([round(x, 4) for x in torch.rand(5).tolist()])
"""
    known = [0.4963, 0.7682, 0.0885, 0.1320, 0.3074]  # published many times for torch.manual_seed(0)
    numpys = [0.5488135039273248, 0.7151893663724195, 0.6027633760716439]  # and for numpy.random.seed(0)
    before = printed(start, "import torch, samebits; samebits.seed_everything(0)" + draw)
    after = printed(start, "import samebits; samebits.seed_everything(0); import torch" + draw)
    assert before == after
    assert before == [[0.8444218515250481, *numpys], known]


def test_nothing_is_imported_for_seeding(start):
    code = "import samebits, sys; samebits.seed_everything(0)"
    code += "; print([name in sys.modules for name in ('torch', 'tensorflow', 'keras')])"
    assert printed(start, code) == [[False, False, False]]


def test_every_bit_of_a_large_seed_counts(start):
    code = """
import random, numpy, torch, samebits
for seed in (5, 5 + 2**32, 5 + 2**62):
    samebits.seed_everything(seed)
    print([random.random(), float(numpy.random.rand())])
"""
    pythons, numpys = zip(*printed(start, code), strict=True)
    assert len(set(pythons)) == len(set(numpys)) == 3


# Keras and TensorFlow take seconds to import: one script answers all questions about one order of imports.
KERAS = """
def draw():
    import random, numpy
    from tensorflow.python.eager import context
    print([random.random(), float(numpy.random.rand())])
    generator = tf.random.get_global_generator()  # made by us, but not used: it starts no device
    print(context.context()._initialized)
    print(generator.normal([2]).numpy().tolist())
    print(tf.random.normal([2]).numpy().tolist() + tf.random.normal([2]).numpy().tolist())
    print(keras.random.normal((2,)).numpy().tolist())
"""


def test_keras_and_tensorflow_are_seeded_wherever_they_are_imported(start):
    first = "import samebits, keras, tensorflow as tf; samebits.seed_everything(3)"
    later = "import samebits; samebits.seed_everything(3); import keras, tensorflow as tf"
    by_keras = "import keras, tensorflow as tf; keras.utils.set_random_seed(3)"
    by_keras += "; tf.random.set_global_generator(tf.random.Generator.from_seed(3))"
    seeds = [printed(start, f"{head}\n{KERAS}\ndraw()") for head in (later, by_keras)]
    again = printed(start, f"{first}\n{KERAS}\ndraw()\nsamebits.seed_everything(3)\ndraw()")
    assert again[:5] == seeds[0]
    assert again[5:] == [seeds[0][0], True, *seeds[0][2:]]
    assert seeds[0][1] is False
    seeds[1][1] = False  # their way does start TensorFlow's devices
    assert seeds[0] == seeds[1]
    # And no generator depends on the others' being there.
    plain = "import samebits, random, numpy; samebits.seed_everything(3)"
    plain += "; print([random.random(), float(numpy.random.rand())])"
    assert printed(start, plain) == [seeds[0][0]]
