"""The facts about this environment that can change bits."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from typing import Any

from samebits import container_engine
from samebits._files import sha256_file
from samebits.fingerprint import cpu, data, locked, shared_libraries
from samebits.framework import FRAMEWORKS, load_toolkit
from samebits.process import effective, started, variables

LOCKS = ("conda-lock.yml", "requirements.lock")
LIBRARIES = (  # beside the frameworks' own
    "numpy",
    "nvidia-cublas-cu12",
    "nvidia-cudnn-cu12",
    "nvidia-nccl-cu12",
    "scipy",
    "triton",
)
# A run may resume, and match its golden hash, where these differ: another card of the same model, another
# checkout's folder, a check that is on.
FOLLOWING_THE_HOST = (
    *(fact for row in FRAMEWORKS.values() for fact in row.follow_the_host),
    "determinism.fill_uninitialized_memory",  # which `samebits smoke` sets, and no program that is right sees
    "image",
    "variables.CUDA_VISIBLE_DEVICES",
    "variables.PYTHONPATH",
)


def fingerprint(framework: str, device: str) -> dict[str, Any]:
    """Versions, locks, data, CPU, device, libraries, threads and effective values, as plain JSON.

    Never the whole environment: it holds people's secrets.

    Args:
        framework: "torch" or "keras"; it must have been imported, as its settings are read back.
        device: "cpu" or "cuda".
    """
    root, toolkit = variables.find_root(), load_toolkit(framework)
    device_facts = toolkit.device_facts(device)
    if device == "cuda":
        device_facts["driver"] = container_engine.driver() or "unknown"
    return {
        "profile": started.profile(),
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "image": os.environ.get("SAMEBITS_IMAGE"),
        "locks": {name: sha256_file(root / name) for name in LOCKS if (root / name).exists()},
        "unlocked": locked.departures(root),
        "libraries": {name: version for name in _libraries() if (version := _version(name))},
        "data": dict(sorted(data.seen.items())),
        "cpu": cpu.facts(),
        "device": device_facts,
        "determinism": toolkit.determinism(),
        "effective": effective.values(),
        "loaded": shared_libraries.libraries(),
        "variables": started.variables(),
    }


def flatten(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, text) of every fact, so that two fingerprints can be compared line by line."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "; ".join(" ".join(str(part) for part in item.values() if part is not None) for item in value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def _libraries() -> list[str]:
    return sorted({*LIBRARIES, *(package for row in FRAMEWORKS.values() for package in row.packages)})


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
