"""The digests of generators follow every change of a state, and only those."""

import random
import sys

import numpy
import pytest
import torch

from samebits.rng.isolation import isolated_rng
from samebits.torch import record_generators
from samebits.torch.record_generators import generators

DRAWS = {
    "python": [random.random, lambda: random.gauss(0, 1), lambda: random.gauss(0, 1), lambda: random.seed(5)],
    "numpy": [
        numpy.random.rand,
        numpy.random.standard_normal,  # draws a pair
        numpy.random.standard_normal,  # takes its other half: no word of the state changes
        lambda: numpy.random.seed(5),
    ],
    "torch": [lambda: torch.rand(1), lambda: torch.randn(1), lambda: torch.manual_seed(5)],
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_changes_one_of_them(name):
    with isolated_rng():
        for draw in DRAWS[name]:
            before = generators()
            assert generators() == before  # to look is no draw
            draw()
            after = generators()
            assert [key for key in before if before[key] != after[key]] == [name]


def test_equal_states_have_equal_digests():
    with isolated_rng():
        seen = []
        for _ in range(2):
            random.seed(1)
            numpy.random.seed(1)
            torch.manual_seed(1)
            numpy.random.standard_normal(3)
            seen.append(generators())
        assert seen[0] == seen[1]


def test_pythons_state_is_the_same_by_its_own_function(monkeypatch):
    fast = generators()["python"]
    assert "samebits.torch.generators" in sys.modules
    monkeypatch.setattr("samebits.torch.generators.PYTHONS_TWISTER", 0)
    assert generators()["python"] == fast


def test_another_bit_generator_of_numpys_is_read():
    former = numpy.random.get_bit_generator()
    try:
        numpy.random.set_bit_generator(numpy.random.PCG64(1))
        before = generators()["numpy"]
        numpy.random.rand()
        assert generators()["numpy"] != before
        assert record_generators._numpys == []
    finally:
        numpy.random.set_bit_generator(former)
