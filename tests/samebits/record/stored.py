"""Compares the tensors that a record holds with its digests."""

from pathlib import Path
from typing import Any

from samebits.hashing.digest import digest, rows
from samebits.hashing.weights import read_header, stored_array
from samebits.record.format import DIGITS, MISSING


def check(path: Path, event: dict[str, Any], tables: dict[int, dict[str, Any]]) -> int:
    """Compare each tensor of a file with its digest in the record; returns how many there were."""
    stored = read_header(path)
    read = {name: stored_array(name, each) for name, each in stored.items()}
    arrays = {name.partition(":")[0]: array for name, array in read.items()}
    strings = {kind: event[kind] for kind in ("parameters", "buffers", "state")}
    strings |= {f"gradients/{when}": text for when, text in event["gradients"].items()}
    seen = 0
    for kind, text in strings.items():
        table = tables[event["names"]["parameters" if kind.startswith("gradients") else kind]]
        for number, name in enumerate(table["names"]):
            said = text[number * DIGITS : (number + 1) * DIGITS]
            if said == MISSING:
                assert f"{kind}/{name}" not in arrays
            elif f"{kind}/{name}" in arrays:
                assert digest(arrays[f"{kind}/{name}"]) == said, f"{kind}/{name}"
                seen += 1
    for number, call in enumerate(event["calls"]):
        given = [arrays[f"calls/{number}/arguments/{at}"] for at in range(len(call["shapes"]))]
        assert [list(array.shape) for array in given] == call["shapes"]
        if call["rows"] is not None:
            assert rows(next(array for array in given if array.ndim)) == call["rows"]
        seen += len(given)
        if f"calls/{number}/outputs/0" in arrays:
            assert digest(arrays[f"calls/{number}/outputs/0"]) == call["outputs"]
            seen += 1
    for number, (said, _) in enumerate(event["losses"]):
        assert digest(arrays[f"losses/{number}/0"]) == said
        seen += 1
    assert seen == len(stored)
    return seen
