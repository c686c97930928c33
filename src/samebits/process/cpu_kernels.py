"""Which kernels NumPy and its OpenBLAS chose among the CPU's instructions, read back from them.

The variables that choose them accept nonsense silently, so what was set is one thing and what is in force
another.
"""

from types import ModuleType
from typing import Any

PORTABLE = {  # what must be in force in the profile `portable`
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
    "OPENBLAS_CORETYPE": "Haswell",
}


def chosen(numpy: ModuleType) -> dict[str, tuple[str, str]]:
    """Variable → (what is meant, what is in force), in the words of the variable's own values."""
    features = numpy._core._multiarray_umath.__cpu_features__
    there = [name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if features.get(name)]
    pools = (pool for pool in thread_pools() if pool["internal_api"] == "openblas")
    kernels = sorted({str(pool["architecture"]) for pool in pools if "architecture" in pool})
    return {
        "NPY_DISABLE_CPU_FEATURES": ("NumPy's highest instruction set", " ".join(there) or "X86_V3"),
        "OPENBLAS_CORETYPE": ("OpenBLAS's kernels", " ".join(kernels)),
    }


def thread_pools() -> list[dict[str, Any]]:
    """What threadpoolctl describes each library with threads that is loaded."""
    import threadpoolctl  # a small module without a framework of its own; asks only what is loaded

    pools: list[dict[str, Any]] = threadpoolctl.threadpool_info()
    return pools
