"""The facts about this environment that can change bits."""

import importlib
import importlib.metadata
import platform
from collections.abc import Iterator
from typing import Any

from samebits import process, variables
from samebits.files import sha256_file

LOCKS = ("conda-lock.yml", "requirements.lock")
LIBRARIES = (
    "keras",
    "numpy",
    "nvidia-cublas-cu12",
    "nvidia-cudnn-cu12",
    "scipy",
    "tensorflow",
    "torch",
    "triton",
)


def fingerprint(framework: str, device: str) -> dict[str, Any]:
    """Versions, locks, CPU, device, threads and the variables' effective values, as plain JSON.

    Never the whole environment: it holds people's secrets.

    Args:
        framework: "torch" or "keras"; it must have been imported, as its settings are read back.
        device: "cpu" or "cuda".
    """
    root = variables.find_root()
    return {
        "profile": process.profile(),
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "locks": {name: sha256_file(root / name) for name in LOCKS if (root / name).exists()},
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "cpu": cpu(),
        "device": importlib.import_module(f"samebits.{framework}").device_facts(device),
        "determinism": importlib.import_module(f"samebits.{framework}").determinism(),
        "effective": process.effective(),
        "variables": process.variables(),
    }


def cpu() -> dict[str, str]:
    """The processor's name, vendor and the instruction sets by which libraries choose their kernels."""
    lines = (line.partition(":") for line in _read("/proc/cpuinfo").splitlines())
    facts: dict[str, str] = {}
    for name, _, value in lines:
        facts.setdefault(name.strip(), value.strip())
    chosen = {"avx", "avx2", "fma", "f16c", "avx_vnni"}
    flags = facts.get("flags", "").split()
    instructions = (flag for flag in flags if flag in chosen or flag.startswith(("avx512", "amx")))
    return {
        "model": facts.get("model name", platform.machine()),
        "vendor": facts.get("vendor_id", "unknown"),
        "instructions": " ".join(sorted(instructions)),
    }


def flatten(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, text) of every fact, so that two fingerprints can be compared line by line."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "" if value is None else str(value)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
