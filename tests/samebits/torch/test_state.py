"""What a training in torch is held by, and what is refused before it could surprise anybody."""

import random

import numpy as np
import pytest
import torch
from torch import nn

import samebits.torch
from samebits import UsageError
from samebits.checkpoint.files import read, write
from samebits.checkpoint.state import TrainingState
from samebits.torch import state


def kept(tmp_path, **objects):
    """Write a checkpoint of the objects; returns what restores others from it (and returns it, too)."""
    captured, tensors = TrainingState(objects, state).capture()
    checkpoint = read(write(tmp_path, 1, {"state": captured}, tensors))

    def restore(**others):
        held = TrainingState(others, state)
        held.check(checkpoint.content["state"], checkpoint.tensors)
        held.restore(checkpoint.content["state"], checkpoint.tensors)
        return lambda: held.restore(checkpoint.content["state"], checkpoint.tensors)

    return restore


class Odd(nn.Module):
    """A model with all that a state dict may and may not hold."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3, 2), value))
        self.frozen = nn.Parameter(torch.full((2,), value, dtype=torch.bfloat16))
        self.complex = nn.Parameter(torch.full((2,), value, dtype=torch.complex128))
        self.register_buffer("count", torch.tensor(int(value)))
        self.register_buffer("hidden", torch.full((2, 3, 4, 4), value), persistent=False)
        self.register_buffer("empty", torch.empty(0, 3))
        self.inner = nn.Dropout()

    def get_extra_state(self):
        return {"seen": getattr(self, "seen", None)}

    def set_extra_state(self, state):
        self.seen = state["seen"]


def test_a_model_comes_back_whole(tmp_path):
    model, other = Odd(1.5), Odd(9.0)
    model.hidden = model.hidden.to(memory_format=torch.channels_last) * torch.arange(96.0).reshape(2, 3, 4, 4)
    model.seen = (1, "x")
    model.frozen.requires_grad_(False)
    model.inner.eval()
    kept(tmp_path, model=model)(model=other)
    for (name, before), (_, after) in zip(
        [*model.named_parameters(), *model.named_buffers()],
        [*other.named_parameters(), *other.named_buffers()],
        strict=True,
    ):
        assert torch.equal(before, after), name
        assert before.requires_grad == after.requires_grad
    assert (other.seen, other.training, other.inner.training) == ((1, "x"), True, False)


def test_generators_come_back(tmp_path):
    own = {
        "python": random.Random(1),
        "new": np.random.default_rng(2),
        "old": np.random.RandomState(3),
        "torch": torch.Generator().manual_seed(4),
    }
    random.seed(5)
    np.random.seed(6)
    torch.manual_seed(7)

    def draw(objects):
        return [
            objects["python"].random(), objects["new"].random(), objects["old"].normal(), random.gauss(0, 1),
            np.random.normal(), torch.rand(2).tolist(), torch.rand(2, generator=objects["torch"]).tolist(),
        ]  # fmt: skip

    draw(own)
    restore = kept(tmp_path, **own)
    expected = draw(own)
    others = {
        "python": random.Random(),
        "new": np.random.default_rng(),
        "old": np.random.RandomState(),
        "torch": torch.Generator(),
    }
    restore(**others)
    assert draw(others) == expected


def test_a_loader_for_evaluation_continues_to_count(tmp_path):
    def loader():
        return samebits.torch.loader(list(range(8)), seed=0, name="test", batch_size=4, shuffle=True)

    first, second = loader(), loader()
    list(first)
    restore = kept(tmp_path, test_loader=first)
    expected = [batch.tolist() for batch in first]
    restore(test_loader=second)
    assert [batch.tolist() for batch in second] == expected


def test_strides_come_back(tmp_path):
    """A kernel for contiguous memory and one for other memory may round differently."""
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    other = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    another = torch.optim.AdamW(other.parameters())
    kept(tmp_path, model=model, optimizer=optimizer)(model=other, optimizer=another)
    here, there = optimizer.state[model.weight]["exp_avg"], another.state[other.weight]["exp_avg"]
    assert here.stride() == there.stride() != here.contiguous().stride()
    assert torch.equal(here, there)


def test_gradients_that_wait_come_back_and_used_ones_do_not(tmp_path):
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    held = TrainingState({"model": model, "optimizer": optimizer}, state)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert held.capture()[0]["objects"]["optimizer"]["state"]["gradients"] is None
    held.begin_step()
    model(torch.ones(1, 2)).sum().backward()
    captured, tensors = held.capture()
    checkpoint = read(write(tmp_path, 1, {"state": captured}, tensors))
    expected = model.weight.grad.clone()
    optimizer.zero_grad()
    held.restore(checkpoint.content["state"], checkpoint.tensors)
    assert torch.equal(model.weight.grad, expected)


def test_a_copy_is_held_and_not_the_tensor(tmp_path):
    model = nn.Linear(2, 1)
    before = model.weight.detach().clone()
    captured, tensors = TrainingState({"model": model}, state).capture()
    with torch.no_grad():
        model.weight.zero_()  # the training continues while the checkpoint is written
    checkpoint = read(write(tmp_path, 1, {"state": captured}, tensors))
    TrainingState({"model": model}, state).restore(checkpoint.content["state"], checkpoint.tensors)
    assert torch.equal(model.weight, before)


class Forgetful:
    """Gives a state and does not take all of it back."""

    def __init__(self) -> None:
        self.steps, self.moments = 0, torch.zeros(2)

    def state_dict(self):
        return {"steps": self.steps, "moments": self.moments}

    def load_state_dict(self, given):
        self.steps = given["steps"]
        self.moments = given["moments"].half().float()


@pytest.mark.parametrize(("value", "lost"), [(1.0, None), (0.1, "own.moments was not restored bit by bit")])
def test_an_object_that_forgets_is_caught(tmp_path, value, lost):
    own = Forgetful()
    own.moments += value
    restore = kept(tmp_path, own=own)
    if lost is None:
        restore(own=Forgetful())
        return
    with pytest.raises(UsageError, match=lost):
        restore(own=Forgetful())


def linear(*shape, dtype=torch.float32):
    return nn.Linear(*shape).to(dtype)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"model": linear(2, 3)}, r"model has changed: weight is F32 \[3, 2\] here, and F32 \[1, 2\]"),
        ({"model": linear(2, 1, dtype=torch.half)}, "weight is F16"),
        ({"model": nn.Linear(2, 1, bias=False)}, r"bias is absent here, and F32 \[1\] in the checkpoint"),
        ({"model": nn.Bilinear(1, 2, 1)}, "model is a torch.nn.modules.linear.Bilinear, and was a"),
        ({"net": linear(2, 1)}, "only the checkpoint has 'model'"),
        ({"model": linear(2, 1), "more": linear(2, 1)}, r"only run\.checkpoint has 'more'"),
    ],
)
def test_another_model_is_named_before_anything_is_touched(tmp_path, other, says):
    restore = kept(tmp_path, model=nn.Linear(2, 1))
    before = [parameter.detach().clone() for module in other.values() for parameter in module.parameters()]
    with pytest.raises(UsageError, match=says):
        restore(**other)
    after = [parameter for module in other.values() for parameter in module.parameters()]
    assert all(torch.equal(first, second) for first, second in zip(before, after, strict=True))


def test_what_is_needed_and_not_held_is_refused():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match="optimizer trains a tensor of a model that"):
        TrainingState({"optimizer": optimizer}, state)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    with pytest.raises(UsageError, match=r"optimizer has a schedule that .*: add schedule="):
        TrainingState({"model": model, "optimizer": optimizer}, state)
    with pytest.raises(UsageError, match=r"changes an optimizer that .*: add optimizer="):
        TrainingState({"model": model, "schedule": schedule}, state)
    TrainingState({"model": model, "optimizer": optimizer, "schedule": schedule}, state)


@pytest.mark.parametrize("own", [3, "text", {"a": torch.zeros(1)}, object()])
def test_what_has_no_state_is_refused(own):
    with pytest.raises(UsageError, match=r"run\.checkpoint cannot save own, a .*: it has no state_dict"):
        TrainingState({"own": own}, state)


def test_a_state_that_cannot_be_stored_is_refused_when_saving():
    model = nn.Linear(2, 1)
    own = Forgetful()
    own.moments = [model.forward]
    with pytest.raises(UsageError, match=r"own\.moments\.0 is of type builtins\.method, which a checkpoint"):
        TrainingState({"own": own}, state).capture()


def twins(order=(0, 1)):
    """Two layers of one shape; the optimizer has them in this order."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    parameters = [parameter for number in order for parameter in model[number].parameters()]
    return model, torch.optim.Adam(parameters)


def test_another_order_of_parameters_is_refused(tmp_path):
    model, optimizer = twins()
    restore = kept(tmp_path, model=model, optimizer=optimizer)
    model, optimizer = twins((1, 0))
    says = (
        r"^optimizer has changed: parameter 0 of its group 0 is model\.1\.weight here, and model\.0\.weight "
        "in the checkpoint: "
    )
    with pytest.raises(UsageError, match=says):
        restore(model=model, optimizer=optimizer)
    model, optimizer = twins((0,))
    with pytest.raises(UsageError, match=r"parameter 2 of its group 0 is absent here, and model\.1\.weight "):
        restore(model=model, optimizer=optimizer)


def test_names_do_not_depend_on_who_else_is_held_first(tmp_path):
    model, optimizer = twins()
    restore = kept(tmp_path, model=model, both=nn.ModuleDict({"it": model}), optimizer=optimizer)
    model, optimizer = twins()
    restore(optimizer=optimizer, both=nn.ModuleDict({"it": model}), model=model)


@pytest.mark.parametrize("named", [False, True])
def test_groups_that_were_added_later_are_made_again(tmp_path, named):
    def grown(*numbers):
        model, optimizer = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3))), None
        for number in numbers:
            layer = model[number]
            group = {"params": layer.named_parameters() if named else layer.parameters(), "lr": number + 1.0}
            if optimizer is None:
                optimizer = torch.optim.Adam([group])
            else:
                optimizer.add_param_group(group)
        return model, optimizer

    model, optimizer = grown(0, 2, 1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    restore = kept(tmp_path, model=model, optimizer=optimizer)
    other, another = grown(0)
    again = restore(model=other, optimizer=another)
    assert [group["lr"] for group in another.param_groups] == [1.0, 3.0, 2.0]
    for parameter, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(optimizer.state[parameter]["exp_avg"], another.state[two]["exp_avg"])
    # The head of a resumed epoch runs again, and then everything is restored once more.
    another.add_param_group({"params": other[2].named_parameters() if named else other[2].parameters()})
    assert [group["lr"] for group in another.param_groups] == [1.0, 2.0, 0.001]
    again()
    assert [group["lr"] for group in another.param_groups] == [1.0, 3.0, 2.0]
    state.begin_step({"optimizer": another})
    with pytest.raises(ValueError, match="more than one parameter group"):
        another.add_param_group({"params": other[2].named_parameters() if named else other[2].parameters()})
    other, another = grown(0, 1, 2)
    with pytest.raises(UsageError, match=r"parameter 0 of its group 1 is model\.1\.weight here, and "):
        restore(model=other, optimizer=another)


def test_a_group_with_a_model_that_nobody_holds_is_refused_when_saving():
    model, optimizer = twins()
    held = TrainingState({"model": model, "optimizer": optimizer}, state)
    optimizer.add_param_group({"params": nn.Linear(2, 2).parameters()})
    with pytest.raises(UsageError, match=r"^Adam trains a tensor of a model that run\.checkpoint does not "):
        held.capture()
