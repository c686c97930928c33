"""The shared libraries in this process: which files they are, by the kernel's list, and their SHA-256.

What a package's metadata says is installed and what the dynamic loader took are two things: LD_LIBRARY_PATH,
a RUNPATH or a library of the system can lie between them.
"""

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from samebits._files import sha256_file, write_whole
from samebits.errors import UsageError
from samebits.framework import FRAMEWORKS

MAPS = "/proc/self/maps"
CACHE = "loaded-libraries.json"
# Whatever computes, decides how it is computed, or lies below what does, by how its file's name begins.
CUDA = r"cublas|cublasLt|cudart|cudnn|cufft|curand|cusolver|cusparse|cusparseLt|nccl|nvJitLink|nvrtc|cuda"
OTHERS = r"onednn|dnnl|mkl|openblas|scipy_openblas|blas|lapack|gomp|iomp5|omp"
SYSTEM = r"m|mvec|c|stdc\+\+|gcc_s"
MODULES = r"_multiarray_umath\.|_umath_linalg\.|libtriton\."
OF_FRAMEWORKS = "|".join(row.libraries for row in FRAMEWORKS.values())
COMPUTING = re.compile(rf"lib(?:{CUDA}|{OTHERS}|{SYSTEM})[^/a-zA-Z]|{MODULES}|{OF_FRAMEWORKS}")
DELETED = " (deleted)"


def mapped() -> list[str]:
    """The path of every shared library that is mapped, each once, sorted; one that was removed says so."""
    try:
        with open(MAPS, encoding="utf-8", errors="surrogateescape") as file:
            fields = (line.rstrip("\n").split(None, 5) for line in file)
            paths = {words[5] for words in fields if len(words) == 6}
    except OSError:  # not Linux
        return []
    return sorted(path for path in paths if re.search(r"\.so\b", os.path.basename(path)))


def libraries() -> dict[str, str]:
    """The libraries that compute, or that others compute with.

    Returns:
        By file name: where it lies and its SHA-256, such as `${ENVIRONMENT}/lib/…/libcudnn.so.9 sha256:…`. A
        second copy of one name has a number behind it.
    """
    paths = [path for path in mapped() if COMPUTING.match(os.path.basename(path))]
    digests = _digests([path for path in paths if not path.endswith(DELETED)])
    places: dict[str, str] = {}
    for path in paths:
        name, number = os.path.basename(path), 1
        while name in places:
            number += 1
            name = f"{os.path.basename(path)} {number}"
        places[name] = f"{place(path)} sha256:{digests.get(path, 'unknown')}"
    return places


def place(path: str) -> str:
    """A path that is the same on every machine: what lies in the environment is told from there."""
    for prefix in (sys.prefix, os.path.realpath(sys.prefix)):
        if path.startswith(prefix + os.sep):
            return "${ENVIRONMENT}" + path[len(prefix) :]
    return path


def _digests(paths: list[str]) -> dict[str, str]:
    """The SHA-256 of each file, from the cache where the file is the one that was hashed before.

    A framework maps five gigabytes, which take seconds. Like git's index, the cache knows a file by its
    device, number, size and times of change.
    """
    cache = Path(os.environ.get("SAMEBITS_CACHE", "~/.cache/samebits")).expanduser() / CACHE
    known = _read(cache)
    states = {path: _state(path) for path in paths}
    unknown = [path for path in paths if known.get(path, [None])[0] != states[path]]
    with ThreadPoolExecutor(
        len(os.sched_getaffinity(0))
    ) as pool:  # hashing lets go of the interpreter's lock
        for path, digest in zip(unknown, pool.map(_hash, unknown), strict=True):
            known[path] = [states[path], digest]
    if unknown:
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            write_whole(cache, json.dumps(known, indent=1, sort_keys=True) + "\n")
        except (OSError, UsageError):  # then it is hashed again next time
            pass
    return {path: known[path][1] for path in paths}


def _read(cache: Path) -> dict[str, list[str]]:
    try:
        content = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _state(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return "gone"
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _hash(path: str) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return "unreadable"
