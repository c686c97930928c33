"""Objects of code in C: those that show their memory are compared, and the others are named as unknown."""

import abc
import array
import ctypes
import hashlib
import json
import operator
import zlib
from pathlib import Path

import numpy as np
import torch

import samebits.torch


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double)]


class Holder(abc.ABC):  # noqa: B024 - its class has a cache in C
    def __init__(self) -> None:
        self.hash = hashlib.md5()


def test_what_shows_its_memory_is_compared_and_what_does_not_is_named(tmp_path: Path) -> None:
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=tmp_path / "run") as run:
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        numbers, point, untouched, few = array.array("d", [0.0]), Point(0.0), Point(1.0), (ctypes.c_int * 2)()
        digest, holder, compressor, first = (
            hashlib.sha256(),
            Holder(),
            zlib.compressobj(),
            operator.itemgetter(0),
        )
        kind, ignored = np.dtype("f4"), zlib.compressobj()
        place, precision = torch.device("cpu"), torch.float32
        run.checkpoint(model=model, optimizer=optimizer)
        run.checkpoint("ignored", affects_weights=False)
        for _ in run.epochs(1):
            for batch in run.batches([torch.ones(1, 2)] * 3):
                (
                    digest.update(b"a"),
                    holder.hash.update(b"b"),
                    compressor.compress(b"c"),
                    ignored.compress(b"d"),
                )
                numbers[0], point.x, few[1] = numbers[0] + 1, point.x + 1, few[1] + 1
                scale = digest.digest()[0] + holder.hash.digest()[0] + len(compressor.copy().flush())
                scale += (
                    first(numbers)
                    + point.x
                    + untouched.x
                    + few[1]
                    + kind.itemsize
                    + len(ignored.copy().flush())
                    + (place.index or 0)
                    + precision.itemsize
                )
                optimizer.zero_grad()
                (model(batch).sum() * scale).backward()
                optimizer.step()
        run.finish(model)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert {row["name"] for row in manifest["unsaved"]} == {"numbers", "point", "few"}
    # This process holds what other tests have made, too.
    here = [name for name in manifest["unsaved_not_looked_at"] if not name.startswith("tests.")]
    assert here == [
        "compressor (zlib.Compress)",
        "digest (_hashlib.HASH)",
        "holder.hash (_hashlib.HASH)",
    ]
