"""The weights with which a recorded training ended, as one digest."""

import json
from pathlib import Path

import xxhash

STEP, LOGS = b'{"event":"step",', b'{"event":"logs",'


def final_weights(folder: Path) -> str:
    """The digest of the parameters after the last step of each optimiser, in each process.

    Args:
        folder: of a record.

    Returns:
        32 hexadecimal digits; "" where no optimiser took a step.
    """
    ended: list[tuple[str, int, int, str]] = []
    for path in sorted(folder.glob("*.jsonl")):
        about: dict[str, object] = {}
        last: dict[int, bytes] = {}
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):  # the process was killed while it wrote this
                    break
                if not about:
                    about = json.loads(line)
                elif line.startswith(STEP):
                    number = line[len(STEP) :].partition(b'"optimizer":')[2].partition(b",")[0]
                    last[int(number)] = line
        who = (str(about.get("role")), int(str(about.get("rank", 0))))
        ended += [(*who, at, json.loads(step)["parameters"]) for at, step in last.items()]
    if not ended:
        return ""
    return xxhash.xxh3_128_hexdigest(json.dumps(sorted(ended)).encode())


def final_loss(folder: Path) -> float | None:
    """The loss of the last step, in the process that made the most; None where none is recorded."""
    most, last = 0, b""
    for path in sorted(folder.glob("*.jsonl")):
        steps, line = 0, b""
        with path.open("rb") as file:
            for each in file:
                if each.startswith(STEP) and each.endswith(b"\n"):
                    steps, line = steps + 1, each
        if steps > most:
            most, last = steps, line
    losses = json.loads(last)["losses"] if last else []
    return float(losses[-1][1]) if losses and losses[-1][1] is not None else None  # NaN is text there


def final_metrics(folder: Path) -> dict[str, float]:
    """The metrics of the last epoch as Keras's own loop told them; else the loss of the last step, if any."""
    last = b""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if line.startswith(LOGS) and line.endswith(b"\n"):
                    last = line
    if last:
        values = json.loads(last)["values"]
        return {name: float(value) for name, value in values.items() if value is not None}
    loss = final_loss(folder)
    return {} if loss is None else {"loss": loss}


def count_steps(folder: Path) -> int:
    """How many steps a record holds."""
    total = 0
    for path in folder.glob("*.jsonl"):
        with path.open("rb") as file:
            total += sum(line.startswith(STEP) and line.endswith(b"\n") for line in file)
    return total
