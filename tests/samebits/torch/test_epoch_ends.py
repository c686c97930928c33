"""A training that is ended by a signal around an epoch's end or head: no empty loop, the same bits."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Started, one_line

SCRIPT = Path(__file__).with_name("epoch_ends.py")
PLACES = ("head", "step 2", "step 4", "evaluation", "evaluation 0", "logged")
KILL, TERM = signal.SIGKILL, signal.SIGTERM
EVERY = [(number, 2, place) for number in (KILL, TERM) for place in PLACES]
EVERY += [(KILL, 3, place) for place in ("step 4", "evaluation", "finish")]
SOME = [(KILL, 2, "evaluation"), (TERM, 2, "step 2"), (TERM, 2, "step 4"), (TERM, 2, "logged")]
CASES = [
    ({}, SOME),
    ({"stream": True, "workers": 1}, SOME),
    *(
        pytest.param(settings, instants, marks=pytest.mark.slow)
        for settings, instants in (
            ({"checkpoint_every": 1}, SOME),
            ({"checkpoint_every": 10, "keep_steps": [6]}, SOME),  # the last of a training, or evaluation
            ({"stream": True, "checkpoint_every": 2}, SOME),
            ({}, EVERY),
        )
    ),
]
Start = Callable[..., Started]
Answer = tuple[int, str, str]  # status, stdout, stderr


def play(start: Start, folder: Path, trainings: list[tuple[str, Any, dict[str, Any]]]) -> list[Answer]:
    """Each training in a process of its own, one after the other."""
    done = start("python", SCRIPT, json.dumps(trainings), cwd=folder)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def result(folder: Path) -> tuple[bytes, str]:
    return (folder / "weights.safetensors").read_bytes(), (folder / "metrics.jsonl").read_text()


@pytest.mark.parametrize(("settings", "instants"), CASES)
def test_a_signal_at_any_instant_leaves_what_resumes_to_the_same_bits(
    start: Start, tmp_path: Path, settings: dict[str, Any], instants: list[tuple[int, int, str]]
) -> None:
    trainings: list[tuple[str, Any, dict[str, Any]]] = [("whole", None, settings)]
    for number, instant in enumerate(instants):
        trainings += [(str(number), instant, settings), (str(number), None, settings)]
    whole, *ended = play(start, tmp_path, trainings)
    assert whole[0] == 0, whole
    for number, instant in enumerate(instants):
        stopped, resumed = ended[2 * number : 2 * number + 2]
        assert stopped[0] == (-KILL if instant[0] == KILL else 75), (instant, stopped)
        assert resumed[0] == 0, (instant, resumed)
        assert "resumes after step " in resumed[1], (instant, resumed)
        assert result(tmp_path / str(number)) == result(tmp_path / "whole"), instant
        if instant[0] == TERM and not settings.get("workers"):
            step = {"head": 6, "step 2": 8}.get(
                instant[2], 12
            )  # an epoch's end is reached before it is saved
            said = f"samebits: SIGTERM: saved after step {step}; run the same command again to resume"
            assert one_line(stopped[2]) == said, instant
            [where] = [line for line in resumed[1].splitlines() if line.startswith("resumes")]
            middle = "in epoch 2: sums of your own cover its steps from 3 on; run.state.seen += n in place of"
            place = {"head": "after epoch 1", "step 2": middle}.get(instant[2], "after epoch 2")
            assert where.startswith(f"resumes after step {step}, {place}"), instant


def test_a_training_that_fails_says_in_the_same_line_how_to_resume(start: Start, tmp_path: Path) -> None:
    trainings = [("run", None, {"once": True}), ("run", None, {"once": True})]
    for status, _, stderr in play(start, tmp_path, trainings):
        assert status == 2
        again = ".run.partial is kept: run the same command again to resume"
        assert one_line(stderr) == f"samebits: the disk is full; {again}"
