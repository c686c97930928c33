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
    "held_object": [],
    "lists_in_a_callback": [],
    "tensorflows_iterator": ["more: iterator"],
}
REFUSED = "model_in_a_callback"
# What objects of the user's remember comes back; what a layer does in Python must not, as TensorFlow has
# compiled it with what was there at first.
RESUMED = (
    "held_object",
    "lists_in_a_callback",
    "callback_with_a_number",
    "rate_of_dropout",
    "attribute_of_a_layer",
)


Printed = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def printed(start: Callable[..., Started], tmp_path_factory: pytest.TempPathFactory) -> Printed:
    """What the trainings print, by kind; one process for all of them."""
    folder = tmp_path_factory.mktemp("kinds")

    def printed(place: str, *names: str, **variables: str) -> dict[str, Any]:
        done = start("python", KINDS, folder / place, *names, **variables)
        assert done.returncode == 0, done.stderr
        results: dict[str, Any] = {"FOUND": {}, "SHA256": {}}
        for line in done.stdout.splitlines():
            word, _, rest = line.partition(" ")
            if word in results and rest.startswith("{"):
                results[word] |= json.loads(rest)
        return results

    return printed


@pytest.fixture(scope="module")
def whole(printed: Printed) -> dict[str, Any]:
    return printed("whole", *NAMED, REFUSED)


@pytest.fixture(scope="module")
def rows(whole: dict[str, Any]) -> dict[str, Any]:
    """What each training's manifest has."""
    return dict(whole["FOUND"])


@pytest.mark.slow
def test_what_is_remembered_comes_back(whole: dict[str, Any], printed: Printed) -> None:
    stopped = printed("stopped", *RESUMED, SAMEBITS_STOP_AT="9")
    assert stopped["SHA256"] == {}
    resumed = printed("stopped", *RESUMED)
    assert resumed["SHA256"] == {name: whole["SHA256"][name] for name in RESUMED}


@pytest.mark.parametrize("kind", NAMED)
def test_what_changes_is_named(rows: dict[str, Any], kind: str) -> None:
    assert [f"{row['name']}: {row['kind']}" for row in rows[kind]] == NAMED[kind]


def test_a_model_that_a_callback_keeps_is_refused_by_name(rows: dict[str, Any]) -> None:
    """A model can be called, as a function can, and was left out with those."""
    assert rows[REFUSED] == (
        "run.checkpoint: the callback Teacher keeps a Sequential in teacher: hold it too, teacher=…, or give "
        "the callback `stateless = True` if the training is the same without it"
    )
