"""Where attributes are, and which of them can be put back."""

import collections
import json
from typing import Any

import pytest
import torch
from torch import nn

from samebits.checkpoint.state import TrainingState
from samebits.errors import UsageError
from samebits.torch import state as torchs_state
from samebits.torch import unsaved as toolkit
from samebits.unsaved.attributes import Attributes
from samebits.unsaved.carried import Carried
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


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_a_nested_tensor_is_seen_and_not_put_back(values: Values, layout: torch.layout) -> None:
    """It has no shape, or one that is another object in each of them."""
    rows = [torch.ones(1, 2), torch.ones(3, 2)]
    nested = torch.nested.nested_tensor(rows, layout=layout)
    kind, seen = toolkit.leaf(nested, {}) or ("", None)
    assert kind == "tensor"
    nested.mul_(2)
    assert toolkit.leaf(nested, {}) != ("tensor", seen)
    with pytest.raises(NotNumbers):
        values.content(nested)
    assert not toolkit.put(nested, nested.clone())


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


class Counting(nn.Module):
    def __init__(self, calls: int = 0) -> None:
        super().__init__()
        self.layer, self.calls, self.rate = nn.Linear(2, 2), calls, 1.0


def held(model: nn.Module) -> Carried:
    return Carried(toolkit, TrainingState({"model": model}, torchs_state), set())


@pytest.fixture
def saved() -> dict[str, Any]:
    """What a checkpoint has of a module whose numbers have changed."""
    model = Counting()
    carried = held(model)
    model.calls, model.rate = 7, 0.5
    saved: dict[str, Any] = json.loads(json.dumps(carried.capture({})))
    return saved


def test_numbers_come_back(saved: dict[str, Any]) -> None:
    model = Counting()
    carried = held(model)
    carried.restore(saved, {})
    assert (model.calls, model.rate) == (7, 0.5)
    assert carried.restored == ["model.calls", "model.rate"]
    carried.restore(None, {})  # of a checkpoint that an older samebits made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "the checkpoint's attributes have version 2, and this samebits reads 1"),
        ({"path": "model.__class__"}, r"model\.__class__ was 0 when the run began"),
        ({"initial": "0" * 64}, r"model\.calls was 0 when the run began, and is 0 in this process"),
        ({"value": {}}, "the checkpoint's state of the attributes cannot be restored"),
        (
            {"value": {"kind": "eval", "same": True, "maxlen": None, "plain": []}},
            "attributes cannot be restored",
        ),
        ({"value": {"again": 5}}, "attributes cannot be restored"),
    ],
)
def test_a_checkpoint_that_says_something_else_is_refused(
    saved: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    (saved if "version" in change else saved["values"][0]).update(change)
    with pytest.raises(UsageError, match=says):
        held(Counting()).restore(saved, {})


def test_another_number_at_first_is_refused_before_anything_is_touched(saved: dict[str, Any]) -> None:
    model = Counting(calls=3)
    with pytest.raises(UsageError, match=r"model\.calls was 0 when the run began, and is 3 in this process"):
        held(model).restore(saved, {})
    assert (model.calls, model.rate) == (3, 1.0)
