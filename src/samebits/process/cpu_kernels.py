"""Which kernels the libraries chose among the CPU's instructions, read back from those that are imported.

The variables that choose them accept nonsense silently, so what was set is one thing and what is in force
another. oneDNN, as torch has it built in, does not tell.
"""

import ctypes
import functools
from pathlib import Path
from types import ModuleType
from typing import Any

# What the answers of MKL mean; see mkl_cbwr_get in its reference, and docs/portable.md for the other one.
BRANCHES = {
    1: "OFF", 2: "AUTO", 3: "COMPATIBLE", 4: "SSE2", 6: "SSSE3", 7: "SSE4_1", 8: "SSE4_2", 9: "AVX",
    10: "AVX2", 11: "AVX512_MIC", 12: "AVX512", 13: "AVX512_MIC_E1", 14: "AVX512_E1",
}  # fmt: skip


def chosen(torch: ModuleType | None, numpy: ModuleType | None) -> dict[str, tuple[str, str]]:
    """Variable → (what is meant, what is in force), in the words of the variable's own values.

    Args:
        torch: the module, or None where it is not imported.
        numpy: the same.
    """
    found: dict[str, tuple[str, str]] = {}
    if torch is not None:
        capability = torch.backends.cpu.get_cpu_capability().lower()
        found["ATEN_CPU_CAPABILITY"] = ("torch's instruction set", capability)
        for name, (what, function, arguments) in MKL.items():
            if (answer := _ask_mkl(str(torch.__file__), function, *arguments)) is not None:
                found[name] = (what, BRANCHES.get(answer, str(answer)) if name == "MKL_CBWR" else str(answer))
    if numpy is not None:
        features = numpy._core._multiarray_umath.__cpu_features__
        there = [name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if features.get(name)]
        found["NPY_DISABLE_CPU_FEATURES"] = ("NumPy's highest instruction set", " ".join(there) or "X86_V3")
        pools = (pool for pool in thread_pools() if pool["internal_api"] == "openblas")
        kernels = sorted({str(pool["architecture"]) for pool in pools if "architecture" in pool})
        found["OPENBLAS_CORETYPE"] = ("OpenBLAS's kernels", " ".join(kernels))
    return found


MKL = {
    "MKL_CBWR": ("MKL's branch", "mkl_serv_cbwr_get", (1,)),
    "MKL_VML_DEBUG_CPU_TYPE": ("the CPU that MKL's vector mathematics sees", "mkl_vml_serv_cpu_detect", ()),
}
PORTABLE = {  # what must be in force in the profile `portable`
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_VML_DEBUG_CPU_TYPE": "3",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
    "OPENBLAS_CORETYPE": "Haswell",
}


def mkl_branch(torch: ModuleType) -> str:
    """The code branch that torch's MKL runs: the one asked for, or the one it chose.

    "AUTO" where MKL does not name what it chose, as on AMD's CPUs; "" without MKL.
    """
    branch = _ask_mkl(str(torch.__file__), "mkl_serv_cbwr_get", 1)
    if BRANCHES.get(branch or 0) in ("OFF", "AUTO"):
        branch = _ask_mkl(str(torch.__file__), "mkl_serv_cbwr_get_auto_branch")
    return "" if branch is None else BRANCHES.get(branch, str(branch))


@functools.cache
def _ask_mkl(torch: str, function: str, *arguments: int) -> int | None:
    """What a function of MKL's answers; None where torch was built without it."""
    try:
        library = ctypes.CDLL(str(Path(torch).with_name("lib") / "libtorch_cpu.so"))  # loaded already
        return int(getattr(library, function)(*arguments))
    except (OSError, AttributeError):
        return None


def thread_pools() -> list[dict[str, Any]]:
    """What threadpoolctl tells of each library with threads that is loaded."""
    import threadpoolctl  # a small module without a framework of its own; asks only what is loaded

    pools: list[dict[str, Any]] = threadpoolctl.threadpool_info()
    return pools
