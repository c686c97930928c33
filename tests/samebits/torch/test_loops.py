"""Users' own loops, with what they put into them, end in the same bits wherever they were interrupted."""

import json
from pathlib import Path

import pytest
from tests.samebits.torch.elsewhere.scenarios import HERE, same

LOOPS = (
    "accumulating",
    "adapting",
    "averaging",
    "by_a_schedule_of_its_own",
    "curriculum",
    "mixed_precision",
    "stochastic_averaging",
    "unfreezing",
)
# Of 18 steps in three epochs: within the second one, at its end, within the third one.
STOPS = dict.fromkeys(LOOPS, (8, 12)) | {"unfreezing": (8, 12, 15)}


@pytest.fixture(scope="module")
def played(start, tmp_path_factory):
    """Every loop without interruption, and stopped and resumed: each in a process of its own."""
    folder, scenarios = tmp_path_factory.mktemp("loops"), []
    for loop in LOOPS:
        for stop in (None, *STOPS[loop]):
            name = loop if stop is None else f"{loop}-{stop}"
            usual = {"script": "train_loops", "name": name, "arguments": [f"--loop={loop}"]}
            if stop is not None:
                scenarios.append({**usual, "variables": {"SAMEBITS_STOP_AT": str(stop)}})
            scenarios.append({**usual, "variables": {}})
    done = start("python", HERE / "forked.py", json.dumps(scenarios), cwd=folder)
    assert done.returncode == 0, done.stderr
    said: dict[str, list[tuple[int, str]]] = {}
    for line in done.stdout.splitlines():
        name, status, text = json.loads(line)
        said.setdefault(name, []).append((status, text))
    return folder, said


@pytest.mark.parametrize("loop", LOOPS)
def test_interrupted_within_an_epoch_and_at_its_end(played: tuple[Path, dict], loop: str) -> None:
    folder, said = played
    assert said[loop] == [(0, "")]
    for stop in STOPS[loop]:
        name = f"{loop}-{stop}"
        assert [status for status, _ in said[name]] == [75, 0], said[name]
        assert said[name][1][1].startswith(f"resumes after step {stop}, "), said[name]
        assert len(said[name][1][1].splitlines()) == 1, said[name]
        assert same(folder, loop, name), name
        assert same(folder, loop, name, "metrics.jsonl"), name
