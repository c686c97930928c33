"""The switches of torch that choose kernels, and that samebits leaves as they are."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch

backends: Any = torch.backends  # of modules, which torch makes at run time
_C: Any = torch._C


def changed() -> dict[str, bool | str]:
    """Those that are not as torch has them at its start, by name, such as "mkldnn.enabled": False.

    What leaves them alone has no such facts, so a switch that is added here changes no older fingerprint.
    """
    facts: dict[str, bool | str] = {}
    for name, (read, usual) in SWITCHES.items():
        with contextlib.suppress(AttributeError, RuntimeError):  # torch has had some only since a version
            if (value := read()) != usual:
                facts[name] = value if isinstance(value, bool) else str(value)
    return facts


def _reduced(kind: str) -> bool:
    """Whether cuBLAS may add up in a shorter type; torch 2.10 tells it with another setting."""
    value = getattr(_C, f"_get_cublas_allow_{kind}_reduced_precision_reduction")()
    return all(value) if isinstance(value, tuple) else bool(value)


def _mkldnn_deterministic() -> bool:
    """Whether oneDNN is set as cuDNN and the rest are: `make_deterministic` sets all of them."""
    others = torch.get_deterministic_debug_mode() == 2 and backends.cudnn.deterministic
    return bool(backends.mkldnn.deterministic == others)


def _einsum() -> str:
    if not backends.opt_einsum.is_available():
        return "auto"
    return str(backends.opt_einsum.strategy) if backends.opt_einsum.enabled else "off"


SWITCHES: dict[str, tuple[Callable[[], Any], Any]] = {  # what reads each, and torch's own value
    "cpu.fp16_reduced_reduction": (lambda: _C._get_cpu_allow_fp16_reduced_precision_reduction(), False),
    "cuda.bf16_reduced_reduction": (lambda: _reduced("bf16"), True),
    "cuda.fp16_accumulation": (lambda: backends.cuda.matmul.allow_fp16_accumulation, False),
    "cuda.fp16_reduced_reduction": (lambda: _reduced("fp16"), True),
    "cuda.linalg_library": (lambda: backends.cuda.preferred_linalg_library().name, "Default"),
    "cudnn.enabled": (lambda: backends.cudnn.enabled, True),
    "default_dtype": (torch.get_default_dtype, torch.float32),
    "mha.fastpath": (lambda: backends.mha.get_fastpath_enabled(), True),
    "mkldnn.as_the_others": (_mkldnn_deterministic, True),
    "mkldnn.enabled": (lambda: backends.mkldnn.enabled, True),
    "nnpack.enabled": (lambda: _C._get_nnpack_enabled(), True),
    "opt_einsum": (_einsum, "auto"),
    "sdp.cudnn": (lambda: backends.cuda.cudnn_sdp_enabled(), True),
    "sdp.flash": (lambda: backends.cuda.flash_sdp_enabled(), True),
    "sdp.math": (lambda: backends.cuda.math_sdp_enabled(), True),
    "sdp.math_reduced_reduction": (lambda: backends.cuda.fp16_bf16_reduction_math_sdp_allowed(), False),
    "sdp.mem_efficient": (lambda: backends.cuda.mem_efficient_sdp_enabled(), True),
}
