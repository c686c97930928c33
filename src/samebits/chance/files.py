"""Files that were there before the run and that it reads: what is in them, no seed and no commit decides.

Caches are known by how they are made: tf.data's `cache(FILE)` and `snapshot`, joblib's `Memory`, the Arrow
files of Hugging Face's datasets. They hold what an earlier run's seed, code and data gave. Of any other file
nobody can tell a cache from the data, so it is data that is not declared: `samebits.data_sha256` declares it.
What git has, what belongs to an installed package, and what this run wrote itself is neither.
"""

import functools
import glob
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from samebits.chance.never_fails import never_fails
from samebits.chance.not_seen import not_seen
from samebits.chance.places import outwards, package_of, place
from samebits.chance.records import RECORDS, Source
from samebits.process.code_owner import owner
from samebits.process.variables import find_root

FIX = "delete it before a run, or declare it: samebits.data_sha256({name!r})"
JOBLIB = re.compile(r"(.*/joblib)/.*/output\.pkl$")
ARROW = ("state.json", "dataset_info.json")  # beside the Arrow files of a dataset
WRITES = os.O_WRONLY | os.O_RDWR
CODE = (".py", ".pyc", ".pyi", ".so", ".pth", ".egg-link", ".dist-info")
SYSTEM = ("/usr/", "/etc/", "/proc/", "/sys/", "/dev/", "/lib", "/bin/", "/run/", "/var/lib/")
# What these keep in a cache is how fast they are, or looks; and what joblib keeps beside its results.
BESIDE = re.compile(
    r"/(torchinductor_[^/]*|torch/kernels|triton|matplotlib|fontconfig|pip|numba_cache)/"
    r"|/joblib/.*/(metadata\.json|func_code\.py)$"
)
MOST = 10_000  # files that a process looks at; a look takes some 30 µs
KEPT = 64  # of one folder
began = time.time()
_looked: set[str] = set()
_folders_of: dict[str, int] = {}  # how many were looked at in each folder
_reads: dict[tuple[str, int, str], list[str]] = {}  # by the line that read them, and its library


def watch() -> None:
    """Python announces each file that it opens to audit hooks."""
    sys.addaudithook(_opened)


def _opened(event: str, given: Any) -> None:
    if event != "open" or type(given[0]) is not str or given[0].endswith(CODE) or given[0] in _looked:
        return
    path, mode, flags = given
    if (mode is not None and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & WRITES):
        return
    folder = os.path.dirname(path)
    number = _folders_of.get(folder, 0)
    if number < KEPT and len(_looked) < MOST:
        _folders_of[folder] = number + 1
        _looked.add(path)
        _look(path, sys._getframe(1))
        if len(_looked) == MOST:
            not_seen(f"files that were read, after the first {MOST:,}")


@never_fails
def _look(path: str, frame: FrameType) -> None:
    if not is_older(path):
        return
    full = os.path.realpath(path)
    name = os.path.basename(full)
    if (memory := JOBLIB.match(full)) is not None:
        _cache("joblib's Memory", memory[1], frame)
    elif name in ARROW and glob.glob(f"{glob.escape(os.path.dirname(full))}/*.arrow"):
        _cache("the cache of datasets", os.path.dirname(full), frame, certain=False)
    elif _may_be_data(full) and (reader := _reader(frame)) is not None:
        _reads.setdefault(reader, []).append(full)


def is_older(path: str) -> bool:
    """Whether a path is a file that was there when the run began."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and max(status.st_mtime, status.st_ctime) < began


def _may_be_data(full: str) -> bool:
    """Whether a file may hold what a training reads: not the system's, not an installed package's."""
    if full.startswith(SYSTEM) or owner(full) != "user" or BESIDE.search(full):
        return False
    inside = next((full[len(folder) :] for folder in _folders() if full.startswith(folder)), full)
    return not any(part.startswith(".") for part in inside.split(os.sep)[:-1])


@functools.cache
def _folders() -> tuple[str, ...]:
    """The project, and where caches are; they may lie in a hidden folder."""
    home = os.path.expanduser("~")
    named = (os.environ.get(name) for name in ("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "KERAS_HOME"))
    caches = (f"{home}/.cache", f"{home}/.keras", tempfile.gettempdir(), *filter(None, named))
    every = (os.getcwd(), str(find_root()), *caches)
    return tuple(os.path.join(os.path.realpath(folder), "") for folder in every)


def _reader(frame: FrameType) -> tuple[str, int, str] | None:
    """The user's line that reads, and the library through which; None where samebits does, or an import."""
    library = ""
    for each in outwards(frame):
        file = each.f_code.co_filename
        whose = owner(file)
        if whose == "samebits" or file.startswith("<frozen importlib"):
            return None
        if whose == "user":
            return file, each.f_lineno, library
        if whose == "library":
            library = library or package_of(file)
    return None


# ---------------------------------------------------------------- caches that are known


@never_fails
def _cache(kept_by: str, path: str, frame: FrameType, certain: bool = True) -> None:
    where = place(_past(frame))
    if where is not None:
        name = os.path.relpath(path)
        source = f"{kept_by}: {name} is older than the run"
        RECORDS.add(Source("file", source, where.file, where.line, "", FIX.format(name=name), certain))


def watch_tensorflow() -> None:
    """TensorFlow opens its files by itself, so a dataset is looked at when it is given a cache."""
    kind: Any = sys.modules["tensorflow"].data.Dataset
    for name, pattern in (("cache", "{}*.index"), ("snapshot", "{}/*/snapshot.metadata")):
        setattr(kind, name, _with_files(getattr(kind, name), f"tf.data's {name}(…)", pattern))


def _with_files(original: Any, kept_by: str, pattern: str) -> Any:
    @functools.wraps(original)
    def watched(self: Any, *given: Any, **named: Any) -> Any:
        path = given[0] if given else named.get("filename", named.get("path", ""))
        if isinstance(path, str | os.PathLike) and os.fspath(path):
            for file in glob.glob(pattern.format(glob.escape(os.fspath(path)))):
                if is_older(file):
                    shown = file if pattern.startswith("{}*") else os.fspath(path)
                    _cache(kept_by, shown, sys._getframe(1))
        return original(self, *given, **named)

    return watched


def watch_datasets() -> None:
    """Hugging Face's datasets map their Arrow files into memory, which Python does not announce."""
    tables: Any = sys.modules["datasets.table"]
    original = tables._memory_mapped_arrow_table_from_file

    @functools.wraps(original)
    def read(filename: str) -> Any:
        if is_older(filename):
            _cache("the cache of datasets", filename, sys._getframe(1), certain=False)
        return original(filename)

    tables._memory_mapped_arrow_table_from_file = read


def _past(frame: Any) -> Any:
    """The first frame outside of the libraries that read for whoever called them."""
    reads = re.compile(r"-packages/(joblib|tensorflow|datasets)/")
    while frame is not None and (
        reads.search(frame.f_code.co_filename) or owner(frame.f_code.co_filename) == "python"
    ):
        frame = frame.f_back
    return frame


# ---------------------------------------------------------------- what is said of them


@never_fails
def settle() -> None:
    """Count what was read, and what this process has declared."""
    for (file, line, library), names in list(_reads.items()):
        del _reads[file, line, library]
        for name in names:
            RECORDS.add(Source("data", name, file, line, library, "", certain=False))
    declared: Iterable[str] = getattr(sys.modules.get("samebits.fingerprint.data"), "paths", ())
    for path in declared:
        RECORDS.add(Source("declared", path, "", 0, "", "", certain=False))


def forked() -> None:
    """What the parent read, it counts itself."""
    _reads.clear()


def judged(counts: dict[Source, int]) -> dict[Source, int]:
    """The counts without files that git has or that are declared; of the others, one row for each line."""
    declared = {source.source for source in counts if source.kind == "declared"}
    rows: dict[Source, int] = {}
    lines: dict[tuple[str, int], dict[str, int]] = {}
    for source, number in counts.items():
        if source.kind == "data":
            files = lines.setdefault((source.file, source.line), {})
            files[source.source] = max(number, files.get(source.source, 0))
        elif source.kind == "file":
            named = re.search(r"data_sha256\('(.*)'\)$", source.fix)
            if named is None or not _is_in(os.path.realpath(named[1]), declared):
                rows[source] = number
        elif source.kind != "declared":
            rows[source] = number
    tracked = _tracked() if lines else set()
    for (file, line), files in lines.items():
        names = [name for name in files if name not in tracked and not _is_in(name, declared)]
        for folder, members in _grouped(names).items():
            number = sum(files[name] for name in members)
            what = os.path.relpath(folder)
            several = f" ({number:,} files{', at least' * (number >= KEPT)})" if number > 1 else ""
            fix = f"samebits.data_sha256({what!r}) has it in the manifest"
            row = Source("data", f"data not declared: {what}{several}", file, line, "", fix, certain=False)
            rows[row] = number
    return rows


def _is_in(path: str, declared: Iterable[str]) -> bool:
    return any(path == each or path.startswith(os.path.join(each, "")) for each in declared)


def _grouped(names: list[str]) -> dict[str, list[str]]:
    """Files by what all of them lie in, below the working folder; where that is nothing, each alone."""
    if not names:
        return {}
    common = os.path.commonpath(names)
    if len(names) == 1 or os.path.commonpath([common, os.getcwd()]) != common:
        return {common: names}
    groups: dict[str, list[str]] = {}
    for name in names:  # the working folder itself, or above it
        below = os.path.relpath(name, common).split(os.sep)[0]
        groups.setdefault(os.path.join(common, below), []).append(name)
    return groups


def _tracked() -> set[str]:
    """The files that git has of the project."""
    from samebits.fingerprint import git

    checkout = git.checkout(Path.cwd())
    told = git.git(checkout[0], "ls-files", "-z") if checkout is not None else None
    return {os.path.join(checkout[0], name) for name in (told or "").split("\0")} if checkout else set()
