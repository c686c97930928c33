"""Makes the records of a fault or of a clean pair: trainings in processes of their own."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from tests.localise import data
from tests.localise.fault import Fault

from samebits.record.format import STEP

SCRIPTS = Path(__file__).parent / "scripts"
INPUT = {
    "pictures.py": "pictures",
    "letters.py": "letters.txt",
    "cells.py": "cells.csv",
    "keras_reviews.py": "reviews",
    "keras_waves.py": "waves",
}
TRIES = 4  # chance may give the same twice
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
LEFT_OUT = ("TF_DETERMINISTIC_OPS",)  # with it TensorFlow refuses some of the faults instead of showing them


class TrainingError(Exception):
    """A training that did not end as it must: the catalogue is wrong, not samebits."""


def patched(script: str, *changes: dict[str, str]) -> str:
    """The script with changes: old text to new text."""
    text = (SCRIPTS / script).read_text()
    for change in changes:
        for old, new in change.items():
            if text.count(old) != 1:
                raise TrainingError(f"{script}: {old!r} stands there {text.count(old)} times")
            text = text.replace(old, new)
    return text


def line_of(text: str, fragment: str) -> int:
    return text[: text.index(fragment)].count("\n") + 1


class Folder:
    """Where a training runs: its script, its data, and the record `record` beside them.

    Attributes:
        level: of all records that are made.
    """

    level: ClassVar[str] = STEP

    def __init__(self, path: Path, script: str, text: str, environment: dict[str, str] | None = None) -> None:
        self.path, self.script = path, script
        ours = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        self.environment = {**ours, **QUIET, **(environment or {})}
        path.mkdir(parents=True)
        (path / script).write_text(text)

    @property
    def record(self) -> Path:
        return self.path / "record"

    def command(self, *arguments: str) -> list[str]:
        input_ = [INPUT[self.script]] if self.script in INPUT else []
        return [sys.executable, self.script, *input_, *arguments]

    def run(self, words: Sequence[str]) -> str:
        """Run a command here; returns what it printed."""
        done = subprocess.run(
            words, cwd=self.path, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise TrainingError(f"{' '.join(words)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def recorded(self, words: Sequence[str]) -> str:
        shutil.rmtree(self.record, ignore_errors=True)
        how = ("--level", self.level, "-o", "record")
        said = self.run([sys.executable, "-m", "samebits", "record", *how, "--", *words])
        return said[: said.rindex("recorded in")]

    def train(self, arguments: Sequence[str] = (), resumed: Sequence[str] = ()) -> str:
        """Record the training; with `resumed`, stop it with these arguments and resume it."""
        if not resumed:
            return self.recorded(self.command(*arguments))
        words = (self.command(*arguments, *resumed), self.command(*arguments, "--resume"))
        return self.recorded(["sh", "-c", " && ".join(" ".join(part) for part in words)])


def change_data(folder: Path, fault: Fault) -> None:
    """Do to B's data what the fault says."""
    if fault.data == "other file" and fault.script == "letters.py":
        file = folder / "letters.txt"
        file.write_text(file.read_text().replace("batch", "botch", 1))
    elif fault.data == "other file" and fault.framework == "torch":
        file = folder / "pictures" / "020_square.npy"
        picture = np.load(file)
        picture[0, 4, 4] += 1 / 64
        np.save(file, picture)
    elif fault.data == "other file":
        file = folder / "waves" / "1.txt"
        values = np.loadtxt(file)
        values[50] += 0.01
        np.savetxt(file, values)
    elif fault.data == "stale":
        np.savez(folder / "statistics.npz", mean=np.full(9, 0.5), deviation=np.full(9, 2.0))


def slug(name: str) -> str:
    """A name for a folder."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def kept(here: Path, make: Callable[[Path], tuple[Path, Path]]) -> tuple[Path, Path]:
    """The two records that are in a folder, made if they are not there."""
    finished = here / "records.json"
    if not finished.exists():
        shutil.rmtree(here, ignore_errors=True)
        finished.write_text(json.dumps([str(path) for path in make(here)]))
    first, second = json.loads(finished.read_text())
    return Path(first), Path(second)


class Originals:
    """Trainings as they are, each recorded once: many faults and pairs have the same A."""

    def __init__(self, here: Path) -> None:
        self._here = here
        self._made: dict[str, Folder] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, script: str, text: str, arguments: tuple[str, ...], environment: dict[str, str]) -> Folder:
        """A training, recorded."""
        key = hashlib.sha256(repr((text, arguments, environment)).encode()).hexdigest()[:12]
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._made:
                shutil.rmtree(self._here / key, ignore_errors=True)
                folder = Folder(self._here / key, script, text, environment)
                data.write(folder.path)
                folder.train(arguments)
                self._made[key] = folder
            return self._made[key]


def make(here: Path, fault: Fault, originals: Originals) -> tuple[Path, Path]:
    """The records of A and of B.

    Args:
        here: a new folder for both.
        fault: what is done.
        originals: where A is that has no change.

    Raises:
        TrainingError: a training failed, or its fault cannot be shown on this machine.
    """
    text = patched(fault.script, fault.shared, fault.change)
    b = Folder(here / "b", fault.script, text, fault.environment[1])
    data.write(b.path, backwards=fault.data == "backwards")
    change_data(b.path, fault)
    if not fault.both:
        a = originals.of(
            fault.script, patched(fault.script, fault.shared), fault.common, fault.environment[0]
        )
        b.train((*fault.common, *fault.arguments))
        return a.record, b.record
    a = Folder(here / "a", fault.script, text, fault.environment[0])
    data.write(a.path)
    for folder in (a, b):
        for name, content in fault.files.items():
            (folder.path / name).write_text(content)
    if fault.data == "backwards" and listed(a.path) == listed(b.path):
        raise TrainingError("this file system gives the files of a folder in the same order whatever is done")
    said = a.train(fault.common)
    if fault.before is not None:
        b.run(b.command(*fault.common, *fault.before))
    for _ in range(TRIES):
        again = b.train((*fault.common, *fault.arguments), fault.resumed)
        if again != said or fault.resumed or fault.environment[0] != fault.environment[1]:
            break
    return a.record, b.record


def listed(folder: Path) -> list[str]:
    return [name for part in data.FOLDERS for name in os.listdir(folder / part)]


def make_clean(
    here: Path, originals: Originals, script: str, arguments: tuple[str, ...], resumed: Sequence[str] = ()
) -> tuple[Path, Path]:
    """The records of a training and of the same again, perhaps stopped and resumed between."""
    again = Folder(here, script, patched(script))
    data.write(again.path)
    again.train(arguments, resumed)
    return originals.of(script, patched(script), arguments, {}).record, again.record
