"""The network of hazards in torch: what is refused is named, and what moves is caught."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from samebits.errors import CheckFailed
from samebits.proof import hazards_torch as torch_hazards


@pytest.fixture
def hazards() -> Iterator[Any]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield torch_hazards
    torch.use_deterministic_algorithms(before)


def only(hazards: Any, monkeypatch: pytest.MonkeyPatch, operation: Callable[..., Any]) -> None:
    monkeypatch.setattr(hazards, "HAZARDS", {"fake": hazards.function(operation)})


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
    with pytest.raises(CheckFailed, match="on cpu these give other results in deterministic mode: fake"):
        hazards.probe(0, "cpu", batch_size=2)
    assert "OTHER BITS" in capsys.readouterr().out
