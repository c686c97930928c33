"""A checkpoint's state that a stranger wrote: whatever stands in it, one line, and no code of theirs runs."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from samebits import UsageError
from samebits.checkpoint.state import TrainingState
from samebits.hashing.weights import Stored, read_header, save_tensors
from samebits.torch import state as toolkit

VALUES: list[Any] = [None, 0, -1, 10**200, "x", "\x1b[31m", [], [1], {}, {"a": 1}]
VALUES += [
    {"$": kind} for kind in ("tensor", "array", "bytes", "tuple", "dict", "Counter", "float", "os.system")
]
VALUES += [{"$": "tensor", "tensor": "absent"}, {"$": "array", "tensor": "model.weight", "scalar": True}]
VALUES += [{"$": "tuple", "items": [[]]}, {"$": "dict", "items": [[[], 1]]}, {"$": "float", "value": "x"}]


@pytest.fixture
def held() -> TrainingState:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    schedule.step()
    return TrainingState({"model": model, "optimizer": optimizer, "schedule": schedule}, toolkit)


@pytest.fixture
def saved(held: TrainingState, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Stored]]:
    state, tensors = held.capture()
    save_tensors(tensors, tmp_path / "tensors.safetensors")
    return json.loads(json.dumps(state)), read_header(tmp_path / "tensors.safetensors")


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in JSON, but the many numbers of a generator."""
    if path:
        yield path
    inner = node.items() if isinstance(node, dict) else enumerate(node[:3]) if isinstance(node, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


def test_any_value_at_any_place(held: TrainingState, saved: tuple[dict[str, Any], dict[str, Stored]]) -> None:
    state, tensors = saved
    held.check(state, tensors)
    held.restore(state, tensors)
    refused = tried = 0
    for path in places(state):
        if (len(path) < 3 and path[0] == "objects") or path == ("generators",):
            continue  # `resuming` has looked at these
        for value in VALUES:
            other = copy.deepcopy(state)
            inner = other
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            tried += 1
            try:
                held.check(other, tensors)
                held.restore(other, tensors)
            except UsageError:
                refused += 1
    assert refused > tried / 2
