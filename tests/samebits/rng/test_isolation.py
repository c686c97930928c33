"""isolated_rng and stream: Python's generator afterwards as before."""

from samebits import stream


def test_a_stream_depends_on_its_seed_and_path_only():
    import random

    def draw(*path):
        with stream(*path):
            return random.random()

    first = draw(0, "a")
    random.random()
    assert draw(0, "a") == first
    assert len({first, draw(1, "a"), draw(0, "b"), draw(0, "a", 1)}) == 4
