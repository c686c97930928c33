"""Every CUDA library comes from one place, the locked wheels; shown without a GPU.

torch maps most of its libraries when it is imported: its RPATH leads to the wheels. TensorFlow opens its own
by name when it looks for a GPU; the processes here have it do so, through the functions that it uses then.
"""

import csv
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A process of its own: imports what it is told to, loads what a GPU would have loaded, prints what is mapped.
PROCESS = """
import ctypes, importlib, json, os, sys

def mapped(name=""):
    fields = (line.split(maxsplit=5) for line in open("/proc/self/maps"))
    return sorted({f[5].strip() for f in fields if len(f) == 6 and ".so" in f[5] and name in f[5]})

failed = []
for module in sys.argv[1:]:
    if module == "tensorflow":
        import samebits.keras.libraries
        samebits.keras.libraries.DRIVERS = [os.devnull]  # as if there were a driver
        importlib.reload(samebits.keras)
    importlib.import_module(module)

if "torch" in sys.argv:
    import torch
    linalg = os.path.join(os.path.dirname(torch.__file__), "lib/libtorch_cuda_linalg.so")
    ctypes.CDLL(linalg)  # which torch does at first use

if "tensorflow" in sys.argv:
    framework = ctypes.CDLL(mapped("libtensorflow_framework.so")[0])
    names = "CudaRuntime Cublas CublasLt Cufft Cusolver Cusparse Cupti Cudnn Nccl Nvshmem".split()
    for function in [f"Get{name}DsoHandle" for name in names] + ["TryDlopenCUDALibraries"]:
        # tsl::internal::DsoLoader::FUNCTION() returns an absl::Status or StatusOr<void*> through a hidden
        # pointer; its first word is 1 when it is OK.
        result = (ctypes.c_uint64 * 2)()
        getattr(framework, f"_ZN3tsl8internal9DsoLoader{len(function)}{function}Ev")(result)
        if result[0] != 1:
            failed.append(function)

[cudnn] = map(ctypes.CDLL, mapped("libcudnn.so"))
for part in ("Graph", "Ops", "Cnn", "Adv"):  # cuDNN loads its parts at first use
    if getattr(cudnn, f"cudnn{part}VersionCheck")():
        failed.append(f"cudnn{part}VersionCheck")

print(json.dumps({"failed": failed, "mapped": mapped()}))
"""
# What each framework must have mapped by then, or the test would see nothing.
CUDNN = {"libcudnn", "libcudnn_graph", "libcudnn_ops", "libcudnn_cnn", "libcudnn_adv"}
BOTH = {
    *("libcudart", "libcublas", "libcublasLt", "libcufft", "libcusolver", "libcusparse", "libcupti"),
    *("libnccl", "libnvJitLink", "libnvshmem_host", *CUDNN),
}
WANTED = {
    "tensorflow": BOTH,
    "torch": BOTH
    | {"libcufile", "libcurand", "libcusparseLt", "libnvToolsExt", "libnvrtc", "libnvrtc-builtins"},
}
# CUDA's libraries by name; not the driver's (libcuda, libnvidia-*), which is the machine's own.
CUDA = re.compile(r"(lib(?:cu(?!da\.)|nv(?!idia-)|nccl)[\w-]*)\.so(\.[\d.]+)?$")


def record(distribution: importlib.metadata.Distribution) -> list[tuple[str, str]]:
    """The absolute paths and hashes in a RECORD. (`distribution.files` takes long over 30 000 of them.)"""
    folder = os.path.realpath(str(distribution.locate_file("")))
    rows = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    return [(os.path.normpath(f"{folder}/{row[0]}"), row[1]) for row in rows]


def locked_files() -> set[str]:
    """Every file that a wheel of requirements.lock has installed."""
    text = (ROOT / "requirements.lock").read_text()
    names = re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
    return {path for name in names for path, _ in record(importlib.metadata.distribution(name))}


def load(*modules: str, **variables: str) -> tuple[list[str], list[str]]:
    """Start the process; the functions that failed, and the paths that it has mapped."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH")
    }
    result = subprocess.run(
        [sys.executable, "-c", PROCESS, *modules],
        env={**environment, **variables, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout.splitlines()[-1])
    return answer["failed"], answer["mapped"]


def findings(mapped: Iterable[str]) -> list[str]:
    """What is wrong with the CUDA libraries among mapped paths: from elsewhere, or two of one name."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in mapped:
        if match := CUDA.match(Path(path).name):
            places[match[1]].append(path)
    locked = locked_files()
    elsewhere = [
        f"{p} is not from a locked wheel" for paths in places.values() for p in paths if p not in locked
    ]
    twice = [f"{name} is mapped from {' and '.join(p)}" for name, p in places.items() if len(p) > 1]
    return elsewhere + twice


@pytest.mark.parametrize(
    "modules",
    [
        ("torch", "tensorflow"),
        ("tensorflow", "torch"),
        ("tensorflow",),
        ("torch",),
    ],
)
def test_every_cuda_library_comes_from_one_locked_wheel(modules: tuple[str, ...]) -> None:
    failed, mapped = load(*modules)
    assert not failed, "TensorFlow would register no GPU, or cuDNN would not start"
    assert not findings(mapped)
    names = {match[1] for path in mapped if (match := CUDA.match(Path(path).name))}
    assert set().union(*(WANTED[module] for module in modules)) <= names


def test_a_foreign_library_is_seen(tmp_path: Path) -> None:
    """The check itself. TensorFlow's RUNPATH yields to LD_LIBRARY_PATH, so ./entrypoint cleans that."""
    [runtime] = [path for path in locked_files() if path.endswith("/libcudart.so.12")]
    copy = shutil.copy(runtime, tmp_path)
    _, mapped = load("tensorflow", LD_LIBRARY_PATH=str(tmp_path))
    assert findings(mapped) == [f"{copy} is not from a locked wheel"]
    assert f"libcudart is mapped from {copy} and {runtime}" in findings([*mapped, runtime])


# No path from two wheels with two contents


def conflicts(distributions: Iterable[importlib.metadata.Distribution]) -> list[str]:
    """Installed paths that stand in several RECORDs with more than one sha256, each with its owners."""
    owners: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for distribution in distributions:
        name = distribution.name
        for path, digest in record(distribution):
            if digest:
                owners[path][digest].append(name)
    return [
        f"{path}: " + "; ".join(f"{', '.join(names)} {digest}" for digest, names in digests.items())
        for path, digests in owners.items()
        if len(digests) > 1
    ]


def test_no_path_has_two_contents() -> None:
    """CUDA 12 and CUDA 13 wheels side by side would write the same files, and no resolver notices."""
    assert not conflicts(importlib.metadata.distributions())


def test_two_contents_are_seen_and_equal_ones_are_not(tmp_path: Path) -> None:
    """The check itself; a dozen CUDA wheels rightly share one empty nvidia/__init__.py."""
    for name, content in (("one", b"12"), ("two", b"13")):
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        empty, own = (hashlib.sha256(data).hexdigest() for data in (b"", content))
        (folder / "RECORD").write_text(
            f"nvidia/__init__.py,sha256={empty},0\nnvidia/lib/./libx.so,sha256={own},2\n{folder.name}/RECORD,,\n"
        )
    [line] = conflicts(importlib.metadata.distributions(path=[str(tmp_path)]))
    assert line.startswith(f"{tmp_path}/nvidia/lib/libx.so: ")
    assert "one sha256=" in line
    assert "two sha256=" in line


def test_the_shared_empty_file_is_seen_at_all() -> None:
    """Otherwise the test above might read no RECORD: many wheels own nvidia/__init__.py, with one content."""
    distributions = importlib.metadata.distributions()
    shared = [d.name for d in distributions if any(p.endswith("/nvidia/__init__.py") for p, _ in record(d))]
    assert len(shared) >= 8
