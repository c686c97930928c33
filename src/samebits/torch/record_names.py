"""The names under which a record knows a module's tensors: those without what wraps it."""

from collections.abc import Iterator

import torch
from torch import nn

from samebits.torch.weights import inner, unwrapped_name


def parameters(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """A model's parameters, each once, under their names without those of wrappers."""
    return ((unwrapped_name(model, name), tensor) for name, tensor in model.named_parameters())


def buffers(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """A model's buffers, each once, under their names without those of wrappers."""
    named = _walk(model) if type(model).named_buffers is nn.Module.named_buffers else model.named_buffers()
    return [(unwrapped_name(model, name), tensor) for name, tensor in named]


def other_modes(model: nn.Module) -> list[str]:
    """The layers in another mode than their model, under their names without those of wrappers."""
    mode = model.training
    if all(layer.training is mode for layer in _layers(model)):  # a name costs five times as much as a look
        return []
    others = (name for name, layer in model.named_modules() if layer.training is not mode)
    return [unwrapped_name(model, name) for name in others]


def _layers(model: nn.Module) -> list[nn.Module]:
    """What `modules` gives, in some other order."""
    layers, seen = [model], {id(model)}
    for layer in layers:  # which grows
        for child in layer._modules.values():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                layers.append(child)
    return layers


def _walk(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """What `named_buffers` gives, in a third of its time: it is asked twice in each step."""
    seen: set[int] = set()
    named: list[tuple[str, torch.Tensor]] = []

    def visit(module: nn.Module, before: str) -> None:
        seen.add(id(module))
        for name, tensor in module._buffers.items():
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                named.append((before + name, tensor))
        for name, child in module._modules.items():
            if child is not None and id(child) not in seen:
                visit(child, f"{before}{name}.")

    visit(model, "")
    return named


def class_of(model: nn.Module) -> str:
    """The class of a model, not of what wraps it."""
    while (name := inner(model)) is not None:
        model = getattr(model, name)
    return type(model).__name__
