"""isolated_rng and stream: torch's generators, and the others beside them, afterwards as before."""

import pytest
from tests.conftest import printed

from samebits import isolated_rng, stream


def test_python_numpy_and_torch_continue_as_if_nothing_had_been():
    import random

    import numpy
    import torch

    def draw():
        # An odd number of normal ones: NumPy keeps the second of each pair.
        return [random.gauss(), random.random(), *numpy.random.randn(3), *torch.rand(3), *torch.randn(17)]

    def seed():
        random.seed(1), numpy.random.seed(1), torch.manual_seed(1)

    seed()
    expected = [draw(), draw(), draw()]
    seed()
    drawn = [draw()]
    with isolated_rng():
        inside = draw()
    drawn.append(draw())
    with pytest.raises(ZeroDivisionError), stream(0, "x"), isolated_rng():
        draw()[99 // 0]
    drawn.append(draw())
    assert drawn == expected
    assert inside == expected[1]  # the block itself continues from where it is


def test_a_framework_imported_inside_is_as_if_it_had_been_there(start):
    code = """
import samebits
samebits.seed_everything(0)
with samebits.{block}:
    import torch, numpy
    torch.rand(3), numpy.random.rand(3)
print([round(x, 4) for x in torch.rand(5).tolist()])
print(float(numpy.random.rand()))
"""
    blocks = [printed(start, code.format(block=block)) for block in ("isolated_rng()", "stream(5, 'x')")]
    assert blocks[0] == blocks[1]
    assert blocks[0][:2] == [[0.4963, 0.7682, 0.0885, 0.1320, 0.3074], 0.5488135039273248]


def test_without_a_seed_no_import_is_seeded(start):
    code = """
import samebits
with samebits.stream(0, "x"):
    pass
import torch
print(torch.initial_seed())
"""
    assert printed(start, code) != printed(start, code)


@pytest.mark.gpu
def test_gpus_too(start):
    if not __import__("torch").cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    code = """
import samebits, torch
for early in (True, False):
    for block in (False, True):
        samebits.seed_everything(3)
        if early:
            torch.rand(1, device="cuda")
        if block:
            with samebits.stream(0, "x"):
                torch.rand(5, device="cuda")
        print(torch.rand(3, device="cuda").tolist())
"""
    lines = printed(start, code)
    assert lines[0] == lines[1]
    assert lines[2] == lines[3]


def test_seeds_that_wait_for_cuda_are_kept(start):
    code = """
import samebits, torch
def waiting():
    seeds = []
    generator = type("G", (), {"manual_seed": lambda self, seed: seeds.append(seed)})()
    torch.cuda.default_generators = [generator]
    for call in torch.cuda._lazy_seed_tracker.get_calls():
        if call: call[0]()
    return seeds
torch.cuda.random.device_count = lambda: 1
torch.cuda.random.current_device = lambda: 0
torch.manual_seed(3)
torch.cuda.manual_seed(4)
before = waiting()
with samebits.stream(0, "x"):
    inside = waiting()
print([before, inside == before, waiting()])
"""
    assert printed(start, code) == [[[3, 4], False, [3, 4]]]
