"""Misspelt and contradicting variables, and two copies of one library."""

from pathlib import Path

import pytest

from samebits.doctor.traps import contradicting, copies, misspelt
from samebits.process.variables import read


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PYTHONHASSEED", "PYTHONHASHSEED"),
        ("CUBLAS_WORKSPACE_CONFIGS", "CUBLAS_WORKSPACE_CONFIG"),
        ("TF_DETERMINISTIC_OP", "TF_DETERMINISTIC_OPS"),
        ("OMP_NUM_THREAD", "OMP_NUM_THREADS"),
        ("NVIDIA_TF32_OVERIDE", "NVIDIA_TF32_OVERRIDE"),
    ],
)
def test_a_misspelt_name(name: str, meant: str) -> None:
    (finding,) = misspelt({name: "1"}, read())
    assert (finding.subject, finding.outcome, finding.fix) == (name, "warn", f"did you mean {meant}?")


def test_other_programs_variables_are_not_misspelt() -> None:
    others = """
    NVIDIA_VISIBLE_DEVICES NUMEXPR_NUM_THREADS BLIS_NUM_THREADS VECLIB_MAXIMUM_THREADS OMP_NUM_TEAMS
    NCCL_DEBUG NCCL_SOCKET_IFNAME TF_CPP_MIN_LOG_LEVEL PYTHONUNBUFFERED CUDA_HOME CUDA_PATH LC_CTYPE
    TORCH_HOME TORCHINDUCTOR_COMPILE_THREADS OMP_PLACES KMP_AFFINITY MKL_ENABLE_INSTRUCTIONS LD_BIND_NOW TZDIR
    TORCH_CUDNN_V8_API_DISABLED SAMEBITS_THREAD OMP_STACKSIZE NCCL_MIN_CTAS NCCL_MAX_CTAS""".split()  # noqa: SIM905
    assert list(misspelt(dict.fromkeys(others, "1"), read())) == []
    assert list(misspelt({row.name: "1" for row in read()}, read())) == []


def test_a_variable_and_its_old_name() -> None:
    rows = read()
    pair = {"PYTORCH_ALLOC_CONF": "a", "PYTORCH_CUDA_ALLOC_CONF": "b"}
    (finding,) = contradicting(pair, rows)
    assert (finding.subject, finding.outcome) == ("PYTORCH_CUDA_ALLOC_CONF", "fail")
    assert list(contradicting(dict.fromkeys(pair, "same"), rows)) == []
    assert list(contradicting({"PYTORCH_CUDA_ALLOC_CONF": "b"}, rows)) == []


def test_two_copies_of_one_library(tmp_path: Path) -> None:
    for name in ("nvidia_cudnn_cu12-9.10", "nvidia_cudnn_cu13-9.14", "nvidia_nccl_cu12-2.27"):
        (tmp_path / f"{name}.dist-info").mkdir()
    for name in ("cudnn/lib/libcudnn.so.9", "cu13/lib/libcudnn.so.9", "nccl/lib/libnccl.so.2"):
        (tmp_path / "nvidia" / name).parent.mkdir(parents=True)
        (tmp_path / "nvidia" / name).write_text("")
    traps = {finding.subject: finding.found for finding in copies(tmp_path)}
    assert traps == {
        "nvidia-cudnn": "for cu12 and cu13, in the same files",
        "libcudnn": "twice: nvidia/cu13/lib/libcudnn.so.9, nvidia/cudnn/lib/libcudnn.so.9",
    }
