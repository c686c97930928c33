"""Compute every operation of the tables in this process; print name and digest, one JSON list a line."""

import importlib
import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from samebits.batch_digest import batch_digest
from samebits.portable import numpy_operations


def tables() -> Iterable[tuple[str, Callable[[], Any]]]:
    """Every operation of the libraries that are installed."""
    yield from numpy_operations.operations()
    if importlib.util.find_spec("samebits.torch") and importlib.util.find_spec("torch"):
        importlib.import_module("samebits.torch").make_deterministic()
        yield from importlib.import_module("samebits.torch.portable_operations").operations()


def digests(part: str = "") -> Iterable[tuple[str, str]]:
    """(name, digest of what it gives, or the exception that it raises) of each operation.

    Args:
        part: only operations whose name holds this.
    """
    for name, compute in tables():
        if part in name:
            try:
                yield name, batch_digest(_plain(compute())).hex()
            except Exception as error:  # an operation that is refused is refused on every CPU
                yield name, f"{type(error).__name__}: {error}".splitlines()[0]


def _plain(value: Any) -> Any:
    """Arrays in place of tensors, and one NaN: IEEE 754 leaves open which of its bit patterns a CPU gives."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "detach"):
        value = value.detach().resolve_conj().resolve_neg()
        value = (value.float() if value.dtype.itemsize == 2 and value.is_floating_point() else value).numpy()
    value = np.array(value)
    for part in (value.real, value.imag) if np.iscomplexobj(value) else (value,):
        if part.dtype.kind == "f":
            part[np.isnan(part)] = np.nan
    return value


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for line in digests(*sys.argv[1:]):
        print(json.dumps(line), flush=True)
