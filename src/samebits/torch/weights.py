"""A torch model's weights under canonical names: parameters and persistent buffers, as in its state dict."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from samebits.errors import UsageError
from samebits.hashing import weights


def save_weights(model: nn.Module | Mapping[str, torch.Tensor], path: str | os.PathLike[str]) -> str:
    """Write the model's weights as safetensors, whole or not at all.

    The file holds the state dict of the model itself, without the wrappers of `torch.compile`,
    `DataParallel` and `DistributedDataParallel`; tied weights stand under each of their names. So
    `model.load_state_dict(safetensors.torch.load_file(path))` takes it back.

    Args:
        model: the model, or a state dict of tensors.
        path: the file.

    Returns:
        The file's SHA-256, as `sha256sum` prints it.

    Raises:
        UsageError: there is no weight, something in the state dict cannot be stored, or the file not written.
    """
    return weights.save_tensors(weights.refuse_none(tensors(model)), path)


def hash_weights(model: nn.Module | Mapping[str, torch.Tensor]) -> str:
    """The SHA-256 of the file that `save_weights` would write; copies one tensor at a time, or none."""
    return weights.hash_tensors(weights.refuse_none(tensors(model)))


def tensors(model: nn.Module | Mapping[str, torch.Tensor]) -> dict[str, weights.Tensor]:
    """Each tensor of the state dict, described under its canonical name. Nothing is copied yet.

    Raises:
        UsageError: an entry is no tensor, has no values yet (meta, lazy), or is of a kind that the
            format lacks.
    """
    if isinstance(model, nn.Module):
        entries = {unwrapped_name(model, key): value for key, value in model.state_dict().items()}
    elif isinstance(model, Mapping):
        entries = dict(model)
    else:
        raise UsageError(f"expected a torch model or a state dict, not {type(model).__name__}")
    return dict(describe_tensor(name, value) for name, value in entries.items())


def unwrapped_name(model: nn.Module, key: str) -> str:
    """A tensor's name in a model without the words that wrappers add, wherever in the model they stand.

    Follows the modules themselves: a user's own attribute may be called `module`, too.
    """
    kept = []
    module: nn.Module | None = model
    for word in key.split("."):
        if word != inner(module):
            kept.append(word)
        inside = module is not None and word in module._modules  # a scripted module's table has no `get`
        module = module._modules[word] if module is not None and inside else None
    return ".".join(kept)


def inner(module: nn.Module | None) -> str | None:
    """The attribute that holds what a wrapper wraps, None for a module that is no wrapper."""
    if isinstance(module, DataParallel | DistributedDataParallel):
        return "module"
    # Importing torch._dynamo takes a second; where nobody has, nothing was compiled.
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is not None and isinstance(module, dynamo.OptimizedModule):
        return "_orig_mod"
    return None


def describe_tensor(name: str, value: Any) -> tuple[str, weights.Tensor]:
    """The name and description under which a tensor is stored; `read` copies it if its memory is not plain.

    Raises:
        UsageError: it is no tensor, has no values, or is of a kind that the format lacks.
    """
    if not isinstance(name, str):
        raise UsageError(f"the state dict has {name!r} where the name of a tensor is expected")
    if not isinstance(value, torch.Tensor):
        raise UsageError(
            f"{name!r} in the state dict is {type(value).__name__} and no tensor: "
            "leave it out, or make it a buffer of the model"
        )
    if nn.parameter.is_lazy(value):
        raise UsageError(f"tensor {name!r} has no shape yet: run one batch through the model first")
    if value.is_meta:
        raise UsageError(
            f"tensor {name!r} is on the meta device and has no values: load or initialise it first"
        )
    if value.layout != torch.strided:
        layout = str(value.layout).removeprefix("torch.")
        raise UsageError(
            f"tensor {name!r} is {layout}, which safetensors cannot store: call .to_dense() first"
        )
    if hasattr(value, "full_tensor"):
        raise UsageError(f"tensor {name!r} is spread over processes: gather it with .full_tensor() first")

    def read() -> memoryview:
        # On the CPU, contiguous and neither conjugated nor negated lazily, this is the tensor's own memory.
        plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
        return plain.reshape(-1).view(torch.uint8).numpy().data

    dtype = str(value.dtype).removeprefix("torch.")
    return weights.describe(name, dtype, tuple(value.shape), read)
