"""torch's tensors: recognised, and as bytes."""

from typing import Any

import torch

from samebits.framework import Contents

_PLAIN = (torch.Tensor, torch.nn.Parameter)
_COMPRESSED = {
    torch.sparse_csr: (torch.Tensor.crow_indices, torch.Tensor.col_indices),
    torch.sparse_bsr: (torch.Tensor.crow_indices, torch.Tensor.col_indices),
    torch.sparse_csc: (torch.Tensor.ccol_indices, torch.Tensor.row_indices),
    torch.sparse_bsc: (torch.Tensor.ccol_indices, torch.Tensor.row_indices),
}


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch's."""
    return isinstance(value, torch.Tensor)


def raw(tensor: torch.Tensor) -> memoryview:
    """The bytes of its values, row by row."""
    whole = tensor.detach().resolve_conj().resolve_neg()  # such views have their values in no memory
    flat = whole.cpu().contiguous().flatten()
    content: Any = flat.view(torch.uint8).numpy()  # NumPy lacks some of torch's types
    return memoryview(content)


def contents(tensor: torch.Tensor) -> Contents:
    """All that a tensor's value consists of.

    Dense tensors are read where they lie, if they lie there row by row in the CPU's memory. Of sparse ones
    the indices and the values count, of quantised ones the integers, scales and zero points, of nested ones
    each tensor, of distributed ones this process's part, of other subclasses what they are made of.
    """
    if type(tensor) in _PLAIN:
        return _contents(tensor)
    with torch._C.DisableTorchFunctionSubclass():  # a subclass's own methods
        return _contents(tensor)


def _contents(tensor: torch.Tensor) -> Contents:
    try:  # the common case first: this runs for each tensor of each step
        array, shape = tensor.detach().numpy(), tensor.shape
    except (RuntimeError, TypeError, ValueError):
        # on a device, not dense, or what NumPy lacks: types, conjugate views
        return _special(tensor)
    return Contents("", array if array.flags.c_contiguous else raw(tensor), tensor.dtype, shape)


def _special(tensor: torch.Tensor) -> Contents:
    try:
        if hasattr(tensor, "__tensor_flatten__"):
            return Contents(*_made_of(tensor), tensor.dtype, _numbers(tensor.shape))
        if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_quantized:
            return Contents(*_parts(tensor), tensor.dtype, () if tensor.is_nested else tensor.shape)
        return Contents("", raw(tensor), tensor.dtype, tensor.shape)
    except (RuntimeError, TypeError, ValueError):
        # torch's own words for a tensor without values: on the device "meta", fake, not initialised, of vmap
        kind = f"{type(tensor).__module__}.{type(tensor).__qualname__} on {tensor.device.type}"
        return Contents(kind, None, tensor.dtype, sizes(tensor))


def sizes(tensor: torch.Tensor) -> tuple[int, ...]:
    """A shape, -1 for a ragged dimension; empty for a tensor that has none: nested, or not initialised."""
    try:
        return _numbers(tensor.shape)
    except RuntimeError:
        return ()


def _numbers(shape: torch.Size) -> tuple[int, ...]:
    """A shape without the symbols of ragged dimensions, which are other ones in each process."""
    return tuple(size if isinstance(size, int) else -1 for size in shape)


def _parts(tensor: torch.Tensor) -> tuple[str, list[Any]]:
    tensor = tensor.detach()
    if tensor.is_nested:
        return "nested", list(tensor.unbind())
    if tensor.layout is torch.sparse_coo:
        return f"sparse, coalesced {tensor.is_coalesced()}", [tensor._indices(), tensor._values()]
    if tensor.layout in _COMPRESSED:
        indices = [read(tensor) for read in _COMPRESSED[tensor.layout]]
        return str(tensor.layout), [*indices, tensor.values()]
    if tensor.is_quantized:
        return f"quantised {tensor.qscheme()}", [tensor.int_repr(), *_quantiser(tensor)]
    return str(tensor.layout), [tensor.to_dense()]  # of oneDNN's own order


def _quantiser(tensor: torch.Tensor) -> list[Any]:
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return [tensor.q_scale(), tensor.q_zero_point()]
    scales, zeros = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
    return [tensor.q_per_channel_axis(), scales, zeros]


def _made_of(tensor: Any) -> tuple[str, list[Any]]:
    names, context = tensor.__tensor_flatten__()
    parts = [part for name in names for part in (name, getattr(tensor, name))]
    placements = getattr(tensor, "placements", "")  # of a distributed one
    return f"{type(tensor).__qualname__} {placements}", [*parts, context]
