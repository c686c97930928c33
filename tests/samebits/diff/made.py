"""Records that were never a training: what a test changes in them is all that differs."""

import copy
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from samebits.hashing.digest import VERSION
from samebits.record.format import AFTER_BACKWARD, FORMAT

NAMES = ("0.weight", "0.bias", "2.weight", "2.bias")
SHAPES = ([8, 4], [8], [3, 8], [3])


def digest(*words: object) -> str:
    """32 hexadecimal digits that stand for a content."""
    return hashlib.md5(repr(words).encode(), usedforsecurity=False).hexdigest()


def digests(*words: object, names: Iterable[str] = NAMES) -> str:
    """A string of digests of tensors."""
    return "".join(digest(*words, name) for name in names)


def rows(*samples: int) -> str:
    """Digests of the rows of a batch."""
    return "".join(digest("row", sample)[:16] for sample in samples)


def training(steps: int, every: int = 0, pid: int = 11) -> list[dict[str, Any]]:
    """The events of a training.

    Args:
        steps: of one optimiser.
        every: after so many steps it evaluates; 0 never.
        pid: of its process.
    """
    table = {"owner": "Net", "names": list(NAMES), "shapes": list(SHAPES), "dtypes": ["float32"] * 4}
    states = [f"{name}.momentum_buffer" for name in NAMES]
    empty = {"owner": "Net", "names": [], "shapes": [], "dtypes": []}
    events: list[dict[str, Any]] = [
        {
            "event": "record",
            "format": FORMAT,
            "digest": VERSION,
            "level": "step",
            "samebits": "0.1.0",
            "python": "3.11.15",
            "command": ["python", "train.py"],
            "folder": "",
            "pid": pid,
            "parent": 1,
            "role": "main",
        },
        {"event": "file", "path": "data.npy", "size": 100, "digest": digest("data")},
        {"event": "listing", "path": "data", "count": 3, "digest": digest("order"), "set": digest("set")},
        {
            "event": "settings",
            "framework": "torch",
            "device": "cpu",
            "code": {"files": {"train.py": "a" * 64}},
            "fingerprint": {
                "variables": {"PYTHONHASHSEED": "0"},
                "effective": {"torch": {"threads": 2}},
                "libraries": {"torch": "2.10.0"},
            },
        },
        {"event": "names", "id": 0, "kind": "parameters", **table},
        {"event": "names", "id": 1, "kind": "buffers", **empty},
        {"event": "names", "id": 2, "kind": "state", **table | {"names": states}},
        {
            "event": "initial",
            "model": "Net",
            "line": "train.py:12",
            "names": {"parameters": 0, "buffers": 1},
            "parameters": digests("weights", 0),
            "buffers": "",
            "generators": generators(0),
        },
    ]
    for step in range(1, steps + 1):
        events.append(
            {
                "event": "step",
                "optimizer": 0,
                "class": "SGD",
                "step": step,
                "skipped": False,
                "line": "train.py:30",
                "calls": [
                    {
                        "module": "Net",
                        "training": True,
                        "arguments": digest("batch", step),
                        "shapes": [[2, 4]],
                        "rows": rows(2 * step, 2 * step + 1),
                        "outputs": digest("outputs", step),
                    }
                ],
                "losses": [[digest("loss", step), 1 / step]],
                "generators": {"before": generators(step), "after": generators(step + 1)},
                "lrs": [0.1],
                "names": {"parameters": 0, "buffers": 1, "state": 2},
                "gradients": {AFTER_BACKWARD: digests("gradients", step)},
                "parameters": digests("weights", step),
                "buffers": "",
                "state": digests("state", step, names=states),
            }
        )
        if every and step % every == 0:
            events.append(evaluation(step))
    events.append({"event": "end", "steps": steps, "exception": None})
    return events


def evaluation(step: int) -> dict[str, Any]:
    """Of the model after a step."""
    return {
        "event": "evaluation",
        "after": {"0": step},
        "count": 4,
        "models": ["Net"],
        "training": [False],
        "arguments": digest("test data"),
        "outputs": digest("predictions", step),
        "line": "train.py:40",
        "generators": generators(step + 1),
    }


def generators(at: int) -> dict[str, str]:
    """States: Python's is never used, torch's always."""
    return {"python": digest("python"), "torch": digest("torch", at)}


def step(events: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """One of its steps."""
    return next(each for each in events if each["event"] == "step" and each["step"] == number)


def another(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy that may be changed, of another process."""
    events = copy.deepcopy(events)
    events[0]["pid"] += 1
    return events


def from_step(events: list[dict[str, Any]], number: int, change: Any) -> None:
    """Apply a change to a step and to all after it."""
    for event in events:
        if event["event"] == "step" and event["step"] >= number:
            change(event)


def put(text: str, name: str, names: Iterable[str] = NAMES) -> str:
    """A string of digests in which the one of a tensor is another one."""
    at = 32 * list(names).index(name)
    return text[:at] + digest("other", text[at : at + 32]) + text[at + 32 :]


def write(folder: Path, *processes: list[dict[str, Any]]) -> Path:
    """A record of processes."""
    folder.mkdir()
    for events in processes:
        lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
        (folder / f"{events[0]['pid']}.jsonl").write_text(lines)
    return folder
