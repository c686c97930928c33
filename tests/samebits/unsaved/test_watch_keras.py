"""What changes and is in no checkpoint is named in Keras, too, and what its callbacks keep."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Started

KINDS = Path(__file__).with_name("kinds_keras.py")
NAMED = {
    "control": [],
    "callback_with_a_closure": ["seen: int"],
    "callback_with_a_number": [],
    "callable_in_a_callback": ["Schedule.factor.calls: int"],
    "model_in_a_callback_held": [],
    "the_model_itself_in_a_callback": [],
    "attribute_of_a_layer": ["half.calls: int"],
    "rate_of_dropout": ["model.layers[1].rate: float"],
    "generator_of_ones_own": ["rng: generator"],
    "own_loop": ["step: int"],
    "tensorflows_iterator": ["more: iterator"],
}
REFUSED = "model_in_a_callback"


@pytest.fixture(scope="module")
def found(start: Callable[..., Started], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each training's manifest has; one process for all of them."""
    done = start("python", KINDS, tmp_path_factory.mktemp("kinds"), *NAMED, REFUSED)
    assert done.returncode == 0, done.stderr
    lines = [line[6:] for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    return {name: rows for line in lines for name, rows in json.loads(line).items()}


@pytest.mark.parametrize("kind", NAMED)
def test_what_changes_is_named(found: dict[str, Any], kind: str) -> None:
    assert [f"{one['name']}: {one['kind']}" for one in found[kind]] == NAMED[kind]


def test_a_model_that_a_callback_keeps_is_refused_by_name(found: dict[str, Any]) -> None:
    """A model can be called, as a function can, and was left out with those."""
    assert found[REFUSED] == (
        "run.checkpoint: the callback Teacher keeps a Sequential in teacher: hold it too, teacher=…, or give "
        "the callback `stateless = True` if the training is the same without it"
    )
