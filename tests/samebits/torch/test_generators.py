"""The fast ways to seed and restore agree with the slow ones."""

import ctypes
import random

import numpy as np
import pytest
import torch

from samebits.rng.seeds import derive_seed, hasher
from samebits.torch import generators
from samebits.torch.generators import own_generator, restored_globals, save_numpy, seed_globals


@pytest.mark.parametrize("twister", [generators.PYTHONS_TWISTER, 0], ids=["copied", "set"])
def test_pythons_generator_is_seeded_as_numpys_would_be(monkeypatch, twister):
    assert generators.PYTHONS_TWISTER != 0  # the fast way works with this Python
    monkeypatch.setattr(generators, "PYTHONS_TWISTER", twister)
    random.seed(1), random.gauss(), random.random()
    generators.seed_python(20261121)
    words = np.random.RandomState(20261121).get_state()[1]
    assert random.getstate() == (3, (*map(int, words), 624), None)
    assert random.random() == np.random.RandomState(20261121).random_sample()


@pytest.mark.parametrize("normals", range(4))
@pytest.mark.parametrize("uniforms", [0, 1, 311, 624])
def test_numpys_state_is_restored_exactly(normals, uniforms):
    np.random.seed(3)
    np.random.randn(normals), np.random.rand(uniforms)
    before = np.random.get_state(legacy=False)
    restore = save_numpy()
    np.random.seed(9), np.random.randn(normals + 1)
    restore()
    after = np.random.get_state(legacy=False)
    assert (after["state"]["key"] == before["state"]["key"]).all()
    assert after["state"]["pos"] == before["state"]["pos"]
    assert (after["has_gauss"], after["gauss"]) == (before["has_gauss"], before["gauss"])


def test_another_bit_generator_is_restored_too(monkeypatch):
    monkeypatch.setattr(ctypes, "string_at", None)  # its memory is not for us to touch
    original = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(1))
    try:
        restore = save_numpy()
        first = np.random.rand()
        restore()
        assert np.random.rand() == first
    finally:
        np.random.set_bit_generator(original)


def test_a_block_may_be_inside_another():
    seed_globals(bytes(range(32)))
    expected = [random.random(), np.random.rand(), torch.rand(1).item()]
    seed_globals(bytes(range(32)))
    with restored_globals():
        seed_globals(bytes(32))
        middle = np.random.randn()
        with restored_globals():
            seed_globals(bytes(range(1, 33)))
        assert np.random.randn() != middle
    assert [random.random(), np.random.rand(), torch.rand(1).item()] == expected


def test_the_three_generators_get_independent_seeds():
    digest = hasher(0, "x").digest()
    seed_globals(digest)
    assert torch.initial_seed() == derive_seed(0, "x")
    # With one seed these two would be the same Mersenne twister.
    assert np.random.randint(0, 2**32, 4, dtype=np.uint32).tolist() != torch.randint(0, 2**32, (4,)).tolist()


def test_generators_of_samples_are_independent():
    draws = {own_generator(hasher(0, "sample", index).digest()).random() for index in range(1000)}
    assert len(draws) == 1000
    assert 0.45 < sum(draws) / 1000 < 0.55
