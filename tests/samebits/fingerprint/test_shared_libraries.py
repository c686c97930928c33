"""The libraries of a process are told from its own map, and hashed once."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from samebits.fingerprint import shared_libraries

LIBM = next(path for path in shared_libraries.mapped() if Path(path).name.startswith("libm.so"))
TELL = """
import ctypes, json, os, sys
from samebits.fingerprint import shared_libraries
keep = [ctypes.CDLL(path) for path in sys.argv[1:]]
if os.environ.get("REMOVE"):
    os.unlink(sys.argv[1])
print(json.dumps(shared_libraries.libraries()))
"""


def told(*libraries: Path, cache: Path, **variables: str) -> dict[str, str]:
    environment = os.environ | {"SAMEBITS_CACHE": str(cache)} | variables
    command = [sys.executable, "-c", TELL, *map(str, libraries)]
    started = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    libraries_of_it: dict[str, str] = json.loads(started.stdout)
    return libraries_of_it


def copied(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(LIBM, folder / name))


def test_a_library_is_told_with_its_place_and_hash_and_a_second_copy_too(tmp_path: Path) -> None:
    first, second = copied(tmp_path / "a", "libcudnn.so.9"), copied(tmp_path / "b", "libcudnn.so.9")
    second.write_bytes(second.read_bytes() + b"more")
    libraries = told(first, second, cache=tmp_path)
    for name, path in {"libcudnn.so.9": first, "libcudnn.so.9 2": second}.items():
        assert libraries[name] == f"{path} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert libraries["libm.so.6"].startswith(f"{LIBM} sha256:")
    assert "libcudnn.so.9" not in told(cache=tmp_path)


def test_a_file_is_hashed_once_and_again_when_it_changes(tmp_path: Path) -> None:
    library = copied(tmp_path, "libopenblas.so.0")
    first = told(library, cache=tmp_path)["libopenblas.so.0"]
    cache = tmp_path / shared_libraries.CACHE
    known = json.loads(cache.read_text())
    known[str(library)][1] = "from the cache"
    cache.write_text(json.dumps(known))
    assert told(library, cache=tmp_path)["libopenblas.so.0"].endswith("sha256:from the cache")
    content = library.read_bytes()
    before = library.stat()
    library.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(library, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = told(library, cache=tmp_path)["libopenblas.so.0"]
    assert changed == f"{library} sha256:{hashlib.sha256(library.read_bytes()).hexdigest()}" != first


def test_a_cache_that_is_damaged_or_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / shared_libraries.CACHE).write_text("[")
    assert "sha256:" in told(cache=tmp_path)["libm.so.6"]
    (tmp_path / "file").write_text("")
    assert "sha256:" in told(cache=tmp_path / "file")["libm.so.6"]


def test_a_library_that_was_replaced_while_it_runs_is_told(tmp_path: Path) -> None:
    library = copied(tmp_path, "libmkl_core.so")
    libraries = told(library, cache=tmp_path, REMOVE="1")
    assert libraries["libmkl_core.so (deleted)"] == f"{library} (deleted) sha256:unknown"


def test_a_place_in_the_environment_is_the_same_everywhere() -> None:
    assert shared_libraries.place(f"{sys.prefix}/lib/libx.so") == "${ENVIRONMENT}/lib/libx.so"
    assert shared_libraries.place("/usr/lib/libx.so") == "/usr/lib/libx.so"
