"""Memory that nobody wrote: what a run holds and what an optimiser trains are named once, in one place."""

import sys

import numpy as np
import pytest
import torch

from samebits.chance import memory
from samebits.chance.records import RECORDS, Source
from samebits.checkpoint.state import TrainingState
from samebits.framework import load_state


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = torch.nn.Parameter(torch.full((4,), torch.nan))  # as torch fills it
        self.out = torch.nn.Linear(4, 1)
        self.register_buffer("cache", torch.full((2,), torch.nan))


class Table:
    """What is held by its own `state_dict`."""

    def __init__(self) -> None:
        self.rows = np.frombuffer(b"\x7f" * 16, dtype="f4")  # as malloc fills it

    def state_dict(self) -> dict[str, np.ndarray]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        self.rows = state["rows"]


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "made", {})
    monkeypatch.setattr(memory, "named", set())


def _memory() -> list[Source]:
    return [source for source in RECORDS.counts if source.kind == "memory"]


def test_what_is_held_is_named_once_and_with_the_place_that_is_known() -> None:
    model = Net()
    memory.remember(model.gate, sys._getframe(), fill=False)
    state = TrainingState({"model": model, "table": Table()}, load_state("torch"))
    memory.look_at_held(state.objects, state.capture()[1])
    memory.look(list(model.parameters()))  # at the optimiser's first step
    named = {source.source: (source.line > 0, source.certain) for source in _memory()}
    assert named == {
        "the parameter Net.gate: memory that nobody wrote": (True, True),
        "model.cache: memory that nobody wrote": (False, False),
        "table.rows: memory that nobody wrote": (False, False),
    }
    assert {RECORDS.counts[source] for source in _memory()} == {1}


def test_what_was_written_since_is_not_named() -> None:
    model = Net()
    memory.remember(model.gate, sys._getframe(), fill=True)
    torch.nn.init.zeros_(model.gate)
    torch.nn.init.zeros_(model.cache)
    state = TrainingState({"model": model}, load_state("torch"))
    memory.look_at_held(state.objects, state.capture()[1])
    memory.look(list(model.parameters()))
    assert not _memory()


def test_memory_that_asks_for_gradients_can_be_filled(capsys: pytest.CaptureFixture[str]) -> None:
    tensor = torch.empty(3, requires_grad=True)
    memory.remember(tensor, sys._getframe(), fill=True)
    assert tensor.data_ptr() in memory.made
    assert (tensor.detach() == memory.MARK).all()
    assert capsys.readouterr().err == ""
