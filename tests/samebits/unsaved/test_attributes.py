"""Where attributes are, and which of them can be put back."""

import collections
from typing import Any

import pytest
import torch
from torch import nn

from samebits.checkpoint.state import TrainingState
from samebits.torch import state as torchs_state
from samebits.torch import unsaved as toolkit
from samebits.unsaved.attributes import Attributes
from samebits.unsaved.values import NotNumbers, Values


class Part:
    def __init__(self) -> None:
        self.calls = 0


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.parts, self._hidden = nn.Linear(2, 2), {"one": [Part()]}, 1.0
        self.layer.calls = 1  # type: ignore[assignment]
        self.itself = self.layer


def test_attributes_have_one_name_in_every_process() -> None:
    names = set(Attributes(toolkit, {"model": Net(), "part": Part()}).all)
    assert names == {
        "model.parts",
        "model._hidden",
        "model.layer.calls",
        "model.parts['one'][0].calls",
        "part.calls",
    }


@pytest.fixture
def values() -> Values:
    model = nn.Linear(2, 2)
    values = Values(toolkit, TrainingState({"model": model}, torchs_state))
    values.saved = toolkit.saved({"model": model})
    values.weight = model.weight  # type: ignore[attr-defined]
    return values


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [1, "text"],
        {(1, 2): 3},
        {1, 2},
        object(),
        torch.zeros(2, requires_grad=True) * 2,
        torch.zeros(1).expand(3),
        torch.zeros(2, device="meta"),
        [[number] for number in range(5000)],
        list(range((1 << 22) + 1)),
    ],
)
def test_what_is_more_than_numbers_is_left_alone(values: Values, value: Any) -> None:
    with pytest.raises(NotNumbers):
        values.content(value)


def test_a_tensor_that_is_held_already_is_no_attribute(values: Any) -> None:
    with pytest.raises(NotNumbers):
        values.content([values.weight.detach()])
    assert values.is_held(values.weight.data[0])


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (0, False),
        (0, 0.0),
        (0.0, -0.0),
        ([1, 2], (1, 2)),
        ({1: 2, 3: 4}, {3: 4, 1: 2}),
        (collections.deque([1]), [1]),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
        (torch.zeros(2), torch.zeros(1, 2)),
        ([torch.zeros(2)], [torch.ones(2)]),
    ],
)
def test_contents_differ(values: Values, value: Any, other: Any) -> None:
    assert values.content(value) != values.content(other)
    assert values.content(value) == values.content(value)
