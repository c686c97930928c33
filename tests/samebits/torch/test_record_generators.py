"""The digests of generators follow every change of a state, and only those."""

import random
import sys

import numpy
import pytest
import torch

from samebits.record.moves import CODE, MOST_MOVES
from samebits.rng.isolation import isolated_rng
from samebits.torch import record_generators
from samebits.torch.record_generators import Generators, generators

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
    monkeypatch.setattr("samebits.torch.record_generators._pythons_twister", lambda: 0)
    assert generators()["python"] == fast


def test_another_bit_generator_of_numpys_is_read():
    former = numpy.random.get_bit_generator()
    try:
        numpy.random.set_bit_generator(numpy.random.PCG64(1))
        before = generators()["numpy"]
        numpy.random.rand()
        assert generators()["numpy"] != before
    finally:
        numpy.random.set_bit_generator(former)


def test_numpys_half_is_the_same_by_its_own_function(monkeypatch):
    """Half a pair of normal numbers lies in the object, where no function reads it without the words."""
    assert record_generators._numpys_half() > 0
    with isolated_rng():
        numpy.random.seed(3)
        fast = []
        for _ in range(3):
            numpy.random.standard_normal()
            fast.append(record_generators._of_numpy(numpy.random))
        assert len(set(fast)) == 3
        assert [half is None for _, half in fast] == [False, True, False]
        state = numpy.random.get_state(legacy=False)
        assert fast[2][0][: 624 * 4] == state["state"]["key"].tobytes()
        assert numpy.frombuffer(fast[2][1])[0] == state["gauss"]
    monkeypatch.setattr("samebits.torch.record_generators._numpys_half", lambda: 0)
    test_a_draw_changes_one_of_them("numpy")


def test_a_move_is_told_with_what_was_done_and_the_line():
    with isolated_rng():
        seen = Generators()
        seen.look(CODE, sys._getframe())
        torch.rand(1)
        seen.look("the forward pass of Net", sys._getframe())
        torch.rand(1)
        after = seen.look("the forward pass of Net", sys._getframe())
        random.random()
        numpy.random.rand()
        seen.look(CODE, sys._getframe())
        seen.look(CODE, sys._getframe())
        moves = seen.take()
        assert [move[0] for move in moves] == ["torch", "torch", "python", "numpy"]
        assert moves[1][1:3] == [after["torch"], "the forward pass of Net"]
        assert moves[1][3].endswith(f"test_record_generators.py:{LINE + 6}")
        assert moves[2][2] == f"code from {moves[1][3]} to {moves[2][3]}"
        assert seen.take() == []
        for number in range(MOST_MOVES + 5):
            torch.rand(1)
            seen.look(f"number {number}", None)
        assert len(seen.take()) == MOST_MOVES
        for _ in range(3):  # a loop
            torch.rand(1)
            last = seen.look("evaluation", None)
        assert [move[1:3] for move in seen.take()] == [[last["torch"], "evaluation"]]


LINE = test_a_move_is_told_with_what_was_done_and_the_line.__code__.co_firstlineno + 1
