"""torch's tensors: recognised, and as bytes."""

from typing import Any

import torch


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch's."""
    return isinstance(value, torch.Tensor)


def raw(tensor: torch.Tensor) -> memoryview:
    """The bytes of its values, row by row."""
    whole = tensor.detach().resolve_conj().resolve_neg()  # such views have their values in no memory
    flat = whole.cpu().contiguous().flatten()
    content: Any = flat.view(torch.uint8).numpy()  # NumPy lacks some of torch's types
    return memoryview(content)
