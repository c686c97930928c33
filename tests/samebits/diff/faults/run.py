"""Makes the records of a fault: real trainings, each in a process of its own."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tests.samebits.diff.faults import Fault

SCRIPT = (Path(__file__).parent / "training.py").read_text()
PICTURES = 32


def make_data(folder: Path, fault: Fault | None = None) -> None:
    """Small files with random pixels, the same each time; changed as the fault says."""
    numbers = range(PICTURES)
    changed = fault.data if fault is not None else ""
    folder.resolve().mkdir()
    for number in reversed(numbers) if changed == "made in another order" else numbers:
        picture = np.random.default_rng(number).normal(size=(1, 8, 8)).astype("f4")
        if changed == "changed" and number == 5:
            picture[0, 3, 3] += 1
        np.save(folder / f"{number:03}.npy", picture)
    if changed == "cached before":
        np.save(folder.parent / "mean.npy", np.float32(0.25))


def patched(fault: Fault) -> str:
    """The script with the fault in it."""
    script = SCRIPT
    for old, new in fault.patch.items():
        assert script.count(old) == 1, f"{old!r} is not in training.py"
        script = script.replace(old, new)
    return script


def record(here: Path, name: str, script: str, *arguments: str, **variables: str) -> None:
    """Record one training in a folder that holds its data."""
    (here / "train.py").write_text(script)
    words = [sys.executable, "-m", "samebits", "record", "-o", name, "--"]
    words += [sys.executable, "train.py", "data", *arguments]
    done = subprocess.run(words, cwd=here, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def make(folder: Path, fault: Fault, clean: Path | None = None) -> tuple[Path, Path]:
    """The two records of a fault.

    Args:
        folder: a new one.
        fault: what is done.
        clean: a record of the training as it is, where there is one already.
    """
    folder.mkdir(parents=True)
    a, b = folder / "a", folder / "b"
    a.mkdir()
    b.mkdir()
    if fault.data == "made in another order":  # most file systems give the same order again
        with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
            for training in (a, b):
                (training / "data").symlink_to(Path(memory) / training.name)
            return _make(a, b, fault, clean)
    return _make(a, b, fault, clean)


def _make(a: Path, b: Path, fault: Fault, clean: Path | None) -> tuple[Path, Path]:
    if fault.twice or clean is None:
        make_data(a / "data")
        if fault.twice:
            record(a, "record", patched(fault), **fault.environment)
        else:
            record(a, "record", SCRIPT)
        clean = a / "record"
    make_data(b / "data", fault)
    if not fault.resumed:
        record(b, "record", patched(fault), *fault.arguments, **fault.environment)
        return clean, b / "record"
    record(b, "stopped", SCRIPT, "--stop")
    record(b, "resumed", patched(fault), "--resume")
    together = b / "record"
    together.mkdir()
    for number, name in enumerate(("stopped", "resumed")):
        for path in sorted((b / name).glob("*.jsonl")):
            (together / f"{number}{path.name}").write_bytes(path.read_bytes())
    return clean, together


def line_of(fault: Fault) -> str:
    """The place in the script that the first cause must name."""
    numbers = [n for n, text in enumerate(patched(fault).splitlines(), 1) if fault.line in text]
    assert len(numbers) == 1, f"{fault.line!r} is in lines {numbers}"
    return f"train.py:{numbers[0]}"


def slug(name: str) -> str:
    """A folder's name for a fault."""
    return re.sub(r"\W+", "-", name)
