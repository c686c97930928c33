"""The processor, and which of their kernels libraries have chosen by it."""

import ctypes
import hashlib
import os
import platform
from typing import Any

from samebits.fingerprint import shared_libraries
from samebits.framework import effective_of_imported

# glibc has several of each, with fused multiply-add and without, and chooses one when it is loaded.
LIBM = ("exp", "log", "pow", "sin", "cos", "tan", "atan", "atan2", "exp2", "log2", "sincos",
        "expf", "logf", "powf", "sinf", "cosf", "exp2f", "log2f", "sincosf", "fma")  # fmt: skip


def facts() -> dict[str, Any]:
    """The processor's name and vendor, its instruction sets, and what libm and MKL have chosen by them."""
    cpu: dict[str, Any] = processor()
    if variants := libm():
        cpu["libm"] = variants
    for room in effective_of_imported():
        cpu |= room.cpu_facts()
    return cpu


def processor() -> dict[str, str]:
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


def libm() -> str:
    """Which variants of libm's functions glibc has chosen: a short digest of where in libm they lie.

    Two processes with the same libm.so.6 and the same digest run the same code for exp, log, sin and others.
    """
    path = next(
        (path for path in shared_libraries.mapped() if os.path.basename(path).startswith("libm.so")), None
    )
    if path is None:
        return ""
    base = min(
        int(line.split("-")[0], 16)
        for line in _read(shared_libraries.MAPS).splitlines()
        if line.endswith(path)
    )
    library = ctypes.CDLL(path)
    places = (ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in LIBM)
    return hashlib.sha256(" ".join(f"{place - base:x}" for place in places).encode()).hexdigest()[:12]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
