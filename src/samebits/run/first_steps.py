"""What every run records by itself, so that `samebits diff` can say where two runs differ first.

`record.jsonl` in the run's folder is a record of what costs next to nothing: the initial weights, the batches
and generators of the first steps, the weights after the first step and after each epoch. It has the format of
`samebits record`, which records every step.
"""

import contextlib
import json
import pickle
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xxhash

from samebits.fingerprint.manifest import EPOCHS
from samebits.framework import load_toolkit
from samebits.hashing import digest as digests
from samebits.hashing.weights import Tensor
from samebits.record.format import FORMAT, OF_A_RUN
from samebits.record.guarded import guarded
from samebits.record.training import DEEPEST, MOST_ROWS
from samebits.rng.generators import imported
from samebits.unsaved.frames import users_frames, variables

STEPS = 8  # whose batches and generators are recorded
MOST_MODELS = 8
MOST_BYTES = 16 * 1024**2  # of a record; an epoch of a model of a thousand tensors has 32 thousand
ABOUT = {"event": "record", "format": FORMAT, "digest": digests.VERSION, "level": OF_A_RUN}
TABLE = ("names", "shapes", "dtypes")  # the parts of a table that say whose the digests are
ALONE = {"command": [], "pid": 0, "parent": 0, "role": "main"}  # the manifest has the command


class FirstSteps:
    """Writes a run's record.

    Args:
        path: the file; made by the first line.
        framework: whose models are looked for.
    """

    def __init__(self, path: Path, framework: str) -> None:
        self._path, self._framework = path, framework
        self._begun = False
        self._looks = 0  # for models
        self._models: dict[str, weakref.ref[Any]] = {}
        self._classes = ""
        self._table: Any = None  # the names, shapes and types that were written last
        self._tables = 0
        self._before: dict[str, str] = {}  # the generators
        self._calls: list[dict[str, Any]] = []
        self._stopped = False

    @guarded
    def resume(self, step: int) -> None:
        """Take back what was written after a step: it will be written again."""
        if not self._path.exists():
            return
        lines = []
        for line in self._path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):  # the process was killed while it wrote this
                break
            event = json.loads(line)
            if event["event"] in ("step", "epoch") and event["step"] > step:
                break
            self._begun |= event["event"] == "initial"
            self._stopped |= event["event"] == "stopped"
            if event["event"] == "names":
                self._table = {name: event[name] for name in TABLE}
                self._tables += 1
            lines.append(line)
        self._path.write_bytes(b"".join(lines))

    @guarded
    def begin(self, objects: Mapping[str, Any]) -> None:
        """A step begins, and its generators have no seed yet; the first one of a run shows its models.

        Args:
            objects: what the run holds, by name. Where none of it is a model, the user's variables count.
        """
        if not self._models and self._looks < STEPS:  # each look asks every variable of the user's
            self._looks += 1
            self._models = self._find(objects)
        if self._begun:
            return
        self._begun = True
        names, parameters = self._weights()
        self._write({
            "event": "initial",
            "model": self._classes,
            "line": "",
            "names": names,
            "parameters": parameters,
            "buffers": "",
            "generators": _generators(),
        })  # fmt: skip

    @guarded
    def begin_step(self, step: int, batch: Any, sha256: bytes | None) -> None:
        """A step, counted from 1, has its seeds."""
        if step <= STEPS:
            self._before, self._calls = _generators(), [] if sha256 is None else [_call(batch, sha256)]

    @guarded
    def end_step(self, step: int, batch: Any, sha256: bytes | None) -> None:
        """A step is complete.

        Args:
            step: counted from 1.
            batch, sha256: its batch, and the digest of that, if only known now.
        """
        if step > STEPS or not self._before:
            return
        names, parameters = self._weights() if step == 1 else ({}, "")
        self._write({
            "event": "step",
            "optimizer": 0,
            "class": "",
            "step": step,
            "skipped": False,
            "line": "",
            "calls": self._calls if sha256 is None else [_call(batch, sha256)],
            "losses": [],
            "generators": {"before": self._before, "after": _generators()},
            "lrs": [],
            "names": names,
            "gradients": {},
            "parameters": parameters,
            "buffers": "",
            "state": "",
        })  # fmt: skip
        self._before = {}

    @guarded
    def end_epoch(self, epoch: int, step: int) -> None:
        """An epoch has ended, after so many steps of the run."""
        if self._stopped or self._is_full():
            return
        names, parameters = self._weights()
        if parameters:
            line = {"event": "epoch", "epoch": epoch, "step": step}
            self._write({**line, "names": names, "parameters": parameters})

    def _is_full(self) -> bool:
        """Whether no more epochs are written, which is told once."""
        if not self._path.exists() or self._path.stat().st_size <= MOST_BYTES:
            return False
        self._stopped = True
        self._write({"event": "stopped", "why": f"it has reached {MOST_BYTES:,} bytes"})
        return True

    @guarded
    def finish(self, steps: int) -> None:
        """The run is complete."""
        self._write({"event": "end", "steps": steps, "exception": None})

    @guarded
    def summary(self) -> dict[str, str]:
        """What was recorded, as a few digests: for the manifest and for golden hashes."""
        if not self._path.exists():
            return {}
        events = [json.loads(line) for line in self._path.read_bytes().splitlines()]
        of = {
            kind: [each for each in events if each["event"] == kind] for kind in ("initial", "step", "epoch")
        }
        batches = [call["arguments"] for event in of["step"] for call in event["calls"]]
        first = [event["parameters"] for event in of["step"] if event["step"] == 1]
        parts = {
            "initial weights": [
                _short(event["parameters"]) for event in of["initial"] if event["parameters"]
            ],
            f"first {len(batches)} batches": [_short(*batches)] if batches else [],
            "weights after step 1": [_short(each) for each in first if each],
            EPOCHS: [_short(event["parameters"])[:8] for event in of["epoch"]],
        }
        return {name: " ".join(texts) for name, texts in parts.items() if texts}

    def _find(self, objects: Mapping[str, Any]) -> "dict[str, weakref.ref[Any]]":
        held = {name: value for name, value in objects.items() if self._tensors(value)}
        if not held:
            there = [variable for frame in users_frames() for variable in variables(frame)]
            known = {id(value): (name, value) for name, value in reversed(there)}
            held = {name: value for name, value in known.values() if self._tensors(value)}
        chosen = dict(sorted(held.items())[:MOST_MODELS])
        self._classes = ", ".join(sorted(type(value).__name__ for value in chosen.values()))
        return {name: weakref.ref(value) for name, value in chosen.items()}

    def _tensors(self, value: Any) -> Mapping[str, Tensor]:
        """The tensors of a model; none of anything else."""
        if isinstance(value, Mapping | type | str | int | float):
            return {}
        with contextlib.suppress(Exception):
            return load_toolkit(self._framework).tensors(value)
        return {}

    def _weights(self) -> tuple[dict[str, int], str]:
        """The table of names, written where it is new, and the digests of all weights."""
        models = {name: self._tensors(known()) for name, known in self._models.items()}
        several = len(models) > 1
        named = {
            f"{model}.{name}" if several else name: tensor
            for model, tensors in models.items()
            for name, tensor in tensors.items()
        }
        table = {
            "names": list(named),
            "shapes": [list(tensor.shape) for tensor in named.values()],
            "dtypes": [tensor.dtype for tensor in named.values()],
        }
        if not named:
            return {}, ""
        if table != self._table:
            self._table, number = table, self._tables
            self._tables += 1
            self._write({
                "event": "names", "id": number, "kind": "parameters", "owner": self._classes, **table
            })  # fmt: skip
        return {"parameters": self._tables - 1}, "".join(map(_digest, named.values()))

    def _write(self, event: Mapping[str, Any]) -> None:
        new = [] if self._path.exists() else [ABOUT | ALONE]
        text = "".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in [*new, event])
        with open(self._path, "ab") as file:
            file.write(text.encode())


def _short(*texts: str) -> str:
    return xxhash.xxh3_64_hexdigest(" ".join(texts).encode())


def _digest(tensor: Tensor) -> str:
    return xxhash.xxh3_128_hexdigest(tensor.read())


def _generators() -> dict[str, str]:
    """The digest of each global generator's state."""
    names = {"random": "python", "numpy.random": "numpy"}
    states = {names.get(module, module): row.state() for module, row in imported()}
    # Python's has 625 numbers, each a digest of its own otherwise.
    return {
        name: xxhash.xxh3_128_hexdigest(pickle.dumps(state, 4)) if name == "python" else digests.digest(state)
        for name, state in states.items()
    }


def _call(batch: Any, sha256: bytes) -> dict[str, Any]:
    """A batch, as the arguments of a call."""
    parts = list(_arrays(batch))
    first = next((part for part in parts if len(part.shape)), None)
    listed = first is not None and len(first) <= MOST_ROWS
    return {
        "module": "the batch",
        "training": True,
        "arguments": sha256.hex(),
        "shapes": [[int(size) for size in part.shape] for part in parts],
        "rows": digests.rows(first) if listed else None,
    }


def _arrays(value: Any, depth: int = 0) -> Iterator[Any]:
    """The tensors and arrays of a batch, in order."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        yield value
    elif isinstance(value, list | tuple | Mapping) and depth < DEEPEST:
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _arrays(part, depth + 1)
