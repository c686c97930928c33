"""Deterministic kernels in torch: switched on, and read back."""

import functools
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.utils.deterministic

from samebits._excepthook import explain_uncaught
from samebits.process import memory
from samebits.process.check import this_process
from samebits.process.switches import Switch, attribute, watched
from samebits.torch import other_switches, portable
from samebits.torch.errors import explain, explain_lacking

INDUCTOR = "torch._inductor.config"
FULL = "ieee"  # float32 products in float32, not in TF32 or bfloat16


def make_deterministic(*, check: bool = False) -> None:
    """Make torch compute the same bits again: deterministic kernels, no benchmark, no TF32.

    `open_run` does it too, and looks before each step whether it is still so. A script needs it where it
    computes something before, or without, a run. What SAMEBITS_ALLOW names stays as it is.

    Also switches Inductor's (torch.compile's) deterministic mode on, where torch has one. Work that has no
    deterministic kernel raises a RuntimeError which names the operation; `explain` says what to use instead,
    and so does the last line on stderr when nobody catches it.

    Args:
        check: fill memory that torch hands out uninitialised, so that a program that reads it is found out:
            it then computes NaN. Costs several percent on a GPU, and hides the fault from a comparison of two
            runs; so it is off while training and on while checking. MALLOC_PERTURB_, which makes the C
            library fill all memory that it hands out, switches it on, too: `samebits smoke` sets it for all
            runs but the first, and the fault shows as a difference.
    """
    global _checking
    this_process(strict=False)
    portable.route()
    deterministic: Any = torch.utils.deterministic
    _checking = check
    deterministic.fill_uninitialized_memory = check or memory.filled()
    for switch in watched(switches()).values():
        switch.set(switch.must)
    explain_uncaught(explain_lacking, alone=True)
    explain_uncaught(explain)


_checking = False  # what `make_deterministic` was last told


def switch_on() -> dict[str, Switch]:
    """What `open_run` does: `make_deterministic`, with `check` as it was last given.

    Returns:
        The switches that must stay as they are now. They have names as in determinism.env.
    """
    make_deterministic(check=_checking)
    return watched({**switches(), "OMP_NUM_THREADS": _threads()})


def switches() -> dict[str, Switch]:
    """What decides whether torch computes the same bits again, by name."""
    backends: Any = torch.backends  # of modules, which torch makes at run time
    rows = {
        "torch.use_deterministic_algorithms": Switch(
            True, lambda: torch.get_deterministic_debug_mode() == 2, torch.use_deterministic_algorithms
        ),
        "torch.backends.cudnn.benchmark": attribute(backends.cudnn, "benchmark", False),
        "torch.backends.cudnn.deterministic": attribute(backends.cudnn, "deterministic", True),
        "torch.backends.mkldnn.deterministic": attribute(backends.mkldnn, "deterministic", True),
        "torch.backends.fp32_precision": Switch(FULL, _precision, _set_precision),
    }
    if _has_inductors():
        rows["TORCHINDUCTOR_DETERMINISTIC"] = Switch(
            True, _inductor, _set_inductor, f"{INDUCTOR}.deterministic"
        )
    return rows


def _threads() -> Switch:
    """How many threads there are decides how sums are split. `process.check` has compared the number."""
    return Switch(
        torch.get_num_threads(), torch.get_num_threads, torch.set_num_threads, "torch.get_num_threads()"
    )


@functools.cache
def _has_inductors() -> bool:
    """Whether this torch has Inductor's deterministic mode; 2.8 has not. Importing Inductor takes seconds."""
    config = Path(torch.__file__).with_name("_inductor") / "config.py"
    return "TORCHINDUCTOR_DETERMINISTIC" in config.read_text(encoding="utf-8")


def _inductor() -> bool:
    if not _has_inductors():
        return False
    if INDUCTOR in sys.modules:
        return bool(sys.modules[INDUCTOR].deterministic)
    # Not imported yet, which takes seconds; this is where its setting will come from.
    return os.environ.get("TORCHINDUCTOR_DETERMINISTIC") == "1"


def _set_inductor(value: bool) -> None:
    if config := sys.modules.get(INDUCTOR):
        config.deterministic = value  # type: ignore[attr-defined]


def _set_precision(precision: str) -> None:
    # torch has two sets of switches for TF32 and raises where they disagree, so both are set, the newer one
    # first, and each operation by name: a value given for one operation wins over that of its backend.
    backends: Any = torch.backends
    for setting in _precisions().values():
        setting.fp32_precision = precision
    backends.cuda.matmul.allow_tf32 = False
    backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def _precision() -> str:
    """FULL, or how the first operation is computed that is not."""
    for name, setting in _precisions().items():
        if "." in name and (precision := setting.fp32_precision) != FULL:
            return f"{precision} for {name}"
    if not _precisions() and _may_shorten():
        return "tf32"
    return FULL


def determinism() -> dict[str, bool | str]:
    """What torch is really set to, read back from torch; for the manifest.

    Returns:
        "deterministic_algorithms": "on", "warn only" or "off"; "cudnn_benchmark", "cudnn_deterministic",
        "inductor_deterministic", "fill_uninitialized_memory", "tf32" (whether any operation may use it or
        another shortened float32), "portable_kernels" (whether those that differ by CPU are replaced): true
        or false. Then the other switches of torch.backends, where they are not as torch starts.
    """
    mode = torch.get_deterministic_debug_mode()
    deterministic: Any = torch.utils.deterministic
    return {
        "deterministic_algorithms": ("off", "warn only", "on")[mode],
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "inductor_deterministic": _inductor(),
        "fill_uninitialized_memory": deterministic.fill_uninitialized_memory,
        "tf32": _may_shorten(),
        "portable_kernels": portable.routed(),
        **other_switches.changed(),
    }


def _precisions() -> dict[str, Any]:
    """Every switch of the newer kind by name, the general ones first."""
    backends: Any = torch.backends
    if not hasattr(backends, "fp32_precision"):  # torch before 2.9
        return {}
    return {
        "all": backends,
        "cuda": backends.cudnn,  # stands for all of CUDA
        "cuda.matmul": backends.cuda.matmul,
        "cudnn.conv": backends.cudnn.conv,
        "cudnn.rnn": backends.cudnn.rnn,
        "mkldnn.matmul": backends.mkldnn.matmul,
        "mkldnn.conv": backends.mkldnn.conv,
        "mkldnn.rnn": backends.mkldnn.rnn,
    }


def _may_shorten() -> bool:
    effective = [setting.fp32_precision for name, setting in _precisions().items() if "." in name]
    if effective:  # "none" is full precision, except where `allow_tf32` still stands at its old default
        return any(value in ("tf32", "bf16") for value in effective)
    return torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
