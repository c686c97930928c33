"""What of torch's objects may change from step to step, and which fields are torch's own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from samebits.torch.accelerate import unwrapped
from samebits.torch.base_loader import Loader
from samebits.torch.tensor_bytes import raw, sizes

NAMES = (torch.device, torch.dtype, torch.layout, torch.memory_format)  # which nobody can change
KNOWN = (
    "torch.",
    "torchvision.",
    "lightning.",
    "pytorch_lightning.",
    "transformers.",
    "accelerate.",
    "fastai.",
    "fastcore.",
    "torchmetrics.",
    "peft.",
)
OF_MODULES = frozenset(vars(nn.Module()))  # torch's own fields of every module, hooks among them
HOOKS = tuple(name for name in OF_MODULES if name.endswith(("_hooks", "_pre_hooks")))
OF_SCALERS = ("_scale", "_growth_tracker")
OF_LOADERS = ("dataset", "sampler", "batch_sampler", "collate_fn", "generator", "worker_init_fn")
SAMPLES = 1 << 10  # numbers of a large tensor that are read, from its beginning, middle and end


def saved(objects: Mapping[str, Any]) -> dict[int, Any]:
    """The tensors of held models and optimisers: by identity, and by address for what shares memory."""
    tensors: list[torch.Tensor] = []
    for target in objects.values():
        if isinstance(target, nn.Module):
            tensors += [*target.parameters(), *target.buffers()]
        elif isinstance(target, torch.optim.Optimizer):
            tensors += [tensor for state in target.state.values() for tensor in _tensors(state)]
    tensors += [tensor.grad for tensor in tensors if tensor.is_leaf and tensor.grad is not None]
    known: dict[int, Any] = {id(tensor): tensor for tensor in tensors}
    known.update(
        {-_address(tensor): tensor for tensor in tensors if _address(tensor)}
    )  # no identity is below 0
    known.update({id(target): target for target in objects.values() if isinstance(target, torch.Generator)})
    return known


def leaf(value: Any, saved: Mapping[int, Any]) -> tuple[str, Any] | None:
    """Of a tensor its version, address and some of its numbers (`x.data` changes without a new version)."""
    if isinstance(value, torch.Generator):
        return "generator", hash(bytes(value.get_state().numpy()))
    if isinstance(value, NAMES):
        return type(value).__name__, str(value)
    if not isinstance(value, torch.Tensor):
        return None
    if value.device.type == "meta" or -_address(value) in saved:
        return "", None
    return "tensor", (sizes(value), str(value.dtype), _address(value), value._version, _sample(value))


def parts(value: Any, held: bool, set_: frozenset[str]) -> Iterable[tuple[str, Any, bool]] | None:
    """Of modules, optimisers, schedules and loaders what no checkpoint holds."""
    if isinstance(value, nn.Module):
        return _of_module(value, set_)
    if isinstance(value, torch.optim.Optimizer):
        if (inner := unwrapped(value)) is not value:
            return [("", inner, False)]
        return _of_optimizer(value, held, set_)
    if isinstance(value, LRScheduler):
        return _functions(value) if held else _numbers(value)
    if isinstance(value, torch.amp.GradScaler) and not held:
        return [(f".{name}", vars(value).get(name), True) for name in OF_SCALERS]
    if isinstance(value, DataLoader):
        return _of_loader(value)
    if isinstance(value, _BaseDataLoaderIter):
        return [("", value._num_yielded, False)]
    return None


def content(value: Any) -> tuple[Any, ...] | None:
    """Of a tensor that is the result of no operation: one with a history cannot be put back with it."""
    if type(value) not in (torch.Tensor, nn.Parameter) or value.grad_fn is not None or value.is_inference():
        return None
    if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
        return None
    if value.is_nested:  # it has no shape
        return None
    if any(step == 0 < size - 1 for step, size in zip(value.stride(), value.shape, strict=True)):
        return None  # expanded: several numbers in one place
    return tuple(value.shape), str(value.dtype), value.device.type, _sampled(value).hex()


def put(value: Any, other: Any) -> bool:
    """In place, as another object may share it."""
    if not isinstance(value, torch.Tensor) or not isinstance(other, torch.Tensor):
        return False
    if value.is_nested:
        return False
    if (value.shape, value.dtype, value.device) != (other.shape, other.dtype, other.device):
        return False
    with torch.no_grad():
        value.copy_(other)
    return True


def keeps(value: Any) -> bool | None:
    """Modules, optimisers and what gives samples do. Schedules and scalers have all in their `state_dict`."""
    if isinstance(value, nn.Module | torch.optim.Optimizer | Dataset | Sampler | DataLoader):
        return True
    return False if isinstance(value, LRScheduler | torch.amp.GradScaler) else None


def between_steps() -> dict[str, str]:
    """Autocast that is on keeps its casts of the weights, which a resumed process makes anew."""
    on = torch.is_autocast_cache_enabled() and any(map(torch.is_autocast_enabled, ("cpu", "cuda")))
    if not on:
        return {}
    return {"torch.autocast": "it is on between steps: put `with torch.autocast(…):` inside the step"}


def _of_module(module: nn.Module, set_: frozenset[str]) -> Iterator[tuple[str, Any, bool]]:
    for name, child in module._modules.items():
        if child is not None:
            yield (f"[{name}]" if name.isdigit() else f".{name}"), child, False
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        yield f".{name}", tensor, True  # those of a model that is held are known, and left out
        for own, value in list(getattr(tensor, "__dict__", {}).items()):
            yield f".{name}.{own}", value, False
    for name in HOOKS:
        for hook in list(vars(module).get(name, {}).values()):
            yield " (hook)", hook, False
    library = type(module).__module__.startswith(KNOWN)
    if type(module).get_extra_state is not nn.Module.get_extra_state:
        return  # it says itself what it remembers
    for name, value in list(vars(module).items()):
        if name not in OF_MODULES and (name in set_ or not (library or name.startswith("_"))):
            yield f".{name}", value, False


def _of_optimizer(
    optimizer: torch.optim.Optimizer, held: bool, set_: frozenset[str]
) -> Iterator[tuple[str, Any, bool]]:
    if not held:
        for tensor in (tensor for state in optimizer.state.values() for tensor in _tensors(state)):
            yield ".state", tensor, True
        for number, group in enumerate(optimizer.param_groups):
            for name, value in group.items():
                if name != "params":
                    yield f".param_groups[{number}][{name!r}]", value, True
    library = type(optimizer).__module__.startswith(KNOWN)
    for name, value in list(vars(optimizer).items()):
        if name in ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"):
            for hook in list(value.values()):
                yield " (hook)", hook, False
        elif name not in ("state", "param_groups", "defaults") and (
            name in set_ or not (library or name.startswith("_"))
        ):
            yield f".{name}", value, False


def _of_loader(loader: DataLoader) -> Iterator[tuple[str, Any, bool]]:
    ours = isinstance(loader, Loader)  # derives its orders from the seed, and needs no generator
    for name in OF_LOADERS:
        value = getattr(loader, name, None)
        if not (ours and (name == "generator" or type(value).__module__.startswith("torch."))):
            yield f".{name}", value, False


def _functions(schedule: LRScheduler) -> Iterator[tuple[str, Any, bool]]:
    """A schedule's `state_dict` has its numbers, and not what its functions remember."""
    for name, value in list(vars(schedule).items()):
        for function in value if isinstance(value, list) else [value]:
            if isinstance(function, Callable) and name.endswith("_lambdas"):  # type: ignore[arg-type]
                yield f".{name}", function, False


def _numbers(schedule: LRScheduler) -> Iterator[tuple[str, Any, bool]]:
    """What a schedule that nobody holds counts and remembers."""
    for name, value in list(vars(schedule).items()):
        if isinstance(value, int | float | list | dict | bool):
            yield f".{name}", value, True


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    for value in (
        state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    ):
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict | list | tuple):
            yield from _tensors(value)


def _address(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, quantised, of a functional transform
        return 0


def _sample(tensor: torch.Tensor) -> int | None:
    if tensor.layout is not torch.strided or tensor.is_quantized:
        return None
    if tensor.numel() > 3 * SAMPLES and not tensor.is_contiguous():
        return None
    try:
        return hash(_sampled(tensor)) if tensor.numel() else 0
    except (RuntimeError, NotImplementedError):  # of a functional transform, or a subclass without bytes
        return None


def _sampled(tensor: torch.Tensor) -> bytes:
    """The bytes of its numbers; of a large one, of some."""
    flat = tensor.detach()
    if flat.numel() > 3 * SAMPLES:
        flat = flat.reshape(-1)
        middle = flat.numel() // 2
        flat = torch.cat([flat[:SAMPLES], flat[middle : middle + SAMPLES], flat[-SAMPLES:]])
    return bytes(raw(flat)) if flat.numel() else b""
