"""Numbers and tensors in attributes of held objects come back after an interruption, without an edit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Started

SCRIPT = Path(__file__).with_name("remembering.py")
RESTORED = {
    "alternating_layers": ["model.calls"],
    "running_weights": ["criterion.weights"],
    "shared_tensor": ["criterion.weights", "reader.weights"],
    "no_longer_shared": ["mine.weights", "other.weights"],
    "difficulties": ["loader train.sampler.difficulties"],
    "best_weights": ["best.score", "best.weights"],
    "everything": [
        *("memory.queue", "memory.hidden", "memory.table", "memory.array", "memory.number", "memory.counts"),
        *("memory.phases", "memory.unknown", "memory.new", "memory.gone"),
    ],
    "object_in_a_module": ["model.warmup[0]._Warmup__calls"],
    "rate_of_dropout": ["model[2].p"],
    "level_of_a_dataset": ["loader train.dataset.level"],
    "forgetful_state": ["schedule.calls", "schedule.peak"],
    "plan_and_flag": [],
    "clock_in_a_module": [],
    "cache_of_a_dataset": [],
    "long_list": ["losses.all"],
    "budget": ["own.left"],
}
AGAIN = ["difficulties", "long_list", "no_longer_shared"]  # twice in one epoch
REFUSED = "own.left was 100 when the run began, and is 200 in this process. It has changed since, so nobody"


@pytest.fixture(scope="module")
def trained(start: Callable[..., Started], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each training says: without an interruption, and stopped in its second epoch and resumed."""
    folder = tmp_path_factory.mktemp("remembering")
    all_ = [*RESTORED, "ignored_budget", "budget_inside"]
    phases = [
        ("whole", all_, {}),
        ("stopped", all_, {"SAMEBITS_STOP_AT": "8"}),
        ("stopped", AGAIN, {"SAMEBITS_STOP_AT": "10"}),
        ("stopped", ["budget", "ignored_budget", "budget_inside"], {"BUDGET": "200"}),
        ("stopped", list(RESTORED), {}),
    ]
    tables = [
        {"folder": str(folder / place), "names": names, "variables": variables}
        for place, names, variables in phases
    ]
    done = start("python", SCRIPT, json.dumps(tables))
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = [{} for _ in phases]
    for line in done.stdout.splitlines():
        if line.startswith("TRAINED "):
            phase, name, result = json.loads(line.removeprefix("TRAINED "))
            results[phase][name] = result
    whole, *stopped, other, resumed = results
    assert all(result == {"stopped": True} for phase in stopped for result in phase.values())
    return {"whole": whole, "resumed": resumed, "other": other, "stderr": done.stderr}


@pytest.mark.parametrize("kind", RESTORED)
def test_what_held_objects_remember_comes_back(trained: dict[str, Any], kind: str) -> None:
    whole, resumed = trained["whole"][kind], trained["resumed"][kind]
    assert resumed["sha256"] == whole["sha256"]
    assert sorted(resumed["restored"]) == sorted(RESTORED[kind])
    assert whole["restored"] == []


def test_what_comes_back_is_not_named_as_unsaved(trained: dict[str, Any]) -> None:
    named = {kind: set(trained["whole"][kind]["unsaved"]) for kind in RESTORED}
    assert named.pop("plan_and_flag") == {"model.planned", "model.calls", "model.last"}
    assert named.pop("clock_in_a_module") == {"model.began", "model.spent"}
    named.pop("cache_of_a_dataset")
    assert all(not names for names in named.values()), named


def test_what_a_setting_decides_is_refused_by_name(trained: dict[str, Any]) -> None:
    line = trained["other"]["budget"]["refused"]
    assert line.startswith(REFUSED)
    assert "run.checkpoint('own.left', affects_weights=False) if it decides no weight" in line
    assert "\n" not in line


def test_an_object_inside_that_differs_stays_as_it_is_and_is_named(trained: dict[str, Any]) -> None:
    resumed = trained["other"]["budget_inside"]
    assert resumed["restored"] == []
    assert resumed["unsaved"] == ["model.inside.left"]
    line = "samebits: model.inside.left was 100 when the run began, and is 200 in this process: model.inside "
    assert trained["stderr"].count(line) == 1


def test_what_is_ignored_is_left_out(trained: dict[str, Any]) -> None:
    """So another setting is accepted, and nothing is restored."""
    resumed = trained["other"]["ignored_budget"]
    assert resumed["restored"] == []
    assert resumed["unsaved"] == []
    assert resumed["sha256"] != trained["whole"]["ignored_budget"]["sha256"]
