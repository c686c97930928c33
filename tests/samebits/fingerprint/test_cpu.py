"""What is told of the CPU, and of the kernels that libraries chose by it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from samebits.fingerprint import cpu
from samebits.proof.portable.machines import NATIVE, QEMU
from samebits.torch.effective import BRANCHES

TELL = "import json, math, {module}; from samebits.fingerprint import cpu; print(json.dumps(cpu.facts()))"


EMULATED = [pytest.param(cpu, marks=pytest.mark.slow) for cpu in ("Haswell", "EPYC")]


def told(module: str = "math", cpu: str = NATIVE, **variables: str) -> dict[str, str]:
    emulating = [] if cpu == NATIVE else [QEMU, "-cpu", cpu]
    command = [*emulating, sys.executable, "-c", TELL.format(module=module)]
    started = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    facts: dict[str, str] = json.loads(started.stdout)
    return facts


def test_libm_tells_its_variants() -> None:
    plain = told()
    assert plain["libm"] == told()["libm"]
    assert plain["libm"] != told(GLIBC_TUNABLES="glibc.cpu.hwcaps=-FMA,-AVX2,-AVX512F")["libm"]
    assert "mkl" not in plain


@pytest.mark.parametrize("cpu", [NATIVE, *EMULATED])
def test_mkl_tells_its_branch(cpu: str) -> None:
    """Every CPU takes COMPATIBLE. Another branch MKL takes or not, as it likes the CPU's maker."""
    if cpu != NATIVE and shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed (qemu-user-static)")
    assert told("torch", cpu, MKL_CBWR="COMPATIBLE")["mkl"] == "COMPATIBLE"
    own = told("torch", cpu)["mkl"]
    assert own in set(BRANCHES.values()) - {"OFF", "COMPATIBLE"}
    assert told("torch", cpu, MKL_CBWR="AVX2")["mkl"] in ("AVX2", own)


def test_the_processor_is_the_kernels(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "processor: 0\nmodel name: Model A\nvendor_id: V\nflags: fpu sse2 fma avx2 avx512f amx_tile\n"
    monkeypatch.setattr(cpu, "_read", lambda path: text + "\nprocessor: 1\nmodel name: Model B\n")
    assert cpu.processor() == {"model": "Model A", "vendor": "V", "instructions": "amx_tile avx2 avx512f fma"}
    monkeypatch.setattr(cpu, "_read", lambda path: "")
    assert cpu.processor()["vendor"] == "unknown"
