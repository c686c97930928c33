"""The registry of generators: whoever stands in it is seeded, isolated, saved, found and looked at."""

import random
import sys
from types import ModuleType

import pytest

from samebits import isolated_rng, seed_everything
from samebits.checkpoint.state import TrainingState
from samebits.rng import generators
from samebits.rng.generators import Generators
from samebits.rng.moved import moved_generators
from samebits.rng.seeds import seed_step
from samebits.rng.unseedable import find_generator


class Theirs(random.Random):
    """A generator of a library that samebits has never heard of."""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A library with a global generator of its own kind, and its row."""
    library = ModuleType("their_library")
    library.generator = generator = Theirs(0)

    def save() -> generators.Restore:
        state = generator.getstate()
        return lambda: generator.setstate(state)

    library.ROW = Generators(
        owner="Theirs",
        seed=generator.seed,
        save=save,
        state=generator.getstate,
        put=generator.setstate,
        draw=generator.random,
        kinds=lambda: (Theirs,),
        seed_step=generator.seed,
    )
    monkeypatch.setitem(sys.modules, "their_library", library)
    monkeypatch.setitem(generators.ROWS, "their_library", "their_library:ROW")
    return library


def test_a_row_is_all_that_a_new_owner_needs(library: ModuleType) -> None:
    generator = library.generator

    def first() -> float:
        return generator.random()

    with isolated_rng():
        seed_everything(3)
        assert first() == random.Random(3).random()
        seed_step(4)
        assert first() == random.Random(4).random()
        before = generator.getstate()
        with isolated_rng():
            first()
        assert generator.getstate() == before
        assert moved_generators(first) == ["Theirs"]
        assert "is a" in (
            find_generator(type("Data", (), {"__init__": lambda s: setattr(s, "rng", Theirs())})(), "d") or ""
        )


class Toolkit(ModuleType):
    """What a framework gives that has nothing to hold."""

    KINDS = ()
    missing = staticmethod(lambda held: None)
    watch = staticmethod(lambda held: None)
    snapshot = staticmethod(lambda copies: lambda path, value: None)


def test_a_checkpoint_holds_every_row(library: ModuleType) -> None:
    with isolated_rng():
        held = TrainingState({}, Toolkit("toolkit"))
        state, tensors = held.capture()
        assert state["generators"].keys() == {module for module, _ in generators.imported()}
        expected = library.generator.random()
        held.restore_generators(state, tensors)
        assert library.generator.random() == expected


@pytest.mark.parametrize("module", generators.ROWS)
def test_a_row_sees_its_own_draw(module: str) -> None:
    pytest.importorskip(module)
    row = generators.row(module)
    with isolated_rng():
        seed_everything(0)  # without a seed TensorFlow refuses to draw
        assert moved_generators(lambda: None) == []
        assert row.owner in moved_generators(row.draw)
