"""determinism.env as Python reads it, and what stands in it."""

import re
from pathlib import Path

import pytest
from tests.conftest import ROOT

from samebits.errors import UsageError
from samebits.process.variables import find_root, read, read_switches

# Every variable that was checked against the libraries and found to decide bits, or to be believed to.
CHECKED = """
PYTHONHASHSEED TZ LC_ALL OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS OMP_DYNAMIC MKL_DYNAMIC
TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS ATEN_CPU_CAPABILITY ONEDNN_MAX_CPU_ISA DNNL_MAX_CPU_ISA
MKL_CBWR OPENBLAS_CORETYPE NPY_DISABLE_CPU_FEATURES GLIBC_TUNABLES CUBLAS_WORKSPACE_CONFIG
CUBLASLT_WORKSPACE_SIZE TORCH_CUBLASLT_UNIFIED_WORKSPACE NVIDIA_TF32_OVERRIDE
TORCH_ALLOW_TF32_CUBLAS_OVERRIDE CUBLAS_EMULATE_SINGLE_PRECISION CUBLAS_EMULATE_DOUBLE_PRECISION
CUBLAS_EMULATION_STRATEGY CUBLAS_FIXEDPOINT_EMULATION_MANTISSA_BIT_COUNT CUDNN_USE_EX2_EMULATION
PYTORCH_TUNABLEOP_ENABLED TORCHINDUCTOR_DETERMINISTIC TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR
TF_DETERMINISTIC_OPS TF_ENABLE_ONEDNN_OPTS TF_CUDNN_USE_AUTOTUNE
TF_DISABLE_SEGMENT_REDUCTION_OP_DETERMINISM_EXCEPTIONS XLA_FLAGS KERAS_BACKEND TF_USE_LEGACY_KERAS
NVTE_ALLOW_NONDETERMINISTIC_ALGO FLASH_ATTENTION_DETERMINISTIC MAMBA_DETERMINISTIC
CAUSAL_CONV1D_DETERMINISTIC NCCL_ALGO NCCL_PROTO NCCL_NVLS_ENABLE NCCL_MIN_NCHANNELS NCCL_MAX_NCHANNELS
HOROVOD_FUSION_THRESHOLD LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONNOUSERSITE KERAS_HOME TF_XLA_FLAGS
CUDA_DEVICE_ORDER CUDA_LAUNCH_BLOCKING PYTORCH_ALLOC_CONF PYTORCH_CUDA_ALLOC_CONF CUDA_VISIBLE_DEVICES
CUDA_DEVICE_MAX_CONNECTIONS
""".split()  # noqa: SIM905 - sixty quotes would hide the names
PLACEBOS = ["NCCL_DETERMINISTIC", "NCCL_P2P_NET_DISABLE", "TF_CUDNN_DETERMINISTIC", "TF_USE_CUDNN_AUTOTUNE"]


def test_every_variable_that_was_checked_has_a_row():
    assert set(CHECKED) <= {row.name for row in read()}


def test_placebos_are_named_as_such():
    assert [row.name for row in read() if row.policy == "placebo"] == PLACEBOS


def test_every_name_stands_once():
    names = [row.name for row in read()]
    assert len(names) == len(set(names))


def test_values_stand_where_a_policy_needs_one():
    for row in read():
        needs = row.policy in ("pin", "ambient", "merge") or row.kind in ("entries", "libraries")
        assert row.policy == "portable" or bool(row.value) == needs, row  # without one: forbidden
        assert row.value.count("${") <= 1  # entrypoint fills in one


def test_a_row_is_parsed(tmp_path):
    table = tmp_path / "determinism.env"
    table.write_text(
        "# Alone.\n\n# Because\n# of this.\n"
        "ambient:count OMP_NUM_THREADS=${SAMEBITS_THREADS}\n\n# So.\nforbid A\n"
    )
    threads, forbidden = read(table)
    assert (threads.name, threads.policy, threads.kind) == ("OMP_NUM_THREADS", "ambient", "count")
    assert threads.reason == "Because of this."
    assert threads.filled({"SAMEBITS_THREADS": "8"}) == "8"
    assert threads.filled({}) == "1"
    assert (forbidden.name, forbidden.policy, forbidden.value) == ("A", "forbid", "")


def test_switches_are_no_variables():
    switches = [row.name for row in read_switches()]
    assert "torch.use_deterministic_algorithms" in switches
    assert not set(switches) & {row.name for row in read()}
    assert all(row.reason and not row.value for row in read_switches())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# Why.\npinn A=1\n", "2: 'pinn' is no policy"),
        ("# Why.\nambient A=1\n", "2: 'ambient' is no policy"),
        ("# Why.\nA=1\n", "2: 'A=1' is no policy"),
        ("# Why.\npin $(id)=1\n", "2: '$(id)' is no variable's name"),
        ("# Why.\nswitch $(id)\n", "2: '$(id)' is no variable's name"),
        ("# Why.\npin torch.x=1\n", "2: 'torch.x' is no variable's name"),
        ("pin A=1\n", "1: A has no reason"),
        ("# Another's.\npin A=1\npin B=1\n", "3: B has no reason"),
        ("# Far away.\n\npin A=1\n", "3: A has no reason"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(tmp_path, text, complaint):
    table = tmp_path / "determinism.env"
    table.write_text(text)
    with pytest.raises(UsageError, match=re.escape(f"{table}:{complaint}")):
        read(table)


def test_root(monkeypatch, tmp_path):
    monkeypatch.delenv("SAMEBITS_ROOT", raising=False)
    assert find_root() == ROOT
    monkeypatch.setenv("SAMEBITS_ROOT", str(tmp_path))
    assert find_root() == tmp_path
    monkeypatch.setenv("SAMEBITS_ROOT", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="which is no folder"):
        find_root()


def test_the_shadowing_libraries_are_those_of_the_locked_wheels():
    """A CUDA library that a wheel ships and LD_LIBRARY_PATH's row does not name could be shadowed unseen."""
    import nvidia

    folders = [Path(folder) for folder in nvidia.__path__]
    shipped = {path.name for folder in folders for path in folder.glob("*/lib/lib*.so.*")}
    assert len(shipped) > 20
    (row,) = (row for row in read() if row.name == "LD_LIBRARY_PATH")
    assert shipped <= set(row.value.split())
    named = {name for name in row.value.split() if name.startswith(("libcu", "libnv", "libnccl"))}
    assert named <= shipped  # a name from an older lock protects nothing
