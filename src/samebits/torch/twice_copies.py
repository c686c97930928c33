"""Copies of an operation's inputs: the same bits under the same strides, offsets and aliases.

What two inputs share, such as a tensor and its view, their copies share. A copy begins at an address that is
the original's modulo 64: which vector instructions a kernel takes for the first elements depends on it.
"""

from collections.abc import Iterator
from typing import Any

import torch

ALIGNED = 64  # bytes, of what torch allocates
DEVICES = ("cpu", "cuda")  # whose storages are bytes that can be copied as such


class Copies:
    """The copies of one call's inputs.

    Args:
        given: positional arguments.
        named: keyword arguments.
        written: the identities of the tensors that the operation writes into. Others of a single number are
            not copied: of those, the ones that stand for a number of Python's decide types in another way.

    Raises:
        RuntimeError: torch cannot copy one, such as without enough memory.
    """

    def __init__(self, given: tuple[Any, ...], named: dict[str, Any], written: set[int]) -> None:
        self._made: dict[int, torch.Tensor] = {}
        self._spans: dict[int, list[int]] = {}
        self._storages: dict[int, torch.UntypedStorage] = {}
        tensors = {id(each): each for each in tensors_in((given, named))}
        for tensor in tensors.values():
            if tensor.ndim or id(tensor) in written:
                self._note(tensor)
        for tensor in tensors.values():
            if tensor.ndim or id(tensor) in written:
                self._made[id(tensor)] = self._copy(tensor).requires_grad_(tensor.requires_grad)
        self.given = tuple(self._replaced(value) for value in given)
        self.named = {name: self._replaced(value) for name, value in named.items()}

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The copy of a tensor; itself where it was not copied."""
        return self._made.get(id(tensor), tensor)

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.of(value)
        if isinstance(value, (list, tuple)) and any(isinstance(each, torch.Tensor) for each in value):
            return [self._replaced(each) for each in value]
        return value

    def _note(self, tensor: torch.Tensor) -> None:
        """Widen what has to be copied of a tensor's storage."""
        if not _is_plain(tensor):
            return
        first, last = _span(tensor)
        span = self._spans.setdefault(tensor.untyped_storage()._cdata, [first, last])
        span[:] = min(span[0], first), max(span[1], last)

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        if not _is_plain(tensor):
            return tensor.detach().clone()
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._storages:
            self._storages[key] = _copied(storage, *self._spans[key])
        made = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        made.set_(self._storages[key], tensor.storage_offset(), tensor.size(), tensor.stride())
        if tensor.is_conj():
            torch._C._set_conj(made, True)
        if tensor.is_neg():
            torch._C._set_neg(made, True)
        return made


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in arguments or results: those in lists, tuples and tables, too."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether its values lie in one storage, as its strides say."""
    strided = tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_quantized
    return strided and tensor.device.type in DEVICES and not tensor._is_zerotensor()


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The bytes of its storage from the first that it has to behind the last."""
    width = tensor.element_size()
    first = int(tensor.storage_offset())
    if not tensor.numel():
        return first * width, first * width
    last = first + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return first * width, (last + 1) * width


def _copied(storage: torch.UntypedStorage, first: int, last: int) -> torch.UntypedStorage:
    """A storage of the same size with the same bytes from `first` to `last`; nobody reads the others."""
    made = _empty(storage)
    if last > first:
        _bytes(made, first, last).copy_(_bytes(storage, first, last))
    return made


def _empty(storage: torch.UntypedStorage) -> torch.UntypedStorage:
    size = storage.nbytes()
    if storage.device.type == "cpu" and size and (away := storage.data_ptr() % ALIGNED):
        wide = torch.empty(size + 2 * ALIGNED, dtype=torch.uint8)
        shift = (away - wide.data_ptr()) % ALIGNED
        return torch.from_numpy(wide.numpy()[shift : shift + size]).untyped_storage()
    return torch.UntypedStorage(size, device=storage.device)


def _bytes(storage: torch.UntypedStorage, first: int, last: int) -> torch.Tensor:
    empty = torch.empty(0, dtype=torch.uint8, device=storage.device)
    return empty.set_(storage, first, (last - first,))  # type: ignore[call-overload]
