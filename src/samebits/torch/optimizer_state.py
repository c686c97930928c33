"""A torch optimizer's state, with the names of its parameters.

torch itself only numbers the parameters: in another order, each layer gets the moments of another layer of
the same shape. Groups that were added while the training ran (`add_param_group` in a later epoch) are made
again from the names, as the code that added them may not run again.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from samebits.checkpoint.state import Kind
from samebits.errors import UsageError


@dataclass
class _Watched:
    """What is known of a held optimizer.

    Attributes:
        models: the held ones, by name.
        stepped: since the step began; gradients that a step has used decide nothing more.
        made: the groups that were made from names since, each as the ids of its parameters.
    """

    models: Mapping[str, nn.Module]
    stepped: bool = True
    made: list[list[int]] = field(default_factory=list)


_watched: "WeakKeyDictionary[torch.optim.Optimizer, _Watched]" = WeakKeyDictionary()


def watch(objects: Mapping[str, Any]) -> None:
    """Note from now on when the held optimizers step, and whose parameters they train."""
    models = {name: target for name, target in sorted(objects.items()) if isinstance(target, nn.Module)}
    for optimizer in objects.values():
        if isinstance(optimizer, torch.optim.Optimizer):
            if optimizer not in _watched:
                optimizer.register_step_post_hook(_note_step)
            _watched[optimizer] = _Watched(models)


def begin_step(objects: Mapping[str, Any]) -> None:
    """A new step begins: gradients that it leaves without a step of their optimizer are being added up."""
    for optimizer in objects.values():
        if isinstance(optimizer, torch.optim.Optimizer) and (watched := _watched.get(optimizer)):
            watched.stepped = False
            if watched.made:
                watched.made = []
                vars(optimizer).pop("add_param_group", None)


def _note_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    if (watched := _watched.get(optimizer)) is not None:
        watched.stepped = True


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """Name and parameter, of all held models; one that several have comes under its first name first."""
    for name, model in _watched[optimizer].models.items():
        for path, parameter in model.named_parameters():
            yield f"{name}.{path}", parameter


def _names(optimizer: torch.optim.Optimizer) -> list[list[str]]:
    """The names of each group's parameters, in their order.

    Raises:
        UsageError: no held model has one of them.
    """
    names: dict[int, str] = {}
    for name, parameter in _parameters(optimizer):
        names.setdefault(id(parameter), name)
    groups = [group["params"] for group in optimizer.param_groups]
    if any(id(parameter) not in names for group in groups for parameter in group):
        raise UsageError(
            f"{type(optimizer).__name__} trains a tensor of a model that run.checkpoint does not have: "
            "add the model"
        )
    return [[names[id(parameter)] for parameter in group] for group in groups]


def _get(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    gradients = None
    if not _watched[optimizer].stepped:
        gradients = [parameter.grad for group in optimizer.param_groups for parameter in group["params"]]
    return {"parameters": _names(optimizer), "state": optimizer.state_dict(), "gradients": gradients}


def _put(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    _put_groups(optimizer, state)
    optimizer.load_state_dict(state["state"])
    if state["gradients"] is not None:
        parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
        for parameter, gradient in zip(parameters, state["gradients"], strict=True):
            parameter.grad = gradient
        _watched[optimizer].stepped = False


def _put_groups(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """The checkpoint's groups in the checkpoint's order; those that are not here are made.

    Raises:
        UsageError: there is one here that the checkpoint does not have.
    """
    here, groups = _names(optimizer), []
    left = dict(enumerate(optimizer.param_groups))
    for number, names in enumerate(state["parameters"]):
        at = next((at for at in left if here[at] == names), None)
        if at is None:
            _make_group(optimizer, names, state["state"]["param_groups"][number])
            groups.append(optimizer.param_groups[-1])
        else:
            groups.append(left.pop(at))
    for at in left:
        raise UsageError(
            f"{type(optimizer).__name__} has changed: a group that begins with {here[at][:1]} was added, "
            "and the checkpoint does not have it"
        )
    optimizer.param_groups[:] = groups


def _make_group(optimizer: torch.optim.Optimizer, names: list[str], saved: Mapping[str, Any]) -> None:
    known = dict(_parameters(optimizer))
    parameters: list[Any] = [known[name] for name in names]
    _watched[optimizer].made.append([id(parameter) for parameter in parameters])
    if "param_names" in saved:  # torch wants them for all groups, or for none
        parameters = list(zip(saved["param_names"], parameters, strict=True))
    type(optimizer).add_param_group(optimizer, {"params": parameters})

    def add_again(group: dict[str, Any]) -> None:
        _give_way(optimizer, group)
        type(optimizer).add_param_group(optimizer, group)

    vars(optimizer)["add_param_group"] = add_again


def _give_way(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> None:
    """The code that added a group runs again, at the head of a resumed epoch: it counts once.

    torch refuses a parameter that is in a group already, so the group that was made for it is taken away.
    """
    given = group["params"]
    group["params"] = given = [given] if isinstance(given, torch.Tensor) else list(given)
    ids = {id(item[1] if isinstance(item, tuple) else item) for item in given}
    made = _watched[optimizer].made
    optimizer.param_groups[:] = [
        there
        for there in optimizer.param_groups
        if ids.isdisjoint(map(id, there["params"])) or list(map(id, there["params"])) not in made
    ]


def _differs(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> str | None:
    """The first parameter that is another one. Groups that only the checkpoint has can be made later."""
    here, there = _names(optimizer), state["parameters"]
    for group, (ours, theirs) in enumerate(itertools.zip_longest(here, there)):
        if theirs is None:
            return f"it has {len(here)} groups of parameters here, and {len(there)} in the checkpoint"
        if ours is None:
            known = dict(_parameters(optimizer))
            if lost := [name for name in theirs if name not in known]:
                return f"it trains {lost[0]} in the checkpoint, and no saved model has that parameter here"
            continue
        for number, (name, was) in enumerate(itertools.zip_longest(ours, theirs)):
            if name != was:
                return (
                    f"parameter {number} of its group {group} is {name or 'absent'} here, and "
                    f"{was or 'absent'} in the checkpoint: give it the same parameters, in one order that "
                    "is the same in every process (a set has no such order)"
                )
    return None


KIND = Kind(lambda target: isinstance(target, torch.optim.Optimizer), _get, _put, _differs)
