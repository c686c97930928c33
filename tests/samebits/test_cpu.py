"""What is told of the CPU, and of the kernels that libraries chose by it."""

import json
import os
import subprocess
import sys

import pytest

from samebits import cpu

TELL = "import json, math, {module}; from samebits import cpu; print(json.dumps(cpu.facts()))"


def told(module: str = "math", **variables: str) -> dict[str, str]:
    command = [sys.executable, "-c", TELL.format(module=module)]
    started = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    facts: dict[str, str] = json.loads(started.stdout)
    return facts


def test_libm_tells_its_variants() -> None:
    plain = told()
    assert plain["libm"] == told()["libm"]
    assert plain["libm"] != told(GLIBC_TUNABLES="glibc.cpu.hwcaps=-FMA,-AVX2,-AVX512F")["libm"]
    assert "mkl" not in plain


def test_mkl_tells_its_branch() -> None:
    pytest.importorskip("torch")
    assert told("torch", MKL_CBWR="COMPATIBLE")["mkl"] == "COMPATIBLE"
    assert told("torch", MKL_CBWR="AVX2")["mkl"] in ("AVX2", "COMPATIBLE")  # the second on AMD
    assert told("torch")["mkl"] not in ("", "OFF", "AUTO")


def test_the_processor_is_the_kernels(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "processor: 0\nmodel name: Model A\nvendor_id: V\nflags: fpu sse2 fma avx2 avx512f amx_tile\n"
    monkeypatch.setattr(cpu, "_read", lambda path: text + "\nprocessor: 1\nmodel name: Model B\n")
    assert cpu.processor() == {"model": "Model A", "vendor": "V", "instructions": "amx_tile avx2 avx512f fma"}
    monkeypatch.setattr(cpu, "_read", lambda path: "")
    assert cpu.processor()["vendor"] == "unknown"
