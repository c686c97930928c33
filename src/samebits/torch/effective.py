"""What torch, and the MKL inside it, made of the process's variables. Importing this does not import torch.

The variables that choose kernels accept nonsense silently, so what was set is one thing and what is in force
another. oneDNN, as torch has it built in, does not tell.
"""

import ctypes
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from samebits.process import started
from samebits.process.effective import InForce, imported, kernels

# What the answers of MKL mean; see mkl_cbwr_get in its reference, and docs/portable.md for the other one.
BRANCHES = {
    1: "OFF", 2: "AUTO", 3: "COMPATIBLE", 4: "SSE2", 6: "SSSE3", 7: "SSE4_1", 8: "SSE4_2", 9: "AVX",
    10: "AVX2", 11: "AVX512_MIC", 12: "AVX512", 13: "AVX512_MIC_E1", 14: "AVX512_E1",
}  # fmt: skip
MKL = {
    "MKL_CBWR": ("MKL's branch", "mkl_serv_cbwr_get", (1,)),
    "MKL_VML_DEBUG_CPU_TYPE": ("the CPU that MKL's vector mathematics sees", "mkl_vml_serv_cpu_detect", ()),
}
PORTABLE = {  # what must be in force in the profile `portable`
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_VML_DEBUG_CPU_TYPE": "3",
}


def values() -> dict[str, dict[str, Any]]:
    """Numbers of threads, and the instruction set; what `samebits.framework.Effective` says of it."""
    torch = imported("torch", "get_num_threads")
    if torch is None:
        return {}
    return {
        "torch": {
            "threads": torch.get_num_threads(),
            "mkl_threads": _mkl_threads(torch),
            "interop_threads": torch.get_num_interop_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        }
    }


def in_force() -> Iterator[InForce]:
    """The numbers of threads, and with PROFILE=portable the kernels."""
    torch, environment = imported("torch", "get_num_threads"), started.environment()
    if torch is None:
        return
    number, threads = torch.get_num_threads(), environment.get("OMP_NUM_THREADS", "").partition(",")[0]
    undo = f"set SAMEBITS_THREADS={number} instead of torch.set_num_threads"
    yield InForce("OMP_NUM_THREADS", "torch.get_num_threads()", number, threads, undo)
    # torch.set_num_threads sets MKL's too; without it, MKL's own number must have been heeded.
    mkl, threads = _mkl_threads(torch), environment.get("MKL_NUM_THREADS", "").partition(",")[0]
    if mkl is not None and mkl != number:
        yield InForce("MKL_NUM_THREADS", "MKL's number of threads", mkl, threads)
    yield from kernels(chosen(torch), PORTABLE)


def cpu_facts() -> dict[str, str]:
    """The code branch that torch's MKL runs: the one asked for, or the one it chose.

    "AUTO" where MKL does not name what it chose, as on AMD's CPUs; nothing without MKL.
    """
    place = str(getattr(sys.modules.get("torch"), "__file__", ""))
    branch = _ask_mkl(place, "mkl_serv_cbwr_get", 1)
    if BRANCHES.get(branch or 0) in ("OFF", "AUTO"):
        branch = _ask_mkl(place, "mkl_serv_cbwr_get_auto_branch")
    return {} if branch is None else {"mkl": BRANCHES.get(branch, str(branch))}


def is_data_worker() -> bool:
    """torch gives its data workers one thread each, and their parent was checked."""
    data = imported("torch.utils.data", "get_worker_info")
    return data is not None and data.get_worker_info() is not None


def chosen(torch: ModuleType) -> dict[str, tuple[str, str]]:
    """Variable → (what is meant, what is in force), in the words of the variable's own values."""
    capability = torch.backends.cpu.get_cpu_capability().lower()
    values = {"ATEN_CPU_CAPABILITY": ("torch's instruction set", capability)}
    for name, (what, function, arguments) in MKL.items():
        if (answer := _ask_mkl(str(torch.__file__), function, *arguments)) is not None:
            values[name] = (what, BRANCHES.get(answer, str(answer)) if name == "MKL_CBWR" else str(answer))
    return values


def _mkl_threads(torch: Any) -> int | None:
    match = re.search(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())
    return int(match[1]) if match else None


@functools.cache
def _ask_mkl(torch: str, function: str, *arguments: int) -> int | None:
    """What a function of MKL's answers; None where torch was built without it."""
    try:
        library = ctypes.CDLL(str(Path(torch).with_name("lib") / "libtorch_cpu.so"))  # loaded already
        return int(getattr(library, function)(*arguments))
    except (OSError, AttributeError):
        return None
