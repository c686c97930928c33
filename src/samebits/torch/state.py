"""What decides how a training in torch continues: models, optimisers, schedules, generators."""

import multiprocessing
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, IterableDataset

from samebits.checkpoint.encoding import TAG
from samebits.checkpoint.state import Kind
from samebits.errors import UsageError
from samebits.hashing.weights import COMPLEX, NAMES, Stored, Tensor
from samebits.rng.unseedable import find_generator
from samebits.torch import accelerate, optimizer_state
from samebits.torch.base_loader import Iteration, Loader
from samebits.torch.weights import describe_tensor


def snapshot(copies: dict[str, Any]) -> Any:
    """What `TrainingState.capture` asks about tensors: each is copied into the CPU's memory, strides
    included.

    Args:
        copies: where former copies are found and new ones put: writing into memory that is there already is
            ten times as fast as into new one.
    """

    def leaf(path: str, value: Any) -> tuple[dict[str, Any], str, Tensor] | None:
        if isinstance(value, torch.dtype | torch.device):
            raise UsageError(f"{path} is {value}, which a checkpoint cannot save: keep its name as text")
        if not isinstance(value, torch.Tensor):
            return None
        describe_tensor(path, value)  # refuses what cannot be stored, before it is copied
        source = value.detach()
        copy = copies.get(path)
        if copy is None or (copy.shape, copy.dtype, copy.stride()) != (
            source.shape,
            source.dtype,
            source.stride(),
        ):
            copy = copies[path] = torch.empty_like(source, device="cpu")
        copy.copy_(source)
        node: dict[str, Any] = {TAG: "tensor", "device": str(value.device)}
        if not copy.is_contiguous():
            node["stride"] = list(copy.stride())
        return node, *describe_tensor(path, copy)

    return leaf


def make_tensor(node: Mapping[str, Any], stored: Stored) -> torch.Tensor:
    """The tensor that `snapshot` copied, on its device and with its strides."""
    dtype, content = getattr(torch, NAMES[stored.dtype]), stored.read()
    flat = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
    tensor = flat.reshape(stored.shape)
    if node["tensor"].rpartition(":")[2] in COMPLEX:
        tensor = torch.view_as_complex(tensor)
    if "stride" in node:  # kernels for contiguous and for other memory may round differently
        tensor = torch.empty_strided(tensor.shape, node["stride"], dtype=tensor.dtype).copy_(tensor)
    return tensor.to(node["device"])


def missing(objects: Mapping[str, Any]) -> str | None:
    """What the held objects need and what is not held, too, in words; None when all is there."""
    if lacks := accelerate.missing(objects):
        return lacks
    models = [target for target in objects.values() if isinstance(target, nn.Module)]
    if multiprocessing.parent_process() is not None:  # else others may have it only to read it
        for name, model in objects.items():
            if isinstance(model, nn.Module) and any(map(_is_shared, model.parameters())):
                return (
                    f"{name} is in memory that several processes share: which of them is faster decides its "
                    "weights. Train it in one process only"
                )
    known = {id(parameter) for model in models for parameter in model.parameters()}
    optimizers = {
        name: target for name, target in objects.items() if isinstance(target, torch.optim.Optimizer)
    }
    schedules = [target for target in objects.values() if isinstance(target, LRScheduler | ReduceLROnPlateau)]
    scheduled = {id(accelerate.unwrapped(schedule.optimizer)) for schedule in schedules}
    for name, optimizer in optimizers.items():
        if any(
            id(parameter) not in known for group in optimizer.param_groups for parameter in group["params"]
        ):
            return f"{name} trains a tensor of a model that run.checkpoint does not have: add the model"
        if hasattr(optimizer.step, "_wrapped_by_lr_sched") and id(optimizer) not in scheduled:
            return f"{name} has a schedule that run.checkpoint does not have: add schedule=…"
    for schedule in schedules:
        if all(
            accelerate.unwrapped(schedule.optimizer) is not optimizer for optimizer in optimizers.values()
        ):
            kind = type(schedule).__name__
            return f"{kind} changes an optimizer that run.checkpoint does not have: add optimizer=…"
    return None


def watch(objects: Mapping[str, Any]) -> None:
    """Note from now on when the held optimizers step, whose parameters they train, which loaders are held."""
    optimizer_state.watch(objects)
    for target in objects.values():
        if isinstance(target, Loader):
            target.saved = True


def begin_step(objects: Mapping[str, Any]) -> None:
    """A new step begins: gradients that it leaves without a step of their optimizer are being added up."""
    optimizer_state.begin_step(objects)
    Iteration.step += 1


def _is_shared(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.is_shared()  # a GPU's tensors always say so


REMEMBERING = None  # what remembers numbers of its own in torch has a state_dict
KNOWN = ("samebits.",)  # packages of which is known what their objects do with evaluation


def watches_evaluation(objects: Mapping[str, Any]) -> list[str]:
    """What is known to react to evaluation before the training begins. In torch that is seen later."""
    return []


def takes_a_metric(target: Any) -> bool:
    """Whether an object is given a metric, the training's or evaluation's, and remembers the best one."""
    return isinstance(target, ReduceLROnPlateau)


def mark(target: Any) -> Any:
    """Of a model, how often each tensor was written; of what else may follow evaluation, its state."""
    if isinstance(target, nn.Module) and not isinstance(target, AveragedModel):  # updated at epochs' ends
        return [tensor._version for tensor in (*target.parameters(), *target.buffers())]
    if isinstance(target, torch.Generator):
        return target.get_state()
    follows_the_epochs = isinstance(target, LRScheduler) and not takes_a_metric(target)
    if isinstance(target, nn.Module | torch.optim.Optimizer) or follows_the_epochs:
        return None
    return target.state_dict() if hasattr(target, "state_dict") else None


def running_statistics(objects: Mapping[str, Any]) -> dict[str, int]:
    """By layer: how many batches went into the running statistics of the models that an optimizer trains."""
    optimizers = [target for target in objects.values() if isinstance(target, torch.optim.Optimizer)]
    trained = {
        id(parameter)
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    counts = {}
    for name, model in objects.items():
        if not isinstance(model, nn.Module) or trained.isdisjoint(map(id, model.parameters())):
            continue
        for path, layer in model.named_modules():
            count = getattr(layer, "num_batches_tracked", None)
            if isinstance(count, torch.Tensor):
                counts[f"{name}.{path}".rstrip(".")] = int(count)
    return counts


def _get_module(model: nn.Module) -> dict[str, Any]:
    """The state dict, and what it leaves out: buffers that are not persistent, and the modules' switches."""
    persistent = model.state_dict()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name not in persistent}
    return {
        "entries": dict(persistent),
        "other_buffers": buffers,
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.requires_grad],
        "evaluating": [name for name, module in model.named_modules() if not module.training],
    }


def _put_module(model: nn.Module, state: dict[str, Any]) -> None:
    entries: Any = OrderedDict(state["entries"])
    entries._metadata = getattr(model.state_dict(), "_metadata", {})  # each module's version of its format
    model.load_state_dict(entries)
    kept = {**state["entries"], **state["other_buffers"]}
    for name, buffer in list(model.named_buffers()):
        if name in state["other_buffers"] or kept[name].stride() != buffer.stride():
            owner, _, own_name = name.rpartition(".")  # assigned, as the training had assigned it
            setattr(model.get_submodule(owner), own_name, kept[name])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in state["frozen"])
    for name, module in model.named_modules():
        module.training = name not in state["evaluating"]


def _module_differs(model: nn.Module, state: dict[str, Any]) -> str | None:
    now = _get_module(model)
    for part in ("entries", "other_buffers"):
        for name in {**now[part], **state[part]}:
            here, there = (_described(part_of.get(name)) for part_of in (now[part], state[part]))
            if here != there:
                return f"{name} is {here} here, and {there} in the checkpoint"
    return None


def _described(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, Stored):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, torch.Tensor):
        _, tensor = describe_tensor("", value)
        return f"{tensor.dtype} {list(tensor.shape)}"
    return "no tensor"  # a module's own get_extra_state


def why_not_resumable(loader: Any) -> str | None:
    """Why a loader cannot be one of a run that holds something, in words; None when it can."""
    return accelerate.why_not_resumable(loader)


def order_is_saved(loader: Any, objects: Mapping[str, Any]) -> bool:
    """Whether it is torch's own DataLoader, of a dataset and a sampler without generators of their own."""
    if type(loader) is not DataLoader or isinstance(loader.dataset, IterableDataset):
        return False
    batch_sampler = loader.batch_sampler
    samplers = [
        part for part in (loader.sampler, batch_sampler, getattr(batch_sampler, "sampler", None)) if part
    ]
    if not all(type(sampler).__module__.startswith("torch.utils.data") for sampler in samplers):
        return False
    held = [None, *objects.values()]
    own = [getattr(part, "generator", None) for part in (loader, *samplers)]
    return all(any(generator is saved for saved in held) for generator in own) and not find_generator(
        loader.dataset, "dataset"
    )


KINDS = (
    accelerate.KIND,
    Kind(lambda target: isinstance(target, nn.Module), _get_module, _put_module, _module_differs),
    optimizer_state.KIND,
    Kind(
        lambda target: isinstance(target, torch.Generator),
        lambda target: target.get_state(),
        lambda target, state: target.set_state(state),
    ),
)
