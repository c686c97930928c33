"""A Lightning Trainer ends in the same bits when interrupted; what it cannot hold is refused by name."""

import importlib.util
import json

import pytest
from tests.samebits.torch.elsewhere.scenarios import HERE, check_refused, check_resumed, play, same

if importlib.util.find_spec("lightning") is None:  # not imported: that takes seconds
    pytest.skip("lightning is not installed", allow_module_level=True)

REFUSED = {
    "callback": "Counter keeps count, which the run cannot save",
    "average": "StochasticWeightAveraging keeps ",
    "loader": "loader is a DataLoader, which cannot begin where a run stopped",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def said(start, folder):
    return play(start, folder, "lightning", middle=5, end=13, refused=REFUSED)


def test_interrupted_anywhere_it_ends_in_the_same_bits(said, folder):
    check_resumed(said, folder, middle=5, end=13)


def test_what_cannot_be_held_is_refused_by_name(said):
    check_refused(said, REFUSED)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["boring", "language"])
def test_its_own_demonstrations_resume_within_an_epoch_and_at_its_end(start, tmp_path, model):
    usual = {"script": "train_demo", "arguments": [f"--model={model}"]}
    scenarios = [{**usual, "name": "whole", "variables": {}}]
    for stop in (8, 12):  # of 18 steps in three epochs
        for variables in ({"SAMEBITS_STOP_AT": str(stop)}, {}):
            scenarios.append({**usual, "name": f"after-{stop}", "variables": variables})
    done = start("python", HERE / "forked.py", json.dumps(scenarios), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    statuses = [json.loads(line)[1] for line in done.stdout.splitlines() if line.startswith('["')]
    assert statuses == [0, 75, 0, 75, 0], done
    for stop in (8, 12):
        assert same(tmp_path, "whole", f"after-{stop}"), stop
        assert same(tmp_path, "whole", f"after-{stop}", "metrics.jsonl"), stop
