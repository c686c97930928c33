"""Loops of one's own, with what users put into them, end in the same bits wherever they were interrupted."""

import json
from pathlib import Path

import pytest
from tests.samebits.torch.elsewhere.scenarios import HERE, same

LOOPS = ("unfreezing",)
STOPS = (8, 12, 15)  # of 18 steps in three epochs: within the second one, at its end, within the third


@pytest.fixture(scope="module")
def played(start, tmp_path_factory):
    """Every loop without interruption, and stopped and resumed: each in a process of its own."""
    folder, scenarios = tmp_path_factory.mktemp("loops"), []
    for loop in LOOPS:
        for stop in (-1, *STOPS):
            for variables in ({"SAMEBITS_STOP_AT": str(stop)}, {"SAMEBITS_STOP_AT": "-1"})[stop == -1 :]:
                name = f"{loop}-{stop}" if stop > 0 else loop
                arguments = [f"--loop={loop}"]
                scenarios.append(
                    {"script": "train_loops", "name": name, "arguments": arguments, "variables": variables}
                )
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
    for stop in STOPS:
        name = f"{loop}-{stop}"
        assert [status for status, _ in said[name]] == [75, 0], said[name]
        assert said[name][1][1].startswith(f"resumes after step {stop}, "), said[name]
        assert len(said[name][1][1].splitlines()) == 1, said[name]
        assert same(folder, loop, name), name
        assert same(folder, loop, name, "metrics.jsonl"), name
