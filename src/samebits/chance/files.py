"""Caches that an earlier run left and this one reads: its seed, its code and its data are in them.

tf.data's `cache(FILE)` and joblib's `Memory` give what is in a file, whatever made it. What this process
wrote itself is no chance: the next run writes it again.
"""

import functools
import glob
import os
import re
import sys
import time
from typing import Any

from samebits.chance.never_fails import never_fails
from samebits.chance.places import place
from samebits.chance.records import RECORDS, Source

FIX = "delete it before a run, or declare it: samebits.data_sha256({name!r})"
JOBLIB = re.compile(r"(.*/joblib)/.*/output\.pkl$")
_began = time.time()


def watch() -> None:
    """Python announces each file that it opens to audit hooks: joblib's results are among them."""
    sys.addaudithook(_opened)


def _opened(event: str, given: Any) -> None:
    if event != "open" or type(given[0]) is not str or not given[0].endswith("output.pkl"):
        return
    if (found := JOBLIB.match(given[0])) and given[1] in ("r", "rb"):
        _read([given[0]], "joblib's Memory", sys._getframe(1), found[1])


def watch_tensorflow() -> None:
    """TensorFlow opens its files by itself, so a dataset is looked at when it is given a cache."""
    kind: Any = sys.modules["tensorflow"].data.Dataset
    original = kind.cache

    @functools.wraps(original)
    def cache(self: Any, filename: Any = "", *given: Any, **named: Any) -> Any:
        if isinstance(filename, str | os.PathLike) and os.fspath(filename):
            files = glob.glob(f"{glob.escape(os.fspath(filename))}*.index")
            _read(files, "tf.data's cache(…)", sys._getframe(1))
        return original(self, filename, *given, **named)

    kind.cache = cache


@never_fails
def _read(files: list[str], owner: str, frame: Any, folder: str = "") -> None:
    declared = _declared()
    for file in files:
        name = os.path.relpath(folder or file)
        known = os.path.basename(name) in declared
        if not known and os.stat(file).st_mtime < _began and (where := place(_past(frame))) is not None:
            source = f"{owner}: {name} is older than the run"
            RECORDS.add(Source("file", source, where.file, where.line, "", FIX.format(name=name)))


def _declared() -> set[str]:
    """The names of the files that this process has hashed with `data_sha256`."""
    data = sys.modules.get("samebits.fingerprint.data")
    return {os.path.basename(name) for name in getattr(data, "seen", {})}


def _past(frame: Any) -> Any:
    """The first frame outside of joblib and TensorFlow, which read for whoever called them."""
    while frame is not None and re.search(r"-packages/(joblib|tensorflow)/", frame.f_code.co_filename):
        frame = frame.f_back
    return frame
