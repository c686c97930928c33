"""Compute every operation of a table in this process; print name and digest, one JSON list a line."""

import importlib
import json
import sys
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from samebits.framework import load_toolkit
from samebits.hashing.batches import batch_digest
from samebits.proof.portable.libraries import DIGITS, TABLES


def digests(table: str, part: str = "", *without: str) -> Iterable[tuple[str, str]]:
    """(name, digest of what it gives, or the exception that it raises) of each operation.

    Args:
        table: one of TABLES.
        part: only operations whose name holds this.
        without: the names of operations that are passed over.
    """
    if table != "numpy":
        load_toolkit(table).make_deterministic()
    for name, compute in importlib.import_module(TABLES[table]).operations():
        if part in name and name not in without:
            try:
                yield name, batch_digest(_plain(compute())).hex()[:DIGITS]
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
