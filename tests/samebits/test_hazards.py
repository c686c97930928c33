"""The networks of hazards: same bits twice, other bits for another seed, and refusals by name."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FRAMEWORKS, Started

from samebits.errors import CheckFailed

Start = Callable[..., Started]

# What has no deterministic kernel even on a CPU, and the beginning of what is said about it.
REFUSED = {
    "torch": ("put", "put_ has no deterministic kernel; use index_put_"),
    "keras": ("fractional_max_pool", "tf.nn.fractional_max_pool draws without a seed; pass it a seed"),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_same_bits_twice_and_others_for_another_seed(
    start: Start, tmp_path: Path, framework: str
) -> None:
    variables = {"NET": "hazards", "FRAMEWORK": framework, "DEVICE": "cpu", "RUNS": None, "JOBS": "2"}
    smoke = start("smoke", "--steps", 3, cwd=tmp_path, **variables)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    sha256 = smoke.stdout.split()[-1]

    other = start("train", "--steps", 3, "--seed", 1, "--run", "other", cwd=tmp_path, **variables)
    assert other.returncode == 0, other.stdout + other.stderr
    manifest = json.loads((tmp_path / "other" / "manifest.json").read_text())
    assert manifest["weights_sha256"] != sha256

    name, why = REFUSED[framework]
    (line,) = (line for line in other.stdout.splitlines() if " refused: " in line)
    assert line.split(" refused: ")[0].strip() == name
    assert line.split(" refused: ")[1].startswith(why)
    assert manifest["metrics"]["refused"] == [name]
    assert other.stdout.count("the same bits in 3 tries") == manifest["metrics"]["operations"] >= 25


# only: torch
@pytest.fixture
def hazards() -> Any:
    import torch

    from samebits.torch import hazards

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield hazards
    torch.use_deterministic_algorithms(before)


# only: end


def only(hazards: Any, monkeypatch: pytest.MonkeyPatch, operation: Callable[..., Any]) -> None:
    monkeypatch.setattr(hazards, "HAZARDS", {"fake": hazards.function(operation)})


# only: torch
def test_what_a_gpu_refuses_is_named_with_what_to_use(
    hazards: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(states: Any, words: Any) -> Any:
        raise RuntimeError(
            "ctc_loss_backward_gpu does not have a deterministic implementation, but you set "
            "'torch.use_deterministic_algorithms(True)'. You can turn off determinism for this operation…"
        )

    only(hazards, monkeypatch, refuse)
    refused = hazards.probe(0, "cpu", batch_size=2)
    assert refused["fake"].startswith(
        "ctc_loss_backward_gpu has no deterministic kernel; use the loss on the CPU"
    )
    assert "fake" in capsys.readouterr().out


# only: end


def test_other_errors_are_not_taken_for_a_refusal(hazards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(states: Any, words: Any) -> Any:
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")

    only(hazards, monkeypatch, break_down)
    with pytest.raises(RuntimeError, match="must match"):
        hazards.probe(0, "cpu", batch_size=2)


def test_an_operation_that_moves_in_deterministic_mode_is_caught(
    hazards: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def race(states: Any, words: Any) -> Any:
        return states * (1 + int.from_bytes(os.urandom(4), "little"))

    only(hazards, monkeypatch, race)
    with pytest.raises(CheckFailed, match="on cpu these give other bits in deterministic mode: fake"):
        hazards.probe(0, "cpu", batch_size=2)
    assert "OTHER BITS" in capsys.readouterr().out
